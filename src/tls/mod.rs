//! The glue to rustls: identities become a snapshot, and a handshake sees one snapshot from its start to its end.

mod anyone;
mod client_auth;
mod compression;
mod connector;
mod distrust;
mod error;
mod handshake;
mod handshake_error;
mod hello;
mod identity;
mod memory;
mod metrics;
mod names;
mod old_windows;
mod presented;
mod public_key;
mod resolver;
#[cfg(test)]
mod rig;
mod server_config;
mod settings;
mod signature_algorithms;
mod snapshot;
mod tickets;
mod verifier;
mod wire;
mod witness;

pub use client_auth::{
    ClientAuth, ClientAuthMode, ClientAuthPolicy, ClientCertificates, Demand, Examiner, ExaminerError, RefusedBecause,
    RefusedCertificate, Revocation, RevocationDepth, RevocationPolicy,
};
pub use connector::{ClientIdentity, Connector, ConnectorError, ConnectorSettings, Offered, Trust};
pub use distrust::ConnectError;
pub use error::Error;
pub use handshake::{Accepted, Handshaker};
pub use handshake_error::HandshakeError;
pub use hello::{ApplicationProtocol, Hello};
pub use identity::Identity;
pub use metrics::HandshakeMetrics;
pub use old_windows::OutOfReach;
pub use presented::{KeyKind, Offer, PresentError, Presented, Version, presented};
pub use public_key::public_key;
pub use settings::Settings;
pub use signature_algorithms::{WEAK_ALGORITHMS, signature_algorithms};
pub use snapshot::Snapshot;
pub use tickets::{TicketKey, Tickets};
