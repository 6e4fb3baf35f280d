//! The glue to rustls: identities become a snapshot, and a handshake sees one snapshot from its start to its end.

mod error;
mod handshake;
mod identity;
mod names;
mod public_key;
mod resolver;
#[cfg(test)]
mod rig;
mod server_config;
mod settings;
mod snapshot;
mod tickets;
mod weak_algorithms;

pub use error::Error;
pub use handshake::{Accepted, ApplicationProtocol, HandshakeError, Handshaker, Hello};
pub use identity::Identity;
pub use public_key::public_key;
pub use settings::Settings;
pub use snapshot::Snapshot;
pub use tickets::Tickets;
pub use weak_algorithms::WEAK_ALGORITHMS;
