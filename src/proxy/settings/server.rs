//! Where a server is reached.

use std::fmt;
use std::path::PathBuf;

/// `http://host[:port]`, `https://host[:port]` or `unix:/path`: where a server is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerAddress {
    /// Where.
    pub endpoint: Endpoint,
    /// Whether TLS is spoken there.
    pub tls: bool,
}

/// What is connected to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A TCP port.
    Tcp {
        /// A name or an IP address (IPv6 without brackets).
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

impl ServerAddress {
    /// A server that speaks plain HTTP.
    pub fn http(host: impl Into<String>, port: u16) -> Self {
        Self::tcp(host, port, false)
    }

    /// A server that speaks HTTP over TLS.
    pub fn https(host: impl Into<String>, port: u16) -> Self {
        Self::tcp(host, port, true)
    }

    /// A server on this machine that speaks plain HTTP: nobody else can listen in on a Unix socket.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self {
            endpoint: Endpoint::Unix(path.into()),
            tls: false,
        }
    }

    fn tcp(host: impl Into<String>, port: u16, tls: bool) -> Self {
        Self {
            endpoint: Endpoint::Tcp {
                host: host.into(),
                port,
            },
            tls,
        }
    }
}

impl fmt::Display for ServerAddress {
    /// `host:port`, an IPv6 address in brackets; with its scheme where that is not `http`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tls {
            f.write_str("https://")?;
        }
        match &self.endpoint {
            Endpoint::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Endpoint::Tcp { host, port } => write!(f, "{host}:{port}"),
            Endpoint::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_written_as_in_its_url() {
        for (address, text) in [
            (ServerAddress::http("::1", 80), "[::1]:80"),
            (ServerAddress::http("backend", 80), "backend:80"),
            (ServerAddress::https("backend", 443), "https://backend:443"),
            (ServerAddress::unix("/run/app.sock"), "unix:/run/app.sock"),
        ] {
            assert_eq!(address.to_string(), text);
        }
    }
}
