//! Sockets that listen already: those that systemd hands over (`sd_listen_fds(3)`), and those of the process that this
//! one takes the place of.

use std::io;
use std::os::fd::OwnedFd;

use listenfd::ListenFd;
use socket2::SockRef;

use super::ListeningSocket;
use crate::proxy::socket::probe_silent_peer;

/// The sockets this process was started with, by their names.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<(String, io::Result<ListeningSocket>)>,
    /// Those of the last process, by the name of their listener.
    passed: Vec<(String, ListeningSocket)>,
}

impl Inherited {
    /// The sockets of the process. To be called once and early: the variables that tell of them are removed, so that no
    /// program started from here takes them for its own.
    pub fn of_process() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut descriptors = ListenFd::from_env();
        let count = descriptors.len();
        let mut names = names.split(':');
        let named = |number| {
            // As systemd calls one that it was told no name for.
            let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unknown");
            (name.to_owned(), take(&mut descriptors, number))
        };
        Self {
            sockets: (0..count).map(named).collect(),
            passed: Vec::new(),
        }
    }

    /// The same with those that the last process has passed, as [`Server::sockets`](super::super::Server::sockets) has
    /// named them.
    ///
    /// # Errors
    ///
    /// Where one is no socket.
    pub fn with_passed(mut self, passed: Vec<(String, OwnedFd)>) -> io::Result<Self> {
        for (name, socket) in passed {
            let is_unix = SockRef::from(&socket).local_addr()?.is_unix();
            let socket = match is_unix {
                true => ListeningSocket::Unix(socket.into()),
                false => ListeningSocket::Tcp(socket.into()),
            };
            self.passed.push((name, socket));
        }
        Ok(self)
    }

    /// Takes the sockets that the last process had for the listener of this name, if it had one.
    pub(super) fn take_passed(&mut self, name: &str) -> Vec<ListeningSocket> {
        let passed = self.passed.extract_if(.., |(its_name, _)| its_name == name);
        passed.map(|(_, socket)| socket).collect()
    }

    /// Takes the sockets of this name: there are several where one unit has several addresses.
    ///
    /// # Errors
    ///
    /// Where there is none, or one that nobody can connect to.
    pub(super) fn take(&mut self, name: &str) -> io::Result<Vec<ListeningSocket>> {
        let known = self.names();
        let taken: Vec<_> = self.sockets.extract_if(.., |(its_name, _)| its_name == name).collect();
        if taken.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, known));
        }
        taken.into_iter().map(|(_, socket)| socket).collect()
    }

    /// What there is, for whoever asked for something else.
    fn names(&self) -> String {
        match self.sockets.as_slice() {
            [] => "systemd handed over no sockets".to_owned(),
            sockets => {
                let names: Vec<_> = sockets.iter().map(|(name, _)| name.as_str()).collect();
                format!("systemd handed over other sockets: {}", names.join(", "))
            }
        }
    }
}

fn take(descriptors: &mut ListenFd, number: usize) -> io::Result<ListeningSocket> {
    let gone = || io::Error::from(io::ErrorKind::NotFound);
    let socket = match descriptors.take_tcp_listener(number) {
        Ok(socket) => ListeningSocket::Tcp(socket.ok_or_else(gone)?),
        Err(_) => ListeningSocket::Unix(descriptors.take_unix_listener(number)?.ok_or_else(gone)?),
    };
    let listens = match &socket {
        ListeningSocket::Tcp(socket) => {
            socket.set_nonblocking(true)?;
            // As for sockets of our own.
            probe_silent_peer(SockRef::from(socket))?;
            SockRef::from(socket).is_listener()?
        }
        ListeningSocket::Unix(socket) => {
            socket.set_nonblocking(true)?;
            SockRef::from(socket).is_listener()?
        }
    };
    match listens {
        true => Ok(socket),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the socket is a connection: the unit needs Accept=no",
        )),
    }
}
