//! A request as it goes on.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use http::header::{REFERER, USER_AGENT};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use time::OffsetDateTime;
use tokio::time::Instant;

use super::Writer;
use super::line::{End, Line};
use super::user::user;
use crate::proxy::body::RequestBody;
use crate::proxy::error::Error;
use crate::proxy::peer::Peer;
use crate::tls::Hello;

/// What tells one request in everybody's log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What nginx logs where the client left before it was answered. Nobody is told it.
const CLIENT_LEFT: u16 = 499;

/// What is known of a request so far; dropped, it becomes a line.
#[derive(Debug)]
pub(in crate::proxy) struct Record {
    writer: Rc<Writer>,
    peer: Peer,
    /// Whom a trusted proxy speaks for.
    client: Option<IpAddr>,
    local: Option<SocketAddr>,
    hello: Option<Rc<Hello>>,
    start: Instant,
    method: Method,
    host: Option<HeaderValue>,
    target: Option<PathAndQuery>,
    version: Version,
    user: Option<Box<[u8]>>,
    user_agent: Option<HeaderValue>,
    referer: Option<HeaderValue>,
    request_id: Option<HeaderValue>,
    status: Option<StatusCode>,
    cause: Option<&'static str>,
    server: Option<Rc<str>>,
    server_time: Option<Duration>,
    received: Received,
    bytes: Cell<u64>,
    end: End,
}

/// Counts what comes from the client, for whoever reads it.
#[derive(Clone, Debug, Default)]
pub(in crate::proxy) struct Received(Option<Rc<Cell<u64>>>);

impl Record {
    /// Begins a record of a request that has come at `start`, where access lines are wanted at all.
    pub(in crate::proxy) fn begin(
        writer: &Rc<Writer>,
        peer: Peer,
        local: Option<SocketAddr>,
        hello: Option<&Rc<Hello>>,
        head: &Parts,
        start: Instant,
    ) -> Option<Box<Self>> {
        if !writer.is_wanted() {
            return None;
        }
        let host = match head.uri.authority() {
            Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
            None => head.headers.get(http::header::HOST).cloned(),
        };
        Some(Box::new(Self {
            writer: Rc::clone(writer),
            peer,
            client: None,
            local,
            hello: hello.cloned(),
            start,
            method: head.method.clone(),
            host,
            target: head.uri.path_and_query().cloned(),
            version: head.version,
            user: user(&head.headers),
            user_agent: head.headers.get(USER_AGENT).cloned(),
            referer: head.headers.get(REFERER).cloned(),
            request_id: None,
            status: None,
            cause: None,
            server: None,
            server_time: None,
            received: Received::default(),
            bytes: Cell::new(0),
            end: End::Abandoned,
        }))
    }

    /// The peer is a trusted proxy, and this is its client.
    pub(in crate::proxy) fn speaks_for(&mut self, client: IpAddr) {
        self.client = Some(client);
    }

    /// Counts the bytes of a body, or of a tunnel, on their way from the client.
    pub(in crate::proxy) fn receives(&mut self) -> Received {
        self.received.0.get_or_insert_default();
        self.received.clone()
    }

    /// The request goes on with these fields and this body, which is counted as it comes.
    pub(in crate::proxy) fn passed_on(&mut self, headers: &HeaderMap, body: RequestBody) -> RequestBody {
        self.request_id = headers.get(REQUEST_ID).cloned();
        match body.is_empty() {
            true => body,
            false => body.counted_by(self.receives()),
        }
    }

    /// It failed; the response will be ours.
    pub(in crate::proxy) fn failed(&mut self, error: &Error) {
        self.cause = Some(error.cause());
        self.server = error.server().cloned();
    }

    /// The response has begun, that of `server` or ours.
    pub(in crate::proxy) fn answered(&mut self, status: StatusCode, server: Option<Rc<str>>) {
        self.status = Some(status);
        if server.is_some() {
            self.server_time = Some(self.start.elapsed());
            self.server = server;
        }
        if self.method == Method::HEAD {
            // Its body is never asked for.
            self.end = End::Complete;
        }
    }

    /// More bytes of the body, or of a tunnel, have been handed over to the client.
    pub(in crate::proxy) fn add_bytes(&self, count: usize) {
        self.bytes.set(self.bytes.get() + count as u64);
    }

    /// The server did not finish.
    pub(in crate::proxy) fn cut(&mut self, cause: &'static str) {
        self.end = End::Cut;
        self.cause = Some(cause);
    }

    /// Everything has been handed over.
    pub(in crate::proxy) fn complete(&mut self) {
        self.end = End::Complete;
    }

    fn line<'a>(&'a self, time: OffsetDateTime, target: &'a [u8], referer: Option<&'a [u8]>) -> Line<'a> {
        let hello = self.hello.as_deref();
        Line {
            time,
            duration: self.start.elapsed(),
            peer: self.peer,
            client: self.client,
            local: self.local,
            scheme: if hello.is_some() { "https" } else { "http" },
            tls: hello.map(|hello| hello.version),
            resumed: hello.map(|hello| hello.resumed),
            server_name: hello.and_then(|hello| hello.server_name.as_deref()),
            user: self.user.as_deref(),
            method: self.method.as_str(),
            host: self.host.as_ref().map(HeaderValue::as_bytes),
            target,
            protocol: protocol(self.version),
            status: self.status.map_or(CLIENT_LEFT, |status| status.as_u16()),
            bytes_in: self.received.count(),
            bytes: self.bytes.get(),
            end: self.end,
            cause: self.cause,
            server: self.server.as_deref(),
            server_time: self.server_time,
            request_id: self.request_id.as_ref().map(HeaderValue::as_bytes),
            user_agent: self.user_agent.as_ref().map(HeaderValue::as_bytes),
            referer,
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let redaction = self.writer.redaction();
        // CONNECT names a host and no path.
        let target = self.target.as_ref().map_or("-", PathAndQuery::as_str).as_bytes();
        let target = redaction.apply(target);
        let referer = self.referer.as_ref().map(|referer| redaction.apply(referer.as_bytes()));
        let line = self.line(OffsetDateTime::now_utc(), &target, referer.as_deref());
        self.writer.write(&line);
    }
}

impl Received {
    /// More bytes have come.
    pub(in crate::proxy) fn add(&self, count: usize) {
        if let Some(bytes) = &self.0 {
            bytes.set(bytes.get() + count as u64);
        }
    }

    fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, |bytes| bytes.get())
    }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use http::Request;
    use tracing::subscriber::with_default;

    use super::*;
    use crate::proxy::access_log::{AccessLog, Output, Redaction};

    #[test]
    fn a_request_becomes_one_line_when_its_response_has_ended() {
        let line = logged(|head| {
            let mut record = begin(true, head).unwrap();
            record.receives().add(3);
            record.passed_on(&head.headers, RequestBody::empty());
            record.answered(StatusCode::OK, Some("backend:80".into()));
            record.add_bytes(5);
            record.complete();
        });
        for field in [
            "fullchain::access: request peer=192.0.2.1:4711 method=\"GET\" host=\"a.test\" path=/a?b&token=REDACTED",
            "protocol=\"HTTP/1.1\" scheme=\"http\" status=200 bytes=5 bytes_in=3",
            "end=\"complete\" server=\"backend:80\" server_ms=",
            "user=\"Aladdin\" request_id=\"0a1b\" user_agent=\"x\\\\x9b[2J\" \
             referer=\"https://b.test/?token=REDACTED\"",
        ] {
            assert!(line.contains(field), "{field}: {line}");
        }
        assert_eq!(line.lines().count(), 1);
        assert!(!line.contains("abc"), "{line}");
    }

    #[test]
    fn the_client_of_a_trusted_proxy_stands_beside_it() {
        let line = logged(|head| begin(true, head).unwrap().speaks_for([198, 51, 100, 7].into()));
        assert!(
            line.contains("peer=192.0.2.1:4711 client=198.51.100.7 method="),
            "{line}"
        );
    }

    #[test]
    fn a_client_that_left_before_its_answer_is_a_499() {
        let line = logged(|head| drop(begin(true, head)));
        assert!(
            line.contains("status=499") && line.contains("end=\"abandoned\""),
            "{line}"
        );
        assert!(!line.contains("server_ms"), "{line}");
    }

    #[test]
    fn a_failure_and_a_cut_are_told_by_their_cause() {
        let line = logged(|head| {
            let mut record = begin(true, head).unwrap();
            let server = "backend:80".into();
            record.failed(&Error::Unsent { server });
            record.answered(StatusCode::BAD_GATEWAY, None);
            record.complete();
        });
        assert!(line.contains("status=502"), "{line}");
        assert!(line.contains("cause=\"closed\" server=\"backend:80\" user="), "{line}");
        let line = logged(|head| begin(true, head).unwrap().cut("reset"));
        assert!(line.contains("end=\"cut\" cause=\"reset\""), "{line}");
    }

    #[test]
    fn nothing_is_recorded_where_nobody_listens() {
        let (head, ()) = Request::get("/").body(()).unwrap().into_parts();
        assert!(begin(true, &head).is_none());
        assert_eq!(logged(|head| assert!(begin(false, head).is_none())), "");
    }

    fn begin(wanted: bool, head: &Parts) -> Option<Box<Record>> {
        let settings = AccessLog {
            wanted,
            ..AccessLog::default()
        };
        let writer = Writer::new(Output::open(&settings).unwrap(), &Redaction::default());
        let peer = SocketAddr::from(([192, 0, 2, 1], 4711)).into();
        Record::begin(&writer, peer, None, None, head, Instant::now())
    }

    /// What `act` logs, given a request.
    fn logged(act: impl FnOnce(&Parts)) -> String {
        let request = Request::get("/a?b&token=abc")
            .header("host", "a.test")
            .header("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
            .header("x-request-id", "0a1b")
            .header("referer", "https://b.test/?token=abc")
            .header("user-agent", &b"x\x9b[2J"[..]);
        let (head, ()) = request.body(()).unwrap().into_parts();
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        with_default(subscriber, || act(&head));
        let lines = lines.0.lock().unwrap();
        String::from_utf8(lines.clone()).unwrap()
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
