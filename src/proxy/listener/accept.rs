//! The loop that accepts.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::OwnedSemaphorePermit;

use super::ListeningSocket;
use crate::proxy::metrics::Delay;
use crate::proxy::peer::Peer;
use crate::proxy::settings::{ListenAddress, Listener, Service};
use crate::proxy::socket::Socket;
use crate::proxy::vitals::Presence;
use crate::proxy::worker::Worker;
use crate::proxy::{connection, contain, drain};

/// How long accepting pauses when there is nothing to accept with: no spinning, and no client notices.
const PAUSE: Duration = Duration::from_millis(50);

/// A socket that this worker accepts from.
#[derive(Debug)]
pub(in crate::proxy) enum Accepting {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection that was accepted, and who is at its other end.
type Accepted = (Socket, Peer);

/// Accepts connections until the drain signal. Those the kernel has accepted by then are served as well, once there is
/// room for them: closing the socket would reset them. It is closed at once, so that clients go elsewhere.
pub(in crate::proxy) async fn accept(
    socket: Accepting,
    listener: Rc<Listener>,
    worker: Rc<Worker>,
    mut drain: drain::Watch,
    mut presence: Presence,
) {
    let mut full = false;
    let mut waiting = Vec::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = drain.started() => break,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok(accepted) => {
                presence.set_failing(false);
                let place = tokio::select! {
                    biased;
                    place = turn(&worker, &listener, &mut full) => place,
                    () = drain.started() => {
                        waiting.push(accepted);
                        break;
                    }
                };
                serve(accepted, &listener, &worker, place);
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                if !presence.is_failing() {
                    tracing::error!(%error, "cannot accept connections for now");
                }
                presence.set_failing(true);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    presence.leave();
    match listener.address {
        // systemd keeps the socket, and what waits there waits for the next process.
        ListenAddress::Systemd(_) => drop(socket),
        ListenAddress::Ip(_) | ListenAddress::Unix(_) => waiting.extend(socket.queued()),
    }
    for accepted in waiting {
        let place = place(&worker, &mut full).await;
        serve(accepted, &listener, &worker, place);
    }
}

impl Accepting {
    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(socket) => socket
                .accept()
                .await
                .map(|(socket, peer)| (Socket::Left(socket), peer.into())),
            Self::Unix(socket) => socket
                .accept()
                .await
                .map(|(socket, _)| (Socket::Right(socket), Peer::Unix)),
        }
    }

    /// What the kernel has accepted and nobody has taken yet; the socket is closed with it. The kernel itself is asked:
    /// the reactor may not have heard of the latest, and what is left in the queue is reset.
    fn queued(self) -> Vec<Accepted> {
        match self {
            Self::Tcp(socket) => socket.into_std().map_or_else(
                |_| Vec::new(),
                |socket| {
                    queued(|| {
                        let (socket, peer) = socket.accept()?;
                        socket.set_nonblocking(true)?;
                        Ok((Socket::Left(TcpStream::from_std(socket)?), peer.into()))
                    })
                },
            ),
            Self::Unix(socket) => socket.into_std().map_or_else(
                |_| Vec::new(),
                |socket| {
                    queued(|| {
                        let (socket, _) = socket.accept()?;
                        socket.set_nonblocking(true)?;
                        Ok((Socket::Right(UnixStream::from_std(socket)?), Peer::Unix))
                    })
                },
            ),
        }
    }
}

/// What `accept` gives until there is nothing more.
fn queued(accept: impl Fn() -> io::Result<Accepted>) -> Vec<Accepted> {
    let mut queued = Vec::new();
    loop {
        match accept() {
            Ok(accepted) => queued.push(accepted),
            Err(error) if is_about_one_connection(&error) => {}
            Err(_) => return queued,
        }
    }
}

impl TryFrom<ListeningSocket> for Accepting {
    type Error = io::Error;

    fn try_from(socket: ListeningSocket) -> io::Result<Self> {
        match socket {
            ListeningSocket::Tcp(socket) => TcpListener::from_std(socket).map(Self::Tcp),
            ListeningSocket::Unix(socket) => UnixListener::from_std(socket).map(Self::Unix),
        }
    }
}

/// Waits until the next connection may begin: for its place, and its handshake's turn. Meanwhile others wait in the
/// kernel's queue, where they cost nothing; refused, they would come back at once.
async fn turn(worker: &Worker, listener: &Listener, full: &mut bool) -> Option<OwnedSemaphorePermit> {
    let place = place(worker, full).await;
    let mut waits = false;
    while listener.service == Service::Tls
        && let Err(wait) = worker.setup().clients.handshake()
    {
        if !waits {
            worker.metrics.delayed(Delay::HandshakesPerSecond);
        }
        waits = true;
        tokio::time::sleep(wait).await;
    }
    place
}

/// A place among the connections of the process. That there is none is told once, `full` until there is one at once.
async fn place(worker: &Worker, full: &mut bool) -> Option<OwnedSemaphorePermit> {
    let room = Arc::clone(&worker.room);
    if let Ok(place) = Arc::clone(&room).try_acquire_owned() {
        *full = false;
        return Some(place);
    }
    worker.metrics.delayed(Delay::Connections);
    if !*full {
        let limit = worker.setup().settings.limits.connections;
        tracing::warn!(limit, "connection limit reached: accepting again when one ends");
    }
    *full = true;
    // It fails only where the semaphore is closed, which nobody does.
    room.acquire_owned().await.ok()
}

/// Spawns a connection.
fn serve((socket, peer): Accepted, listener: &Rc<Listener>, worker: &Rc<Worker>, place: Option<OwnedSemaphorePermit>) {
    if let Socket::Left(socket) = &socket {
        // A client that waits for our small writes notices; nothing else does.
        let _ = socket.set_nodelay(true);
    }
    let (worker, listener) = (Rc::clone(worker), Rc::clone(listener));
    contain::spawn(Some(peer), async move {
        let _place = place;
        connection::serve(worker, listener, socket, peer).await;
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
