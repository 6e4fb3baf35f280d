//! The end of `sd_notify(3)` that systemd has.

use std::os::unix::net::UnixDatagram;

use tempfile::TempDir;

use super::PATIENCE;

/// A socket that messages to the service manager arrive at.
pub(crate) struct ServiceManager {
    socket: UnixDatagram,
    directory: TempDir,
}

impl ServiceManager {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, directory }
    }

    /// The value of `NOTIFY_SOCKET`.
    pub(crate) fn name(&self) -> String {
        self.directory.path().join("notify").display().to_string()
    }

    /// The next message.
    #[track_caller]
    pub(crate) fn message(&self) -> String {
        let mut message = [0; 4096];
        let length = self.socket.recv(&mut message).expect("a message in time");
        String::from_utf8(message[..length].to_owned()).unwrap()
    }

    /// The next message that has this line.
    #[track_caller]
    pub(crate) fn message_with(&self, line: &str) -> String {
        loop {
            let message = self.message();
            if message.lines().any(|other| other == line) {
                return message;
            }
        }
    }
}
