//! Sockets that accept, and the loop that does it.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;

use super::settings::Service;
use super::worker::Worker;
use super::{connection, contain, drain};

/// Connections the kernel holds between two turns of the accept loop; it caps this at `net.core.somaxconn` (4096).
const BACKLOG: i32 = 4096;

/// How long accepting pauses when there is nothing to accept with: no spinning, and no client notices.
const PAUSE: Duration = Duration::from_millis(50);

/// One configured address with a socket for each worker.
#[derive(Debug)]
pub(super) struct Listener {
    /// The address as bound.
    pub(super) address: SocketAddr,
    /// One for each worker; the kernel spreads connections over them.
    pub(super) sockets: Vec<std::net::TcpListener>,
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// Why not.
    pub source: io::Error,
}

impl Listener {
    /// Binds `address` once for each worker. `others` are all configured addresses.
    ///
    /// # Errors
    ///
    /// [`BindError`], also where another process listens there and `takeover` is not set: with `SO_REUSEPORT` alone the
    /// kernel would let both in and split the clients between them.
    pub(super) fn bind(
        address: SocketAddr,
        others: &[SocketAddr],
        workers: NonZeroUsize,
        takeover: bool,
    ) -> Result<Self, BindError> {
        let failed = |source| BindError { address, source };
        let only_v6 = others.contains(&SocketAddr::new(IpAddr::from([0, 0, 0, 0]), address.port()));
        if !takeover && address.port() != 0 {
            bind(address, only_v6, false).map_err(failed)?;
        }
        let first = bind(address, only_v6, true).map_err(failed)?;
        // Port 0 is chosen once.
        let address = first.local_addr().map_err(failed)?;
        let mut sockets = vec![first];
        for _ in 1..workers.get() {
            sockets.push(bind(address, only_v6, true).map_err(failed)?);
        }
        Ok(Self { address, sockets })
    }
}

fn bind(address: SocketAddr, only_v6: bool, shared: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Not for a second listener: for connections of the last process that are still in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        // `[::]` takes IPv4 as well, unless that is configured on its own.
        socket.set_only_v6(only_v6)?;
    }
    // Accepted sockets inherit it: clients that vanish while a tunnel is silent are found in the end.
    socket.set_keepalive(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts connections until the drain signal. Those the kernel has accepted by then are served as well, once there is
/// room for them: closing the socket would reset them. It is closed at once, so that clients go elsewhere.
pub(super) async fn accept(listener: TcpListener, service: Service, worker: Rc<Worker>, mut drain: drain::Watch) {
    let mut failing = false;
    let mut full = false;
    let mut waiting = Vec::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = drain.started() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => {
                failing = false;
                let place = tokio::select! {
                    biased;
                    place = place(&worker, &mut full) => place,
                    () = drain.started() => {
                        waiting.push((socket, peer));
                        break;
                    }
                };
                serve(socket, peer, service.clone(), &worker, place);
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                if !failing {
                    tracing::error!(%error, "cannot accept connections for now");
                }
                failing = true;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    waiting.extend(queued(listener));
    for (socket, peer) in waiting {
        let place = place(&worker, &mut full).await;
        serve(socket, peer, service.clone(), &worker, place);
    }
}

/// What the kernel has accepted and nobody has taken yet; the listener is closed with it. The kernel itself is asked:
/// the reactor may not have heard of the latest, and what is left in the queue is reset.
fn queued(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let mut queued = Vec::new();
    let Ok(listener) = listener.into_std() else {
        return queued;
    };
    loop {
        match listener.accept() {
            Ok((socket, peer)) => {
                let socket = socket.set_nonblocking(true).and_then(|()| TcpStream::from_std(socket));
                queued.extend(socket.ok().map(|socket| (socket, peer)));
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(_) => return queued,
        }
    }
}

/// A place among the connections of the process. That there is none is told once, `full` until there is one at once.
async fn place(worker: &Worker, full: &mut bool) -> Option<OwnedSemaphorePermit> {
    let room = Arc::clone(&worker.room);
    if let Ok(place) = Arc::clone(&room).try_acquire_owned() {
        *full = false;
        return Some(place);
    }
    if !*full {
        let limit = worker.settings.limits.connections;
        tracing::warn!(limit, "connection limit reached: accepting again when one ends");
    }
    *full = true;
    // It fails only where the semaphore is closed, which nobody does.
    room.acquire_owned().await.ok()
}

/// Spawns a connection.
fn serve(
    socket: TcpStream,
    peer: SocketAddr,
    service: Service,
    worker: &Rc<Worker>,
    place: Option<OwnedSemaphorePermit>,
) {
    // A client that waits for our small writes notices; nothing else does.
    let _ = socket.set_nodelay(true);
    let worker = Rc::clone(worker);
    contain::spawn(Some(peer), async move {
        let _place = place;
        match service {
            Service::Tls => connection::serve_tls(worker, socket, peer).await,
            Service::Redirect(to) => connection::serve_redirect(worker, to, socket, peer).await,
        }
    });
}

/// Errors of the connection that would have been accepted, not of the listener (accept(2), "Error handling").
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_gets_a_socket_on_the_port_that_was_chosen() {
        let listener = Listener::bind(any(), &[], workers(3), false).unwrap();
        let ports: Vec<_> = listener
            .sockets
            .iter()
            .map(|socket| socket.local_addr().unwrap())
            .collect();
        assert_eq!(ports, [listener.address; 3]);
        assert_ne!(listener.address.port(), 0);
    }

    #[test]
    fn a_second_instance_is_an_error_unless_it_takes_over() {
        let first = Listener::bind(any(), &[], workers(1), false).unwrap();
        let error = Listener::bind(first.address, &[], workers(1), false).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot listen on {}", first.address));
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
        Listener::bind(first.address, &[], workers(1), true).unwrap();
    }

    #[test]
    fn the_wildcards_of_both_families_go_together() {
        let four = Listener::bind(SocketAddr::from(([0, 0, 0, 0], 0)), &[], workers(1), false).unwrap();
        let six = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), four.address.port());
        let both = [SocketAddr::from(([0, 0, 0, 0], four.address.port())), six];
        Listener::bind(six, &both, workers(1), false).unwrap();
    }

    fn any() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    fn workers(count: usize) -> NonZeroUsize {
        NonZeroUsize::new(count).unwrap()
    }
}
