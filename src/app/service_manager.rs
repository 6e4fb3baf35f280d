//! What systemd, or another service manager that speaks `sd_notify(3)`, is told of this process.
//!
//! The protocol is a datagram of `KEY=value` lines to the socket that `NOTIFY_SOCKET` names, so nothing more than the
//! standard library is needed.

use std::cell::Cell;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How long the service manager may take to have room for a message; it reads them as they come.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the end takes beyond the drain: the last lines of the logs, and a machine that is slow because it shuts down.
const SLACK: Duration = Duration::from_secs(10);

/// The service manager, if there is one: where there is none, nobody is told anything.
#[derive(Debug, Default)]
pub(super) struct ServiceManager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// How long it waits for the next sign of life before it takes the process for hung.
    pub(super) watchdog: Option<Duration>,
    is_retired: Cell<bool>,
}

impl ServiceManager {
    /// The one that started this process.
    pub(super) fn of_process() -> Self {
        Self::of(|name| std::env::var(name).ok(), std::process::id())
    }

    /// The one that `variables` tell process `id` of.
    fn of(variables: impl Fn(&str) -> Option<String>, id: u32) -> Self {
        let Some(name) = variables("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Self::default();
        };
        let socket = connect(&name);
        if let Err(error) = &socket {
            tracing::warn!(socket = name, %error, "the service manager cannot be told anything");
        }
        // The variables of a service reach every program that is started from it (`sd_watchdog_enabled(3)`).
        let is_meant = variables("WATCHDOG_PID").is_none_or(|meant| meant == id.to_string());
        let microseconds = variables("WATCHDOG_USEC").and_then(|text| text.parse().ok());
        let watchdog = microseconds.filter(|microseconds| is_meant && *microseconds > 0);
        Self {
            socket: socket.ok(),
            watchdog: watchdog.map(Duration::from_micros),
            is_retired: Cell::new(false),
        }
    }

    /// Whether there is one.
    pub(super) fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    /// Every listener serves, or a reload has ended.
    pub(super) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// A reload begins; [`ready`](Self::ready) ends it.
    pub(super) fn reloading(&self) {
        // systemd tells by it which of its signals was heard.
        let now = clock_gettime(ClockId::Monotonic);
        let microseconds = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.tell(&format!(
            "RELOADING=1\nMONOTONIC_USEC={microseconds}\nSTATUS=reading configuration and certificates"
        ));
    }

    /// The end begins and may take as long as `drain`. The configuration is what counts, so that a shorter
    /// `TimeoutStopSec=` does not cut connections before their time.
    pub(super) fn stopping(&self, drain: Duration) {
        let microseconds = drain.saturating_add(SLACK).as_micros();
        self.tell(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={microseconds}"));
    }

    /// From now on the process `id` is the one that matters, and this one says no more: its end is not the service's.
    pub(super) fn main_process(&self, id: u32) {
        self.tell(&format!("MAINPID={id}"));
        self.is_retired.set(true);
    }

    /// A sentence for `systemctl status`.
    pub(super) fn status(&self, status: &str) {
        self.tell(&format!("STATUS={status}"));
    }

    /// A sign of life.
    pub(super) fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    fn tell(&self, message: &str) {
        let Some((socket, address)) = self.socket.as_ref().filter(|_| !self.is_retired.get()) else {
            return;
        };
        if let Err(error) = socket.send_to_addr(message.as_bytes(), address) {
            tracing::warn!(%error, message, "the service manager did not take a message");
        }
    }
}

/// A socket for messages to the one called `name`: a path, or a name in the abstract namespace behind an `@`.
fn connect(name: &str) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok((socket, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> ServiceManager {
        let value = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        ServiceManager::of(value, 7)
    }

    #[test]
    fn a_path_and_an_abstract_name_are_spoken_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let name = format!("fullchain-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        for (socket, name) in [
            (UnixDatagram::bind(&path).unwrap(), path.display().to_string()),
            (UnixDatagram::bind_addr(&address).unwrap(), format!("@{name}")),
        ] {
            of(&[("NOTIFY_SOCKET", &name)]).ready("serving");
            let mut message = [0; 64];
            let length = socket.recv(&mut message).unwrap();
            assert_eq!(&message[..length], b"READY=1\nSTATUS=serving");
        }
    }

    #[test]
    fn without_a_socket_nobody_is_told_anything() {
        for variables in [&[][..], &[("NOTIFY_SOCKET", "")], &[("WATCHDOG_USEC", "1000")]] {
            let manager = of(variables);
            assert!(!manager.is_there() && manager.watchdog.is_none());
            manager.alive();
        }
    }

    #[test]
    fn the_watchdog_of_another_process_is_not_ours() {
        let watchdog =
            |variables: &[(&str, &str)]| of(&[&[("NOTIFY_SOCKET", "/nowhere")], variables].concat()).watchdog;
        let usec = ("WATCHDOG_USEC", "3000000");
        assert_eq!(watchdog(&[usec]), Some(Duration::from_secs(3)));
        assert_eq!(watchdog(&[usec, ("WATCHDOG_PID", "7")]), Some(Duration::from_secs(3)));
        assert_eq!(watchdog(&[usec, ("WATCHDOG_PID", "8")]), None);
        assert_eq!(watchdog(&[("WATCHDOG_USEC", "0")]), None);
        assert_eq!(watchdog(&[("WATCHDOG_USEC", "soon")]), None);
    }
}
