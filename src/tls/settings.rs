//! What the operator says about TLS.

use std::time::Duration;

/// Everything the TLS room is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// From accept to the end of the handshake; a client that takes longer is dropped.
    pub handshake_timeout: Duration,
    /// Refuse a client that names no host, or one that no identity answers for, instead of serving the default
    /// identity.
    pub strict_sni: bool,
    /// Write the secrets of every connection to the file that `SSLKEYLOGFILE` names.
    pub key_log: bool,
}
