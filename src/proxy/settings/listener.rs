//! What is accepted on, and what is done there.

use std::ffi::OsStr;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use http::StatusCode;

use super::Peers;

/// An address that is accepted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The address.
    pub address: ListenAddress,
    /// What is done with a connection.
    pub service: Service,
    /// Who may connect, where the address is a path: its mode.
    pub unix_mode: u32,
    /// Whose connections begin with a PROXY header.
    pub balancers: Peers,
}

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// At an IP address and a port.
    Ip(SocketAddr),
    /// At the path of a Unix socket.
    Unix(PathBuf),
    /// Wherever the sockets do that systemd hands over under this name.
    Systemd(String),
}

/// What is done with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service {
    /// HTTP over TLS is served.
    Tls,
    /// Plain HTTP is served.
    Http,
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
    /// The mode of a Unix socket: for the user and the group of the process, as whoever is to connect is made a member of
    /// the group.
    pub const UNIX_MODE: u32 = 0o660;

    /// A listener with everything else at its default.
    pub fn new(address: impl Into<ListenAddress>, service: Service) -> Self {
        Self {
            address: address.into(),
            service,
            unix_mode: Self::UNIX_MODE,
            balancers: Peers::default(),
        }
    }
}

/// The most bytes of a Unix socket's path: unix(7) has 108 with the zero byte at the end.
pub(in crate::proxy) const LONGEST_PATH: usize = 107;

impl ListenAddress {
    /// The most bytes that `path` may have to be listened at. A socket is made under a name beside it, which takes a dot
    /// and up to seven digits of a process id: a directory has to leave room for that.
    pub(crate) fn longest_path(path: &Path) -> usize {
        let name = path.file_name().map_or(0, OsStr::len);
        LONGEST_PATH - ".4194304".len().saturating_sub(name)
    }

    /// The IP address and the port, where it is that.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Unix(_) | Self::Systemd(_) => None,
        }
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Display for ListenAddress {
    /// As it is configured.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd(name) => write!(f, "systemd:{name}"),
        }
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
