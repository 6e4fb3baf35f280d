//! A socket for each worker on one IP address and port.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::{BACKLOG, Binding, ListeningSocket};
use crate::proxy::socket::probe_silent_peer;

/// Binds `address` once for each worker.
///
/// # Errors
///
/// Also where another process listens there and `takeover` is not set: with `SO_REUSEPORT` alone the kernel would let
/// both in and split the clients between them.
pub(super) fn bind(address: SocketAddr, binding: &Binding<'_>) -> io::Result<Vec<ListeningSocket>> {
    let four = SocketAddr::new(IpAddr::from([0, 0, 0, 0]), address.port());
    let only_v6 = binding.all.contains(&four);
    if !binding.takeover && address.port() != 0 {
        listen(address, only_v6, false)?;
    }
    let first = listen(address, only_v6, true)?;
    // Port 0 is chosen once.
    let address = first.local_addr()?;
    let mut sockets = vec![ListeningSocket::Tcp(first)];
    for _ in 1..binding.workers.get() {
        sockets.push(ListeningSocket::Tcp(listen(address, only_v6, true)?));
    }
    Ok(sockets)
}

fn listen(address: SocketAddr, only_v6: bool, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Not for a second listener: for connections of the last process that are still in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        // `[::]` takes IPv4 as well, unless that is configured on its own.
        socket.set_only_v6(only_v6)?;
    }
    // Accepted sockets inherit it: clients that vanish while a tunnel is silent are found in the end.
    probe_silent_peer(SockRef::from(&socket))?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::super::{BindError, Inherited, Listener};
    use super::*;
    use crate::proxy::settings::{self, ListenAddress, Service};

    #[test]
    fn every_worker_gets_a_socket_on_the_port_that_was_chosen() {
        let listener = bound(any(), &[], 3, false).unwrap();
        let ports: Vec<_> = listener.sockets.iter().map(|sockets| addresses_of(sockets)).collect();
        assert_eq!(ports, vec![listener.addresses.clone(); 3]);
        assert_ne!(address_of(&listener).port(), 0);
    }

    #[test]
    fn a_second_instance_is_an_error_unless_it_takes_over() {
        let first = bound(any(), &[], 1, false).unwrap();
        let address = address_of(&first);
        let error = bound(address, &[], 1, false).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot listen on {address}"));
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
        bound(address, &[], 1, true).unwrap();
    }

    #[test]
    fn the_wildcards_of_both_families_go_together() {
        let four = bound(SocketAddr::from(([0, 0, 0, 0], 0)), &[], 1, false).unwrap();
        let four = address_of(&four);
        let six = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), four.port());
        bound(six, &[four, six], 1, false).unwrap();
    }

    fn bound(address: SocketAddr, all: &[SocketAddr], workers: usize, takeover: bool) -> Result<Listener, BindError> {
        let mut binding = Binding {
            all,
            workers: NonZeroUsize::new(workers).unwrap(),
            takeover,
            inherited: Inherited::default(),
        };
        Listener::bind(&settings::Listener::new(address, Service::Tls), "", &mut binding)
    }

    fn address_of(listener: &Listener) -> SocketAddr {
        listener.addresses[0].ip().unwrap()
    }

    fn addresses_of(sockets: &[ListeningSocket]) -> Vec<ListenAddress> {
        sockets.iter().filter_map(super::super::local_address).collect()
    }

    fn any() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }
}
