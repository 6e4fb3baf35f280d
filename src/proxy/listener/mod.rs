//! Sockets that listen: bound here, left behind by systemd, or with a path.

mod accept;
mod inherited;
mod tcp;
mod unix;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;

pub(super) use self::accept::accept;
pub use self::inherited::Inherited;
pub(super) use self::unix::SocketFile;
use super::settings::{self, ListenAddress};
use super::vitals::Vitals;

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
    /// How it fares.
    pub(super) vitals: Vitals,
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
    /// Listens as `settings` say, for each worker. The last process' sockets are those of `name`.
    ///
    /// # Errors
    ///
    /// [`BindError`], also where another process listens there and `takeover` is not set.
    pub(super) fn bind(
        settings: &settings::Listener,
        name: &str,
        binding: &mut Binding<'_>,
    ) -> Result<Self, BindError> {
        let passed = binding.inherited.take_passed(name);
        if !passed.is_empty() {
            return Self::passed(settings, passed, binding.workers);
        }
        match &settings.address {
            // The kernel spreads connections over sockets of the same address, so that each worker has its own.
            ListenAddress::Ip(address) => tcp::bind(*address, binding).map(|sockets| Self {
                addresses: sockets.iter().take(1).filter_map(local_address).collect(),
                sockets: sockets.into_iter().map(|socket| vec![socket]).collect(),
                file: None,
                vitals: Vitals::default(),
            }),
            ListenAddress::Unix(path) => {
                unix::bind(path, settings.unix_mode, binding.takeover).and_then(|(socket, file)| {
                    Ok(Self {
                        addresses: vec![ListenAddress::Unix(path.clone())],
                        sockets: shared(vec![ListeningSocket::Unix(socket)], binding.workers)?,
                        file: Some(file),
                        vitals: Vitals::default(),
                    })
                })
            }
            ListenAddress::Systemd(name) => binding.inherited.take(name).and_then(|sockets| {
                Ok(Self {
                    addresses: sockets.iter().filter_map(local_address).collect(),
                    sockets: shared(sockets, binding.workers)?,
                    file: None,
                    vitals: Vitals::default(),
                })
            }),
        }
        .map_err(|source| BindError {
            address: settings.address.clone(),
            source,
        })
    }

    /// Listens at the sockets of the last process.
    fn passed(
        settings: &settings::Listener,
        sockets: Vec<ListeningSocket>,
        workers: NonZeroUsize,
    ) -> Result<Self, BindError> {
        let addresses = sockets.iter().filter_map(local_address);
        let (addresses, file) = match &settings.address {
            ListenAddress::Ip(_) => (addresses.take(1).collect(), None),
            ListenAddress::Systemd(_) => (addresses.collect(), None),
            ListenAddress::Unix(path) => (vec![settings.address.clone()], SocketFile::of_another(path)),
        };
        let sockets = match &settings.address {
            ListenAddress::Ip(_) => spread(sockets, workers),
            ListenAddress::Systemd(_) | ListenAddress::Unix(_) => shared(sockets, workers),
        };
        let sockets = sockets.map_err(|source| BindError {
            address: settings.address.clone(),
            source,
        })?;
        Ok(Self {
            addresses,
            sockets,
            file,
            vitals: Vitals::default(),
        })
    }

    /// Its sockets once more, for another process. Those that all workers share are there once.
    ///
    /// # Errors
    ///
    /// Where there are no more descriptors.
    pub(super) fn sockets(&self, settings: &settings::Listener) -> io::Result<Vec<OwnedFd>> {
        let of_workers = match &settings.address {
            ListenAddress::Ip(_) => self.sockets.len(),
            ListenAddress::Systemd(_) | ListenAddress::Unix(_) => 1,
        };
        let sockets = self.sockets.iter().take(of_workers).flatten();
        sockets.map(|socket| socket.try_clone().map(OwnedFd::from)).collect()
    }
}

/// What the sockets of each listener are called between one process and the next: the address as it is configured, and a
/// number where ports are chosen by the kernel, so that several may have the same.
pub(super) fn names(listeners: &[settings::Listener]) -> Vec<String> {
    let before = |end: usize, address: &ListenAddress| {
        let before = listeners.iter().take(end);
        before.filter(|other| other.address == *address).count()
    };
    let numbered = listeners.iter().enumerate();
    let name = |(number, listener): (usize, &settings::Listener)| {
        format!("{} {}", listener.address, before(number, &listener.address))
    };
    numbered.map(name).collect()
}

/// Gives every worker a socket, and every socket a worker: the kernel has spread connections over all of them. Where
/// there are more workers than before, some share one.
fn spread(sockets: Vec<ListeningSocket>, workers: NonZeroUsize) -> io::Result<Vec<Vec<ListeningSocket>>> {
    let mut spread: Vec<Vec<_>> = (0..workers.get()).map(|_| Vec::new()).collect();
    let further = workers.get().saturating_sub(sockets.len());
    let further: Vec<_> = sockets
        .iter()
        .cycle()
        .take(further)
        .map(ListeningSocket::try_clone)
        .collect();
    for (number, socket) in sockets.into_iter().map(Ok).chain(further).enumerate() {
        if let Some(of_worker) = spread.get_mut(number % workers) {
            of_worker.push(socket?);
        }
    }
    Ok(spread)
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

impl From<ListeningSocket> for OwnedFd {
    fn from(socket: ListeningSocket) -> Self {
        match socket {
            ListeningSocket::Tcp(socket) => socket.into(),
            ListeningSocket::Unix(socket) => socket.into(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_socket_of_the_last_process_has_a_worker_and_every_worker_a_socket() {
        for (sockets, workers, spread) in [
            (3, 1, &[3][..]),
            (3, 2, &[2, 1]),
            (2, 2, &[1, 1]),
            (2, 5, &[1, 1, 1, 1, 1]),
        ] {
            let socket = |_| ListeningSocket::Tcp(std::net::TcpListener::bind("127.0.0.1:0").unwrap());
            let sockets = (0..sockets).map(socket).collect();
            let given = super::spread(sockets, NonZeroUsize::new(workers).unwrap()).unwrap();
            let given: Vec<_> = given.iter().map(Vec::len).collect();
            assert_eq!(given, spread);
        }
    }
}
