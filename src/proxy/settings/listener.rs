//! What is accepted on, and what is done there.

use std::net::SocketAddr;

use http::StatusCode;

/// An address that is accepted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The address.
    pub address: SocketAddr,
    /// What is done with a connection.
    pub service: Service,
}

/// What is done with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service {
    /// HTTP over TLS is served.
    Tls,
    /// Plain HTTP is answered with the way to https.
    Redirect(Redirect),
}

/// The way to https.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The port that redirects name: the one clients reach, which a container or a firewall may map to another.
    pub port: u16,
    /// 301 or 308.
    pub status: StatusCode,
}

impl Listener {
    /// A listener with everything else at its default.
    pub fn new(address: SocketAddr, service: Service) -> Self {
        Self { address, service }
    }
}

impl Default for Redirect {
    fn default() -> Self {
        Self {
            port: 443,
            status: StatusCode::PERMANENT_REDIRECT,
        }
    }
}
