//! The side of the process that starts its successor.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::task::JoinHandle;

use super::channel::Channel;
use super::{ADMIN, Named, SANDBOXED, VARIABLE};

/// How long a successor may take until it serves: ten thousand certificates take seconds, slow disks some more.
const PATIENCE: Duration = Duration::from_secs(300);

/// Starts the program of this process once more, as it is on disk by now, in its place.
#[derive(Debug)]
pub(in crate::app) struct Upgrade {
    /// Every listening socket.
    sockets: Arc<Vec<Named>>,
    /// Whether the sandbox of this process will be the successor's too.
    pub(in crate::app) is_sandboxed: bool,
    starting: Option<Starting>,
}

#[derive(Debug)]
struct Starting {
    id: Pid,
    task: JoinHandle<Result<Successor, UpgradeError>>,
}

/// A process that serves from the same sockets.
#[derive(Debug)]
pub(in crate::app) struct Successor {
    /// Its process id.
    pub(in crate::app) id: u32,
    channel: Channel,
}

/// Why there is no successor.
#[derive(Debug, thiserror::Error)]
pub(in crate::app) enum UpgradeError {
    /// It cannot be started, or not be spoken to.
    #[error("it cannot be started: {0}")]
    Start(#[from] io::Error),
    /// It has ended.
    #[error("it has ended before it served ({0}); what it said stands in the log")]
    Ended(ExitStatus),
    /// It takes too long.
    #[error("it did not serve within {} s, and was ended", PATIENCE.as_secs())]
    Slow,
    /// A container lives as long as its first process.
    #[error("this is process 1, with which its container ends: start a new container instead")]
    First,
    /// It is being started already.
    #[error("one is being started already")]
    Twice,
}

impl Upgrade {
    /// Can pass `sockets`, and `admin` that is configured to be at its address.
    pub(in crate::app) fn new(mut sockets: Vec<Named>, admin: Option<Named>) -> Self {
        sockets.extend(admin.map(|(address, socket)| (format!("{ADMIN}{address}"), socket)));
        Self {
            sockets: Arc::new(sockets),
            is_sandboxed: false,
            starting: None,
        }
    }

    /// Starts the successor. [`Upgrade::outcome`] tells what has become of it.
    ///
    /// # Errors
    ///
    /// [`UpgradeError`] where it does not even start.
    pub(in crate::app) fn start(&mut self) -> Result<u32, UpgradeError> {
        if std::process::id() == 1 {
            return Err(UpgradeError::First);
        }
        if self.starting.is_some() {
            return Err(UpgradeError::Twice);
        }
        let (channel, theirs) = Channel::pair()?;
        channel.set_patience(PATIENCE)?;
        let child = command().stdin(theirs).spawn()?;
        let id = child.id();
        let (sockets, is_sandboxed) = (Arc::clone(&self.sockets), self.is_sandboxed);
        self.starting = Some(Starting {
            id: Pid::from_child(&child),
            task: tokio::task::spawn_blocking(move || until_it_serves(child, channel, &sockets, is_sandboxed)),
        });
        Ok(id)
    }

    /// What has become of the successor that was started; waits for as long as there is none.
    pub(in crate::app) async fn outcome(&mut self) -> Result<Successor, UpgradeError> {
        let outcome = match &mut self.starting {
            Some(starting) => (&mut starting.task).await,
            None => std::future::pending().await,
        };
        self.starting = None;
        outcome.unwrap_or_else(|panic| Err(io::Error::other(panic).into()))
    }
}

impl Drop for Upgrade {
    /// The process is told to end: one that was to take its place is too.
    fn drop(&mut self) {
        if let Some(starting) = &self.starting {
            // It is not waited for before its end is noticed here, so that its id is still its own.
            let _ = kill_process(starting.id, Signal::TERM);
        }
    }
}

/// This program as it was started: where it is found anew, a newer version is.
fn command() -> Command {
    let mut arguments = env::args_os();
    let mut command = Command::new(arguments.next().unwrap_or_else(|| OsString::from("fullchain")));
    command.args(arguments);
    command.env(VARIABLE, std::process::id().to_string());
    // Those name this process (`sd_watchdog_enabled(3)`, `sd_listen_fds(3)`). The watchdog itself is the successor's too.
    for name in ["WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] {
        command.env_remove(name);
    }
    command
}

fn until_it_serves(
    mut child: Child,
    channel: Channel,
    sockets: &[Named],
    is_sandboxed: bool,
) -> Result<Successor, UpgradeError> {
    match agree(&channel, sockets, is_sandboxed) {
        Ok(true) => Ok(Successor {
            id: child.id(),
            channel,
        }),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            child.kill()?;
            child.wait()?;
            Err(UpgradeError::Slow)
        }
        // It is gone, or about to go.
        Ok(false) | Err(_) => Err(UpgradeError::Ended(child.wait()?)),
    }
}

/// Passes everything; whether the other side serves in the end, or is gone.
fn agree(channel: &Channel, sockets: &[Named], is_sandboxed: bool) -> io::Result<bool> {
    if is_sandboxed {
        channel.send(SANDBOXED, None)?;
    }
    for (name, socket) in sockets {
        channel.send(&format!("socket {name}"), Some(socket.as_fd()))?;
    }
    channel.send("start", None)?;
    while let Some(message) = channel.receive()? {
        if message.text == "serving" {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Successor {
    /// Leaves it the field.
    pub(in crate::app) fn take_over(self) {
        // One that has gone by now has said so in the log, and the service manager starts another.
        let _ = self.channel.send("yours", None);
    }
}
