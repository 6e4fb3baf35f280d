//! A backend that does exactly what a script says and remembers every byte it was sent.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use super::PATIENCE;

/// A scripted backend. It lives as long as the test process.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// The address of a backend that is not there. No other test listens on it meanwhile: the port is taken as long as the
/// test process lives.
pub(crate) fn absent() -> SocketAddr {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    std::mem::forget(socket);
    address
}

/// One connection as the script sees it.
pub(crate) struct Connection {
    /// How many connections came before.
    pub(crate) number: usize,
    stream: TcpStream,
    unread: Vec<u8>,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Upstream {
    /// A backend that runs `script` on every connection, each on a thread of its own; the connection closes at its end.
    pub(crate) fn scripted(script: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        Self::scripted_at(SocketAddr::from(([127, 0, 0, 1], 0)), script)
    }

    /// The same at an address that was free until now.
    pub(crate) fn scripted_at(address: SocketAddr, script: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        Self::start(address, script, |serve| {
            thread::spawn(serve);
        })
    }

    /// A backend that takes the next connection when the one before has ended.
    pub(crate) fn one_at_a_time(script: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        Self::start(SocketAddr::from(([127, 0, 0, 1], 0)), script, |serve| serve())
    }

    fn start(
        address: SocketAddr,
        script: impl Fn(&mut Connection) + Send + Sync + 'static,
        run: fn(Box<dyn FnOnce() + Send>),
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (script, log) = (Arc::new(script), Arc::clone(&received));
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let stream = stream.unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                log.lock().unwrap().push(Vec::new());
                let mut connection = Connection {
                    number,
                    stream,
                    unread: Vec::new(),
                    received: Arc::clone(&log),
                };
                let script = Arc::clone(&script);
                run(Box::new(move || script(&mut connection)));
            }
        });
        Self { address, received }
    }

    /// A backend that answers every request on every connection with the same bytes.
    pub(crate) fn answering(response: impl Into<Vec<u8>>) -> Self {
        let response = response.into();
        Self::scripted(move |connection| {
            while connection.request().is_some() {
                connection.send(&response);
            }
        })
    }

    /// How many connections have come.
    pub(crate) fn connections(&self) -> usize {
        self.received.lock().unwrap().len()
    }

    /// What was received on connection `number`.
    pub(crate) fn received(&self, number: usize) -> String {
        let received = self.received.lock().unwrap();
        String::from_utf8_lossy(received.get(number).map_or(&[], Vec::as_slice)).into_owned()
    }

    /// Whether the first head received has this line, whatever its case.
    pub(crate) fn was_told(&self, line: &str) -> bool {
        self.first_head().iter().any(|told| told.eq_ignore_ascii_case(line))
    }

    /// The lines of the first head received, sorted but for the first.
    pub(crate) fn first_head(&self) -> Vec<String> {
        let received = self.received(0);
        let (head, _) = received.split_once("\r\n\r\n").unwrap_or((&received, ""));
        let mut lines: Vec<String> = head.split("\r\n").map(str::to_owned).collect();
        lines[1..].sort_unstable();
        lines
    }
}

impl Connection {
    /// Reads a whole request: its head, and its body after Content-Length or chunked. `None` at the end.
    pub(crate) fn request(&mut self) -> Option<(String, Vec<u8>)> {
        let head = self.head()?;
        let lower = head.to_ascii_lowercase();
        let body = if lower.contains("transfer-encoding: chunked") {
            self.until(b"0\r\n\r\n")?
        } else if let Some((_, rest)) = lower.split_once("content-length: ") {
            let length = rest.split("\r\n").next().unwrap().parse().unwrap();
            self.bytes(length)?
        } else {
            Vec::new()
        };
        Some((head, body))
    }

    /// Reads a head, its empty line included. `None` at the end.
    pub(crate) fn head(&mut self) -> Option<String> {
        self.until(b"\r\n\r\n")
            .map(|head| String::from_utf8_lossy(&head).into_owned())
    }

    /// Reads exactly `count` bytes. `None` where the other side ends before.
    pub(crate) fn bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.unread.len() < count {
            self.more()?;
        }
        Some(self.unread.drain(..count).collect())
    }

    /// Reads until the other side ends; what came.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.more().is_some() {}
        std::mem::take(&mut self.unread)
    }

    /// Sends bytes. That nobody takes them any more is no failure of the test.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// The raw socket.
    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Has the connection end with a reset when the script does.
    pub(crate) fn reset(&self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Ends the sending direction.
    pub(crate) fn end(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    fn until(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.unread.windows(mark.len()).position(|window| window == mark) {
                return Some(self.unread.drain(..at + mark.len()).collect());
            }
            self.more()?;
        }
    }

    fn more(&mut self) -> Option<()> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => None,
            Ok(count) => {
                self.unread.extend_from_slice(&buffer[..count]);
                self.received.lock().unwrap()[self.number].extend_from_slice(&buffer[..count]);
                Some(())
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("the proxy sends nothing: {error}"),
        }
    }
}
