//! HOST:PORT: the server that is looked at.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustls_pki_types::{DnsName, ServerName};

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Target {
    pub(super) host: Host,
    pub(super) port: u16,
}

/// A name or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Name(DnsName<'static>),
    Address(IpAddr),
}

/// Why a host name leads nowhere.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResolveError {
    #[error("{name}: no address is known for it")]
    Nowhere { name: String, source: Option<io::Error> },
    #[error("{name}: no answer from the name server in time")]
    TimedOut { name: String },
}

/// Where TLS is looked for unless told otherwise.
const HTTPS_PORT: u16 = 443;

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('/') {
            return Err("a URL or a path; write the host and the port alone, such as www.example.org:443".to_owned());
        }
        // An IPv6 address alone is plain enough without brackets.
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Ok(Self {
                host: Host::Address(address.into()),
                port: HTTPS_PORT,
            });
        }
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, rest)) => {
                let address: Ipv6Addr = address
                    .parse()
                    .map_err(|_| format!("{address:?} is no IPv6 address; brackets are for those"))?;
                let port = match rest.strip_prefix(':') {
                    Some(port) => Some(port),
                    None if rest.is_empty() => None,
                    None => {
                        return Err(format!(
                            "expected a colon and the port behind the address, found {rest:?}"
                        ));
                    }
                };
                (Host::Address(address.into()), port)
            }
            None => {
                let (host, port) = match text.rsplit_once(':') {
                    Some((host, port)) => (host, Some(port)),
                    None => (text, None),
                };
                (host.parse()?, port)
            }
        };
        let port = match port {
            None => HTTPS_PORT,
            Some(port) => match port.parse() {
                Ok(0) | Err(_) => return Err(format!("expected a port from 1 to 65535, found {port:?}")),
                Ok(port) => port,
            },
        };
        Ok(Self { host, port })
    }
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        if text.contains(':') {
            return Err("an IPv6 address stands in brackets, such as [2001:db8::1]:443".to_owned());
        }
        // The dot that may end a name is no part of it in TLS (RFC 6066 section 3).
        let name = text.strip_suffix('.').unwrap_or(text).to_owned();
        DnsName::try_from(name).map(Self::Name).map_err(|_| {
            format!("{text:?} is neither an address nor a DNS name; write one such as www.example.org, in ASCII")
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Name(name) => write!(f, "{}:{}", name.as_ref(), self.port),
            Host::Address(address) => write!(f, "{}", SocketAddr::new(*address, self.port)),
        }
    }
}

impl Target {
    /// The name that the certificate must be for. An address is never sent as server name.
    pub(super) fn server_name(&self) -> ServerName<'static> {
        match &self.host {
            Host::Name(name) => ServerName::DnsName(name.clone()),
            Host::Address(address) => ServerName::IpAddress((*address).into()),
        }
    }

    /// The addresses of the host, in the order in which the system prefers them.
    pub(super) fn resolve(&self, deadline: Instant) -> Result<Vec<SocketAddr>, ResolveError> {
        let name = match &self.host {
            Host::Address(address) => return Ok(vec![SocketAddr::new(*address, self.port)]),
            Host::Name(name) => name.as_ref().to_owned(),
        };
        let (sender, receiver) = mpsc::channel();
        let asked = (name.clone(), self.port);
        // The system's resolver knows no deadline; where it takes too long, its thread ends with the process.
        thread::spawn(move || {
            let found: io::Result<Vec<SocketAddr>> = asked.to_socket_addrs().map(Iterator::collect);
            // Nobody listens any more after the deadline.
            let _ = sender.send(found);
        });
        let patience: Duration = deadline.saturating_duration_since(Instant::now());
        match receiver.recv_timeout(patience) {
            Ok(Ok(addresses)) if addresses.is_empty() => Err(ResolveError::Nowhere { name, source: None }),
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(error)) => Err(ResolveError::Nowhere {
                name,
                source: Some(error),
            }),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(ResolveError::TimedOut { name }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_may_be_a_name_or_an_address_and_the_port_may_be_left_out() {
        for (text, expected) in [
            ("a.test", "a.test:443"),
            ("a.test.:8443", "a.test:8443"),
            ("localhost:1", "localhost:1"),
            ("192.0.2.1", "192.0.2.1:443"),
            ("192.0.2.1:65535", "192.0.2.1:65535"),
            ("::1", "[::1]:443"),
            ("[::1]", "[::1]:443"),
            ("[2001:db8::1]:8443", "[2001:db8::1]:8443"),
        ] {
            assert_eq!(
                text.parse().map(|target: Target| target.to_string()),
                Ok(expected.to_owned())
            );
        }
    }

    #[test]
    fn what_is_neither_is_refused_with_a_hint() {
        for (text, hint) in [
            ("https://a.test/", "URL"),
            ("a.test:https", "port"),
            ("a.test:0", "port"),
            ("a.test:65536", "port"),
            ("a.test:", "port"),
            ("2001:db8::1:8443:9:9:9:9:9", "brackets"),
            ("[a.test]:443", "brackets"),
            ("[::1]443", "colon"),
            ("", "www.example.org"),
            (":443", "www.example.org"),
            ("bücher.test", "ASCII"),
            ("a b", "www.example.org"),
        ] {
            let refused = text.parse::<Target>().unwrap_err();
            assert!(refused.contains(hint), "{text}: {refused}");
        }
    }
}
