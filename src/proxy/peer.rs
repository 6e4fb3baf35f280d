//! The other end of a client's connection.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use http::HeaderValue;

/// The other end of a client's connection: as the socket knows it, or as a trusted balancer says (PROXY protocol).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// At an address, IPv4 as IPv4 even on a dual-stack socket.
    At(SocketAddr),
    /// On a Unix socket, so on this machine.
    Unix,
}

impl Peer {
    /// Its address, if it has one.
    pub(super) fn ip(self) -> Option<IpAddr> {
        match self {
            Self::At(address) => Some(address.ip()),
            Self::Unix => None,
        }
    }

    /// Its address as a field value; `unknown` as in RFC 7239 section 6.2 where it has none.
    pub(super) fn field_value(self) -> HeaderValue {
        let address = self.ip().map(|address| address.to_string());
        // An address is digits, letters, dots and colons.
        let value = address.and_then(|address| HeaderValue::try_from(address).ok());
        value.unwrap_or(HeaderValue::from_static("unknown"))
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::At(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }
}

impl fmt::Display for Peer {
    /// As it stands in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(address) => write!(f, "{address}"),
            Self::Unix => f.write_str("unix"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_of_a_dual_stack_socket_keeps_its_ipv4_address() {
        let address: SocketAddr = "[::ffff:192.0.2.1]:4711".parse().unwrap();
        assert_eq!(Peer::from(address).to_string(), "192.0.2.1:4711");
        assert_eq!(Peer::from(address).field_value(), "192.0.2.1");
        assert_eq!(
            (Peer::Unix.to_string().as_str(), Peer::Unix.field_value()),
            ("unix", HeaderValue::from_static("unknown"))
        );
    }
}
