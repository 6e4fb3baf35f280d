//! Sockets that listen: bound here, left behind by systemd, or with a path.

mod accept;
mod inherited;
mod tcp;
mod unix;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;

pub(super) use self::accept::accept;
pub use self::inherited::Inherited;
pub(super) use self::unix::SocketFile;
use super::settings::{self, ListenAddress};

/// Connections the kernel holds between two turns of the accept loop; it caps this at `net.core.somaxconn` (4096).
const BACKLOG: i32 = 4096;

/// One configured address with its sockets for each worker.
#[derive(Debug)]
pub(super) struct Listener {
    /// The addresses as bound; several only where systemd handed over several sockets.
    pub(super) addresses: Vec<ListenAddress>,
    /// Those of the first worker, those of the second and so on.
    pub(super) sockets: Vec<Vec<ListeningSocket>>,
    /// What is to be removed in the end.
    pub(super) file: Option<SocketFile>,
}

/// A socket that connections are accepted from.
#[derive(Debug)]
pub(super) enum ListeningSocket {
    /// TCP.
    Tcp(std::net::TcpListener),
    /// A Unix socket.
    Unix(std::os::unix::net::UnixListener),
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    /// The address.
    pub address: ListenAddress,
    /// Why not.
    pub source: io::Error,
}

/// What is the same for all listeners.
pub(super) struct Binding<'a> {
    /// Every configured IP address.
    pub(super) all: &'a [SocketAddr],
    /// How many workers there are.
    pub(super) workers: NonZeroUsize,
    /// Bind even where another process listens.
    pub(super) takeover: bool,
    /// What systemd handed over and nobody has taken yet.
    pub(super) inherited: Inherited,
}

impl Listener {
    /// Listens as `settings` say, for each worker.
    ///
    /// # Errors
    ///
    /// [`BindError`], also where another process listens there and `takeover` is not set.
    pub(super) fn bind(settings: &settings::Listener, binding: &mut Binding<'_>) -> Result<Self, BindError> {
        match &settings.address {
            // The kernel spreads connections over sockets of the same address, so that each worker has its own.
            ListenAddress::Ip(address) => tcp::bind(*address, binding).map(|sockets| Self {
                addresses: sockets.iter().take(1).filter_map(local_address).collect(),
                sockets: sockets.into_iter().map(|socket| vec![socket]).collect(),
                file: None,
            }),
            ListenAddress::Unix(path) => {
                unix::bind(path, settings.unix_mode, binding.takeover).and_then(|(socket, file)| {
                    Ok(Self {
                        addresses: vec![ListenAddress::Unix(path.clone())],
                        sockets: shared(vec![ListeningSocket::Unix(socket)], binding.workers)?,
                        file: Some(file),
                    })
                })
            }
            ListenAddress::Systemd(name) => binding.inherited.take(name).and_then(|sockets| {
                Ok(Self {
                    addresses: sockets.iter().filter_map(local_address).collect(),
                    sockets: shared(sockets, binding.workers)?,
                    file: None,
                })
            }),
        }
        .map_err(|source| BindError {
            address: settings.address.clone(),
            source,
        })
    }
}

/// The same sockets for every worker, where there cannot be one for each: whoever is quickest takes the next client.
fn shared(sockets: Vec<ListeningSocket>, workers: NonZeroUsize) -> io::Result<Vec<Vec<ListeningSocket>>> {
    let mut shared = Vec::new();
    for _ in 1..workers.get() {
        shared.push(
            sockets
                .iter()
                .map(ListeningSocket::try_clone)
                .collect::<io::Result<_>>()?,
        );
    }
    shared.push(sockets);
    Ok(shared)
}

impl ListeningSocket {
    fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(socket) => socket.try_clone().map(Self::Tcp),
            Self::Unix(socket) => socket.try_clone().map(Self::Unix),
        }
    }
}

fn local_address(socket: &ListeningSocket) -> Option<ListenAddress> {
    match socket {
        ListeningSocket::Tcp(socket) => socket.local_addr().ok().map(ListenAddress::Ip),
        ListeningSocket::Unix(socket) => {
            let address = socket.local_addr().ok()?;
            address.as_pathname().map(|path| ListenAddress::Unix(path.to_owned()))
        }
    }
}
