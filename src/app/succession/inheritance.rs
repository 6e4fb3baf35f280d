//! What this process was started with: sockets of systemd, or everything of the process that it takes the place of.

use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;

use rustix::process::getppid;

use super::channel::Channel;
use super::{ADMIN, Named, SANDBOXED, VARIABLE};
use crate::proxy;

/// The sockets that this process was started with, and whoever passed them.
#[derive(Debug, Default)]
pub struct Inheritance {
    pub(in crate::app) sockets: proxy::Inherited,
    admin: Vec<Named>,
    pub(in crate::app) predecessor: Option<Predecessor>,
}

/// The process that this one takes the place of. It serves until it is told that this one does.
#[derive(Debug)]
pub(in crate::app) struct Predecessor {
    channel: Channel,
    /// Whether this process is in its sandbox.
    pub(in crate::app) is_sandboxed: bool,
}

impl Inheritance {
    /// What the process was started with. To be called once and early.
    ///
    /// # Errors
    ///
    /// Where a predecessor has begun to pass its sockets and has not come to an end.
    pub fn of_process() -> io::Result<Self> {
        let sockets = proxy::Inherited::of_process();
        let Some(mut predecessor) = Predecessor::of_process()? else {
            return Ok(Self {
                sockets,
                ..Self::default()
            });
        };
        let (admin, passed) = predecessor
            .sockets()?
            .into_iter()
            .partition(|(name, _)| name.starts_with(ADMIN));
        Ok(Self {
            sockets: sockets.with_passed(passed)?,
            admin,
            predecessor: Some(predecessor),
        })
    }

    /// Takes the socket of an admin listener that is configured to be at `address`.
    pub(in crate::app) fn admin(&mut self, address: &str) -> Option<TcpListener> {
        let is_meant = |(name, _): &mut Named| name.strip_prefix(ADMIN) == Some(address);
        let (_, socket) = self.admin.extract_if(.., is_meant).next()?;
        Some(socket.into())
    }
}

impl Predecessor {
    fn of_process() -> io::Result<Option<Self>> {
        let parent = getppid().map(|parent| parent.as_raw_nonzero().to_string());
        let named = std::env::var(VARIABLE).ok();
        if named.is_none() || named != parent {
            return Ok(None);
        }
        let channel = Channel::of(io::stdin().as_fd().try_clone_to_owned()?);
        Ok(Some(Self {
            channel,
            is_sandboxed: false,
        }))
    }

    fn sockets(&mut self) -> io::Result<Vec<Named>> {
        let mut sockets = Vec::new();
        loop {
            let message = self.channel.receive()?;
            let message = message.ok_or(io::ErrorKind::UnexpectedEof)?;
            match (message.text.strip_prefix("socket "), message.socket) {
                (Some(name), Some(socket)) => sockets.push((name.to_owned(), socket)),
                _ if message.text == SANDBOXED => self.is_sandboxed = true,
                // A word of a later version is not for this one.
                _ if message.text != "start" => {}
                _ => return Ok(sockets),
            }
        }
    }

    /// Tells it that this process serves, and waits until it has left the field. One that has gone meanwhile has left it
    /// too.
    pub(in crate::app) async fn relieve(self) {
        let told = tokio::task::spawn_blocking(move || {
            self.channel.send("serving", None)?;
            self.channel.receive()
        });
        match told.await {
            Ok(Ok(Some(_))) => {}
            gone => tracing::warn!(?gone, "the process that this one takes the place of has gone"),
        }
    }
}
