//! The glue to rustls.

mod handshake;
mod settings;
mod snapshot;

pub use handshake::{Accepted, ApplicationProtocol, HandshakeError, Handshaker, Hello};
pub use settings::Settings;
pub use snapshot::Snapshot;
