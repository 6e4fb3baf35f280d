//! The socket of a connection, of either kind.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::net::{RecvFlags, recv};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};
use tokio_util::either::Either;

/// How long a connection is silent before its peer is asked whether it is there: below the four to six minutes after
/// which NAT and balancers of clouds forget a connection. Linux' own two hours would leave tunnels whose client has
/// vanished for as long.
const PROBE_AFTER: Duration = Duration::from_secs(60);

/// From one question to the next, and how many go unanswered before the connection is given up: another minute.
const PROBE_INTERVAL: Duration = Duration::from_secs(15);
const PROBES: u32 = 4;

/// A socket: TCP on the left, a Unix socket on the right. Both kinds are bytes in order, so what is above asks for no
/// more than that.
pub(super) type Socket = Either<TcpStream, UnixStream>;

/// Where the client connected to, as the socket knows it; `None` for a Unix socket, whose ends have no addresses.
pub(super) fn local_address(socket: &Socket) -> Option<SocketAddr> {
    match socket {
        Either::Left(socket) => socket.local_addr().ok(),
        Either::Right(_) => None,
    }
}

/// Reads into `buffer` what is there, and leaves it there; waits as long as there is nothing.
///
/// # Errors
///
/// What the kernel says.
pub(super) async fn peek(socket: &Socket, buffer: &mut [u8]) -> io::Result<usize> {
    let mut peek = |socket: BorrowedFd<'_>| {
        let (count, _) = recv(socket, &mut *buffer, RecvFlags::PEEK)?;
        Ok(count)
    };
    match socket {
        Either::Left(socket) => socket.async_io(Interest::READABLE, || peek(socket.as_fd())).await,
        Either::Right(socket) => socket.async_io(Interest::READABLE, || peek(socket.as_fd())).await,
    }
}

/// Has the kernel find out about peers that have vanished. Sockets that a listening one accepts inherit it.
///
/// # Errors
///
/// What the kernel says.
pub(super) fn probe_silent_peer(socket: SockRef<'_>) -> io::Result<()> {
    let keepalive = TcpKeepalive::new()
        .with_time(PROBE_AFTER)
        .with_interval(PROBE_INTERVAL)
        .with_retries(PROBES);
    socket.set_tcp_keepalive(&keepalive)
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn accepted_sockets_ask_after_a_minute_of_silence() {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        probe_silent_peer(SockRef::from(&listener)).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let accepted = SockRef::from(&accepted);
        assert!(accepted.keepalive().unwrap());
        assert_eq!(accepted.tcp_keepalive_time().unwrap(), Duration::from_secs(60));
        assert_eq!(accepted.tcp_keepalive_interval().unwrap(), Duration::from_secs(15));
    }
}
