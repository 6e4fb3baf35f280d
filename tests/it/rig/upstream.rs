//! A backend that does exactly what a script says and remembers every byte it was sent.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};
use socket2::{Domain, SockRef, Socket, Type};

use super::PATIENCE;

/// A port of the kernel's choice.
const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What a backend is spoken to over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// TCP alone.
    Plain,
    /// TLS. What a script sends ends without close_notify unless the script says otherwise.
    Tls,
}

/// A scripted backend. It lives as long as the test process.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    pub(crate) wire: Wire,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// The address of a backend that is not there. No other test listens on it meanwhile: the port is taken as long as the
/// test process lives.
pub(crate) fn absent() -> SocketAddr {
    let absent = Absent::new();
    let address = absent.address();
    std::mem::forget(absent);
    address
}

/// A backend that is not there yet. Its port is taken already.
pub(crate) struct Absent(Socket);

impl Absent {
    pub(crate) fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&ANY.into()).unwrap();
        Self(socket)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap().as_socket().unwrap()
    }

    /// Here it is, and runs `script` on every connection.
    pub(crate) fn appears(self, script: impl Fn(&mut Connection) + Send + Sync + 'static) -> Upstream {
        self.0.listen(128).unwrap();
        Upstream::start(self.0.into(), None, script, in_a_thread)
    }
}

/// TLS with a certificate that nobody has a reason to trust.
fn tls() -> ServerConfig {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    // What is sent at once; nothing else is before the handshake has ended.
    config.send_half_rtt_data = true;
    config
}

fn any_port() -> TcpListener {
    TcpListener::bind(ANY).unwrap()
}

fn in_a_thread(serve: Box<dyn FnOnce() + Send>) {
    thread::spawn(serve);
}

/// One connection as the script sees it.
pub(crate) struct Connection {
    /// How many connections came before.
    pub(crate) number: usize,
    stream: TcpStream,
    tls: Option<ServerConnection>,
    unread: Vec<u8>,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Upstream {
    /// A backend that runs `script` on every connection, each on a thread of its own; the connection closes at its end.
    pub(crate) fn scripted(script: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        Self::start(any_port(), None, script, in_a_thread)
    }

    /// A backend that takes the next connection when the one before has ended.
    pub(crate) fn one_at_a_time(script: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        Self::start(any_port(), None, script, |serve| serve())
    }

    /// A backend that is spoken to in this way.
    pub(crate) fn scripted_over(wire: Wire, script: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        let config = match wire {
            Wire::Plain => None,
            Wire::Tls => Some(Arc::new(tls())),
        };
        Self::start(any_port(), config, script, in_a_thread)
    }

    fn start(
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        script: impl Fn(&mut Connection) + Send + Sync + 'static,
        run: fn(Box<dyn FnOnce() + Send>),
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let wire = if tls.is_some() { Wire::Tls } else { Wire::Plain };
        let (script, log) = (Arc::new(script), Arc::clone(&received));
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let stream = stream.unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                log.lock().unwrap().push(Vec::new());
                let mut connection = Connection {
                    number,
                    stream,
                    tls: tls.clone().map(|config| ServerConnection::new(config).unwrap()),
                    unread: Vec::new(),
                    received: Arc::clone(&log),
                };
                let script = Arc::clone(&script);
                run(Box::new(move || script(&mut connection)));
            }
        });
        Self {
            address,
            wire,
            received,
        }
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

    /// What was received on connection `number`, as text.
    pub(crate) fn received(&self, number: usize) -> String {
        String::from_utf8_lossy(&self.bytes(number)).into_owned()
    }

    /// What was received on connection `number`.
    pub(crate) fn bytes(&self, number: usize) -> Vec<u8> {
        let received = self.received.lock().unwrap();
        received.get(number).cloned().unwrap_or_default()
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

    /// Whether anything has come that is not taken yet, or comes within `patience`.
    pub(crate) fn has_more(&mut self, patience: Duration) -> bool {
        if !self.unread.is_empty() {
            return true;
        }
        self.stream.set_read_timeout(Some(patience)).unwrap();
        let has_come = match self.read() {
            Ok(count) => count > 0,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
            Err(error) => panic!("the proxy gives up: {error}"),
        };
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        has_come
    }

    /// Reads until the other side ends; what came.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.more().is_some() {}
        std::mem::take(&mut self.unread)
    }

    /// Sends bytes. That nobody takes them any more is no failure of the test.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = match &mut self.tls {
            None => self.stream.write_all(bytes.as_ref()),
            Some(tls) => rustls::Stream::new(tls, &mut self.stream).write_all(bytes.as_ref()),
        };
    }

    /// Sends bytes together with the first flight of a server's TLS: the client has them before it can have sent
    /// anything but its hello.
    pub(crate) fn send_at_once(&mut self, bytes: impl AsRef<[u8]>) {
        let tls = self.tls.as_mut().unwrap();
        while !tls.wants_write() {
            if tls.read_tls(&mut self.stream).is_ok_and(|count| count == 0) || tls.process_new_packets().is_err() {
                return;
            }
        }
        tls.writer().write_all(bytes.as_ref()).unwrap();
        while tls.wants_write() && tls.write_tls(&mut self.stream).is_ok() {}
    }

    /// Has what is sent end with close_notify, where it is sent in TLS.
    pub(crate) fn close_notify(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            let _ = tls.write_tls(&mut self.stream);
        }
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
        match self.read() {
            Ok(0) => None,
            Ok(_) => Some(()),
            // The proxy need not say close_notify to whom it leaves.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => None,
            Err(error) => panic!("the proxy sends nothing: {error}"),
        }
    }

    fn read(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 16 * 1024];
        let count = match &mut self.tls {
            None => self.stream.read(&mut buffer),
            Some(tls) => rustls::Stream::new(tls, &mut self.stream).read(&mut buffer),
        }?;
        self.unread.extend_from_slice(&buffer[..count]);
        self.received.lock().unwrap()[self.number].extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}
