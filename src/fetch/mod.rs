//! The only way certificates and what belongs to them come from outside: over plain HTTP, bounded, in the background.
//!
//! [`Client`] asks one URL; [`Issuers`] finds the issuers that a chain lacks (AIA) and remembers them; [`staples`] does
//! so with OCSP responses. Nothing here is on the path of a handshake or of a start, and nothing that comes back is
//! trusted for where it came from.

mod address;
mod asking;
mod back_off;
mod cache;
mod client;
mod directory;
mod entry;
mod error;
mod issuers;
mod judge;
mod limited;
mod location;
mod metrics;
mod network;
mod outcome;
mod quest;
mod search;
mod settings;
pub mod staples;

pub use cache::Cache;
pub use client::{Client, Deadlines};
pub use error::Error;
pub use issuers::Issuers;
pub use judge::Dismissal;
pub use metrics::Metrics;
pub use network::{Network, Pending, System};
pub use outcome::{Failure, Found, Outcome, Reason};
pub use settings::{Aia, Ocsp, Settings};
