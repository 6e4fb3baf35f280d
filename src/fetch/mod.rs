//! The only way certificates and what belongs to them come from outside: over plain HTTP, bounded, in the background.
//!
//! Nothing here is on the path of a handshake or of a start, and nothing that comes back is trusted for where it came
//! from.

mod address;
mod client;
mod error;
mod location;
mod network;
pub mod staples;

pub use client::{Client, Deadlines};
pub use error::Error;
pub use network::{Answer, Network, System};
