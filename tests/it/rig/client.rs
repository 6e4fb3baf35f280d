//! Clients that send exactly what a test says: raw bytes over TLS, and HTTP/2.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use tokio_rustls::client::TlsStream;

use super::PATIENCE;
use super::proxy::{NAME, Proxy};

/// A client that sends raw bytes over TLS.
pub(crate) struct Client {
    pub(crate) stream: StreamOwned<ClientConnection, TcpStream>,
    unread: Vec<u8>,
}

/// A response as it came.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// As text, in which what is no UTF-8 is replaced.
    pub(crate) head: String,
    /// Names in lower case, and values byte by byte, in the order they came.
    pub(crate) fields: Fields,
    pub(crate) body: Vec<u8>,
    /// Whether the body ended as its framing says.
    pub(crate) complete: bool,
}

/// Names and values of fields.
pub(crate) type Fields = Vec<(String, Vec<u8>)>;

/// How the other side ended the connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With close_notify.
    Proper,
    /// Without: RFC 8446 section 6.1 calls this a truncation.
    Cut,
}

impl Client {
    /// A client that speaks HTTP/1.1 with `proxy`.
    pub(crate) fn of(proxy: &Proxy) -> Self {
        Self::on(TcpStream::connect(proxy.address).unwrap(), proxy)
    }

    /// The same on a connection that there is already.
    pub(crate) fn on(socket: TcpStream, proxy: &Proxy) -> Self {
        Self::speaking(b"http/1.1", socket, proxy)
    }

    /// A client that has agreed with `proxy` on `protocol` and then says what it likes.
    pub(crate) fn speaking(protocol: &[u8], socket: TcpStream, proxy: &Proxy) -> Self {
        Self::over(socket, config(proxy, &[protocol]))
    }

    /// A client of this configuration that speaks HTTP/1.1 with whoever is at `address`.
    pub(crate) fn at(address: SocketAddr, config: Arc<ClientConfig>) -> Self {
        Self::over(TcpStream::connect(address).unwrap(), config)
    }

    fn over(socket: TcpStream, config: Arc<ClientConfig>) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let name = ServerName::try_from(NAME).unwrap();
        let connection = ClientConnection::new(config, name).unwrap();
        Self {
            stream: StreamOwned::new(connection, socket),
            unread: Vec::new(),
        }
    }

    /// Sends bytes.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self.stream.flush().unwrap();
        self
    }

    /// Sends some of `bytes`, or fails where the socket takes none; nothing is read meanwhile, unlike in `send`.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        while self.stream.conn.wants_write() {
            self.stream.conn.write_tls(&mut self.stream.sock)?;
        }
        self.stream.conn.writer().write(bytes)
    }

    /// Reads a response with its body.
    pub(crate) fn response(&mut self) -> Response {
        self.read_response(false)
    }

    /// Reads a response to HEAD, or one whose body the test reads itself.
    pub(crate) fn head(&mut self) -> Response {
        self.read_response(true)
    }

    /// Reads exactly `count` bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            assert!(self.more(), "the proxy ended the connection");
        }
        self.unread.drain(..count).collect()
    }

    /// Asks for the last response on this connection by `request`, which says so; the connection ends with it. What a
    /// response before it brought beyond its framing would be found here, and what this one does.
    #[track_caller]
    pub(crate) fn last(&mut self, request: impl AsRef<[u8]>) -> Response {
        let response = self.send(request).response();
        assert_eq!(self.end(), (Vec::new(), End::Proper), "after {}", response.head);
        response
    }

    /// Reads until the connection ends: what came and how it ended.
    pub(crate) fn end(&mut self) -> (Vec<u8>, End) {
        loop {
            let mut buffer = [0; 16 * 1024];
            match self.stream.read(&mut buffer) {
                Ok(0) => return (std::mem::take(&mut self.unread), End::Proper),
                Ok(count) => self.unread.extend_from_slice(&buffer[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                    return (std::mem::take(&mut self.unread), End::Cut);
                }
                Err(error) => panic!("the proxy does not end the connection: {error}"),
            }
        }
    }

    fn read_response(&mut self, without_body: bool) -> Response {
        let bytes = self.until(b"\r\n\r\n").unwrap_or_else(|| {
            panic!("no response but {:?}", String::from_utf8_lossy(&self.unread));
        });
        let head = String::from_utf8_lossy(&bytes).into_owned();
        // Anything else belongs to a response that was taken for over.
        assert!(head.starts_with("HTTP/1."), "no response: {head:?}");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let (body, complete) = if without_body || matches!(status, 100..200 | 204 | 304) {
            (Vec::new(), true)
        } else {
            self.body(&head.to_ascii_lowercase())
        };
        Response {
            status,
            head,
            fields: fields(&bytes),
            body,
            complete,
        }
    }

    fn body(&mut self, head: &str) -> (Vec<u8>, bool) {
        if head.contains("transfer-encoding: chunked") {
            let mut body = Vec::new();
            loop {
                let Some(size) = self.until(b"\r\n") else {
                    return (body, false);
                };
                let size = usize::from_str_radix(std::str::from_utf8(&size).unwrap().trim(), 16).unwrap();
                while self.unread.len() < size + 2 {
                    if !self.more() {
                        return (body, false);
                    }
                }
                body.extend(self.unread.drain(..size));
                assert_eq!(self.unread.drain(..2).collect::<Vec<_>>(), b"\r\n");
                if size == 0 {
                    return (body, true);
                }
            }
        }
        let Some((_, rest)) = head.split_once("content-length: ") else {
            let (body, end) = self.end();
            return (body, end == End::Proper);
        };
        let length: usize = rest.split("\r\n").next().unwrap().parse().unwrap();
        while self.unread.len() < length {
            if !self.more() {
                return (std::mem::take(&mut self.unread), false);
            }
        }
        (self.unread.drain(..length).collect(), true)
    }

    fn until(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.unread.windows(mark.len()).position(|window| window == mark) {
                return Some(self.unread.drain(..at + mark.len()).collect());
            }
            if !self.more() {
                return None;
            }
        }
    }

    fn more(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(count) => {
                self.unread.extend_from_slice(&buffer[..count]);
                count > 0
            }
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => false,
            Err(error) => panic!("the proxy sends nothing: {error}"),
        }
    }
}

impl Response {
    /// Whether the head has exactly this line, whatever its case.
    pub(crate) fn has(&self, line: &str) -> bool {
        self.head
            .split("\r\n")
            .any(|candidate| candidate.eq_ignore_ascii_case(line))
    }

    /// Whether the head has a field of this name.
    pub(crate) fn has_field(&self, name: &str) -> bool {
        let start = format!("{}:", name.to_ascii_lowercase());
        self.head
            .to_ascii_lowercase()
            .split("\r\n")
            .any(|line| line.starts_with(&start))
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The fields of a head in HTTP/1.
pub(crate) fn fields(head: &[u8]) -> Fields {
    let lines = head.split(|byte| *byte == b'\n').skip(1).map(<[u8]>::trim_ascii);
    let fields = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (line[..colon].to_ascii_lowercase(), &line[colon + 1..]);
        Some((String::from_utf8(name).unwrap(), value.trim_ascii().to_vec()))
    });
    fields.collect()
}

/// Runs `exchange` on an HTTP/2 connection to `proxy`.
pub(crate) fn http2<T>(proxy: &Proxy, exchange: impl AsyncFnOnce(SendRequest<Full<Bytes>>) -> T) -> T {
    http2_with(proxy, exchange)
}

/// The same with bodies of another kind.
pub(crate) fn http2_with<T, B>(proxy: &Proxy, exchange: impl AsyncFnOnce(SendRequest<B>) -> T) -> T
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let exchange = async {
        let stream = connect(proxy, &[b"h2"]).await;
        let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        exchange(sender).await
    };
    runtime
        .block_on(async { tokio::time::timeout(PATIENCE, exchange).await })
        .expect("the exchange ends in time")
}

/// Connects to `proxy` and offers these protocols, the first one by preference.
pub(crate) async fn connect(proxy: &Proxy, protocols: &[&[u8]]) -> TlsStream<tokio::net::TcpStream> {
    let socket = tokio::net::TcpStream::connect(proxy.address).await.unwrap();
    let name = ServerName::try_from(NAME).unwrap();
    let connector = tokio_rustls::TlsConnector::from(config(proxy, protocols));
    connector.connect(name, socket).await.unwrap()
}

pub(super) fn config(proxy: &Proxy, protocols: &[&[u8]]) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder()
        .with_root_certificates(proxy.roots.clone())
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}
