//! An HTTP server on loopback that answers each path as a test says, as CAs do and as they should not.

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use super::pause;
use super::pki::{Entity, tlv};
use super::upstream::{Connection, Upstream};

/// A responder. It lives as long as the test process.
pub(crate) struct Responder {
    upstream: Upstream,
    handlers: Arc<Mutex<HashMap<String, Arc<Handler>>>>,
    requests: Arc<Mutex<Vec<Request>>>,
}

type Handler = dyn Fn(&Request) -> Response + Send + Sync;

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// The whole head, as it came.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum Response {
    /// A status, fields and a body.
    Whole(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// These bytes instead of HTTP, or a part of it.
    Raw(Vec<u8>),
    /// A header, and then a byte every other millisecond, without an end.
    Drip,
    /// A body without an end.
    Endless,
    /// Nothing, until the other side gives up.
    Silence,
}

impl Response {
    /// Status 200 with this body.
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::Whole(200, Vec::new(), body.into())
    }

    /// Nothing but a status.
    pub(crate) fn status(status: u16) -> Self {
        Self::Whole(status, Vec::new(), Vec::new())
    }

    /// A redirect.
    pub(crate) fn redirect(status: u16, location: &str) -> Self {
        Self::Whole(status, vec![("Location", location.to_owned())], Vec::new())
    }

    fn send(&self, connection: &mut Connection) {
        match self {
            Self::Whole(status, fields, body) => {
                let fields: String = fields
                    .iter()
                    .map(|(name, value)| format!("{name}: {value}\r\n"))
                    .collect();
                let length = body.len();
                connection.send(format!(
                    "HTTP/1.1 {status} -\r\n{fields}Content-Length: {length}\r\n\r\n"
                ));
                connection.send(body);
            }
            Self::Raw(bytes) => connection.send(bytes),
            Self::Drip => {
                connection.send("HTTP/1.1 200 OK\r\n\r\n");
                while connection.stream().write_all(b".").is_ok() {
                    pause();
                }
            }
            Self::Endless => {
                connection.send("HTTP/1.1 200 OK\r\n\r\n");
                while connection.stream().write_all(&[b'.'; 4096]).is_ok() {}
            }
            Self::Silence => drop(connection.rest()),
        }
    }
}

impl Responder {
    /// A responder that knows no path yet and answers 404.
    pub(crate) fn new() -> Self {
        let handlers = Arc::<Mutex<HashMap<String, Arc<Handler>>>>::default();
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let (known, log) = (Arc::clone(&handlers), Arc::clone(&requests));
        let upstream = Upstream::scripted(move |connection| {
            // One request each: the client asks for the end of the connection.
            let Some((head, body)) = connection.request() else {
                return;
            };
            let mut words = head.split(' ').map(str::to_owned);
            let request = Request {
                method: words.next().unwrap(),
                target: words.next().unwrap(),
                head,
                body,
            };
            log.lock().unwrap().push(request.clone());
            let handler = known.lock().unwrap().get(&request.target).cloned();
            let response = handler.map_or_else(|| Response::status(404), |handler| handler(&request));
            response.send(connection);
        });
        Self {
            upstream,
            handlers,
            requests,
        }
    }

    /// Answers requests for `path` with what `handler` makes of them.
    pub(crate) fn answer(&self, path: &str, handler: impl Fn(&Request) -> Response + Send + Sync + 'static) {
        self.handlers.lock().unwrap().insert(path.to_owned(), Arc::new(handler));
    }

    /// Answers requests for `path` with `response`, always.
    pub(crate) fn publish(&self, path: &str, response: Response) {
        self.answer(path, move |_| response.clone());
    }

    /// Publishes a certificate as DER, as CAs do.
    pub(crate) fn publish_certificate(&self, path: &str, entity: &Entity) {
        self.publish(path, Response::ok(entity.certificate.der().to_vec()));
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.upstream.address
    }

    /// The URL of `path`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// Every request there has been.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The paths asked for, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.target).collect()
    }
}

/// A URL at which nobody listens.
pub(crate) fn dead_url() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/dead.cer", listener.local_addr().unwrap())
}

/// A "certs-only" message (RFC 5652 section 5.1), as a `.p7c` file holds it.
pub(crate) fn p7c<'e>(entities: impl IntoIterator<Item = &'e Entity>) -> Vec<u8> {
    let certificates: Vec<u8> = entities
        .into_iter()
        .flat_map(|entity| entity.certificate.der().to_vec())
        .collect();
    let data = tlv(0x30, b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01");
    let signed_data = [
        b"\x02\x01\x01".to_vec(),
        tlv(0x31, &[]),
        data,
        tlv(0xa0, &certificates),
        tlv(0x31, &[]),
    ]
    .concat();
    let content = [
        b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02".to_vec(),
        tlv(0xa0, &tlv(0x30, &signed_data)),
    ]
    .concat();
    tlv(0x30, &content)
}
