//! Where requests go.

use std::fmt;
use std::time::Duration;

/// A named set of servers that requests of a route go to, and how they are spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// What routes and logs call it; empty for the default backend.
    pub name: Box<str>,
    /// Taken in turn, the next one where one does not accept a connection.
    pub servers: Vec<ServerAddress>,
    /// How long each stage may take.
    pub timeouts: BackendTimeouts,
}

/// `http://host[:port]`: where a server is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerAddress {
    /// A name or an IP address (IPv6 without brackets).
    pub host: String,
    /// The TCP port, 80 where the URL names none.
    pub port: u16,
}

/// Deadlines on the backend's side, each measured on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackendTimeouts {
    /// Connecting to a server.
    pub connect: Duration,
    /// From the request sent to the response's header section.
    pub first_byte: Duration,
    /// How long an unused connection is kept.
    pub idle: Duration,
    /// A body or response without progress.
    pub progress: Duration,
}

impl Backend {
    /// A backend with everything else at its default.
    pub fn new(name: impl Into<Box<str>>, servers: Vec<ServerAddress>, timeouts: BackendTimeouts) -> Self {
        Self {
            name: name.into(),
            servers,
            timeouts,
        }
    }
}

impl fmt::Display for ServerAddress {
    /// `host:port`, an IPv6 address in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        match host.contains(':') {
            true => write!(f, "[{host}]:{port}"),
            false => write!(f, "{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_server_is_written_in_brackets() {
        let address = |host: &str| ServerAddress {
            host: host.to_owned(),
            port: 80,
        };
        assert_eq!(address("::1").to_string(), "[::1]:80");
        assert_eq!(address("backend").to_string(), "backend:80");
    }
}
