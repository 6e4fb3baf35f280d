//! One line for each request, written when its response has ended.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

use http::header::{REFERER, USER_AGENT};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, StatusCode, Version};
use tokio::time::Instant;

use crate::tls::Hello;

/// The target of the events, for filters.
const TARGET: &str = "fullchain::access";

/// What is known of a request so far; dropped, it becomes a line.
#[derive(Debug)]
pub(super) struct Record {
    peer: SocketAddr,
    hello: Option<Rc<Hello>>,
    start: Instant,
    method: Method,
    host: Option<HeaderValue>,
    path: Option<PathAndQuery>,
    version: Version,
    user_agent: Option<HeaderValue>,
    referer: Option<HeaderValue>,
    status: Option<StatusCode>,
    upstream: Option<Rc<str>>,
    bytes: u64,
    end: End,
}

/// How a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The client left, or was given up, before the whole response was handed over.
    Abandoned,
    /// The upstream did not finish its response.
    Cut,
    /// As it should.
    Complete,
}

impl Record {
    /// Begins a record where access lines are wanted at all: `wanted` is the operator's word, the log filter has
    /// another.
    pub(super) fn begin(wanted: bool, peer: SocketAddr, hello: Option<&Rc<Hello>>, head: &Parts) -> Option<Box<Self>> {
        if !wanted || !tracing::enabled!(target: TARGET, tracing::Level::INFO) {
            return None;
        }
        let host = match head.uri.authority() {
            Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
            None => head.headers.get(http::header::HOST).cloned(),
        };
        Some(Box::new(Self {
            peer,
            hello: hello.cloned(),
            start: Instant::now(),
            method: head.method.clone(),
            host,
            path: head.uri.path_and_query().cloned(),
            version: head.version,
            user_agent: head.headers.get(USER_AGENT).cloned(),
            referer: head.headers.get(REFERER).cloned(),
            status: None,
            upstream: None,
            bytes: 0,
            end: End::Abandoned,
        }))
    }

    /// The response has begun.
    pub(super) fn answered(&mut self, status: StatusCode, upstream: Option<Rc<str>>) {
        self.status = Some(status);
        self.upstream = upstream;
        if self.method == Method::HEAD {
            // Its body is never asked for.
            self.end = End::Complete;
        }
    }

    /// More of the body has been handed over.
    pub(super) fn add_bytes(&mut self, count: usize) {
        self.bytes += count as u64;
    }

    /// The upstream did not finish.
    pub(super) fn cut(&mut self) {
        self.end = End::Cut;
    }

    /// The whole response has been handed over.
    pub(super) fn complete(&mut self) {
        self.end = End::Complete;
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let hello = self.hello.as_deref();
        let (host, user_agent, referer) = (text(&self.host), text(&self.user_agent), text(&self.referer));
        tracing::info!(
            target: TARGET,
            peer = %self.peer,
            method = %self.method,
            host = host.as_deref(),
            path = %Escaped(self.path.as_ref().map_or("", PathAndQuery::as_str).as_bytes()),
            protocol = ?self.version,
            status = self.status.map(|status| status.as_u16()),
            bytes = self.bytes,
            duration_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX),
            end = %self.end,
            upstream = self.upstream.as_deref(),
            tls = hello.map(|hello| hello.version),
            server_name = hello.and_then(|hello| hello.server_name.as_deref()),
            user_agent = user_agent.as_deref(),
            referer = referer.as_deref(),
            "request"
        );
    }
}

fn text(value: &Option<HeaderValue>) -> Option<Cow<'_, str>> {
    value.as_ref().map(|value| Escaped(value.as_bytes()).text())
}

impl fmt::Display for End {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Abandoned => "abandoned",
            Self::Cut => "cut",
            Self::Complete => "complete",
        })
    }
}

/// Bytes from outside as one line of ASCII: what could forge a line or steer a terminal is written as `\xNN`.
pub(super) struct Escaped<'a>(pub(super) &'a [u8]);

impl<'a> Escaped<'a> {
    /// The text, copied only where something has to be escaped.
    fn text(&self) -> Cow<'a, str> {
        match str::from_utf8(self.0) {
            Ok(text) if self.0.iter().all(stands_as_it_is) => Cow::Borrowed(text),
            _ => Cow::Owned(self.to_string()),
        }
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for run in self
            .0
            .chunk_by(|one, next| stands_as_it_is(one) == stands_as_it_is(next))
        {
            match str::from_utf8(run) {
                Ok(text) if run.iter().all(stands_as_it_is) => formatter.write_str(text)?,
                _ => run.iter().try_for_each(|byte| write!(formatter, "\\x{byte:02x}"))?,
            }
        }
        Ok(())
    }
}

fn stands_as_it_is(byte: &u8) -> bool {
    matches!(byte, b' '..=b'~') && *byte != b'\\'
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use http::Request;
    use tracing::subscriber::with_default;

    use super::*;

    #[test]
    fn a_request_becomes_one_line_when_its_response_has_ended() {
        let line = logged(|head| {
            let mut record = Record::begin(true, peer(), None, head).unwrap();
            record.answered(StatusCode::OK, Some("backend:80".into()));
            record.add_bytes(5);
            record.complete();
        });
        for field in [
            "fullchain::access: request peer=192.0.2.1:4711 method=GET host=\"a.test\" path=/a?b protocol=HTTP/1.1",
            "status=200 bytes=5",
            "end=complete upstream=\"backend:80\"",
            "user_agent=\"x\\\\x9b[2J\"",
        ] {
            assert!(line.contains(field), "{field}: {line}");
        }
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn a_client_that_left_is_logged_too() {
        let line = logged(|head| drop(Record::begin(true, peer(), None, head)));
        assert!(line.contains("end=abandoned") && !line.contains("status="), "{line}");
    }

    #[test]
    fn nothing_is_recorded_where_nobody_listens() {
        let (head, ()) = Request::get("/").body(()).unwrap().into_parts();
        assert!(Record::begin(true, peer(), None, &head).is_none());
        assert_eq!(
            logged(|head| assert!(Record::begin(false, peer(), None, head).is_none())),
            ""
        );
    }

    #[test]
    fn bytes_that_could_forge_a_line_are_escaped() {
        assert_eq!(
            Escaped(b"/a b\r\n\x1b[2J\\\xff\"").to_string(),
            "/a b\\x0d\\x0a\\x1b[2J\\x5c\\xff\""
        );
        assert_eq!(Escaped(b"\r\n").text(), "\\x0d\\x0a");
        assert_eq!(Escaped("a\u{9b}".as_bytes()).text(), "a\\xc2\\x9b");
    }

    #[test]
    fn what_needs_no_escape_is_not_copied() {
        assert!(matches!(
            Escaped(b"Mozilla/5.0 (X11)").text(),
            Cow::Borrowed("Mozilla/5.0 (X11)")
        ));
        assert!(matches!(Escaped(b"").text(), Cow::Borrowed("")));
    }

    /// What `act` logs, given a request.
    fn logged(act: impl FnOnce(&Parts)) -> String {
        let request = Request::get("/a?b")
            .header("host", "a.test")
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

    fn peer() -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 4711))
    }
}
