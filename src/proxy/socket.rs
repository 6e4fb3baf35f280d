//! The socket of a client's connection, of either kind.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};
use tokio_util::either::Either;

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
