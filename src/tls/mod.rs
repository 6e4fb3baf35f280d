//! The glue to rustls.

mod handshake;
mod settings;
mod snapshot;
mod weak_algorithms;

pub use handshake::{Accepted, ApplicationProtocol, HandshakeError, Handshaker, Hello};
pub use settings::Settings;
pub use snapshot::Snapshot;
pub use weak_algorithms::WEAK_ALGORITHMS;
