//! A client of the admin listener, for the command line: one request, bounded in time and size.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::Token;

/// What the admin listener answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens there.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where the admin listener was expected.
        address: SocketAddr,
        /// Why it cannot be reached.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection failed")]
    Connection(#[source] io::Error),
    /// Whoever listens there is no admin listener.
    #[error("the answer is not HTTP as the admin listener speaks it: {0}")]
    Malformed(&'static str),
    /// The answer did not come in time.
    #[error("no answer within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// The answer is longer than any of the admin listener's.
    #[error("the answer is longer than {MAX_ANSWER_BYTES} bytes")]
    TooLong,
}

/// An admin listener, and the token that it takes, if it takes one.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where it is.
    pub address: SocketAddr,
    /// What it takes.
    pub token: Option<Token>,
}

impl From<SocketAddr> for Target {
    /// One that takes no token.
    fn from(address: SocketAddr) -> Self {
        Self { address, token: None }
    }
}

/// Asks for `path` (such as `/readyz`) at `target` and waits `patience` at most for the whole answer.
///
/// # Errors
///
/// [`Error`]; an answer with an error status is an [`Answer`].
pub fn get(target: impl Into<Target>, path: &str, patience: Duration) -> Result<Answer, Error> {
    let target = target.into();
    exchange(target.address, &format!("GET {path} {}\r\n", target.fields()), patience)
}

/// Posts nothing to `path` (such as `/reload?force=1`) at `target` and waits `patience` at most for the whole answer.
///
/// # Errors
///
/// [`Error`]; an answer with an error status is an [`Answer`].
pub fn post(target: impl Into<Target>, path: &str, patience: Duration) -> Result<Answer, Error> {
    let target = target.into();
    let head = format!("POST {path} {}Content-Length: 0\r\n\r\n", target.fields());
    exchange(target.address, &head, patience)
}

impl Target {
    /// What stands behind the path in every request.
    fn fields(&self) -> String {
        let authorization = self
            .token
            .as_ref()
            .map(|token| format!("Authorization: {}\r\n", token.bearer()));
        let authorization = authorization.unwrap_or_default();
        format!(
            "HTTP/1.1\r\nHost: {}\r\n{authorization}Connection: close\r\n",
            self.address
        )
    }
}

/// Ten thousand certificates, which is what this is made for: a reload answers with a sentence for each that changed, and
/// `/certificates` with some five kilobytes for each.
const MAX_ANSWER_BYTES: usize = 64 << 20;

fn exchange(address: SocketAddr, request: &str, patience: Duration) -> Result<Answer, Error> {
    let deadline = Instant::now() + patience;
    let address = reachable(address);
    let failed = |source: io::Error| match source.kind() {
        // Unix says WouldBlock where a timeout of the socket passes, Windows TimedOut.
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::TimedOut(patience),
        _ => Error::Connection(source),
    };
    let mut stream = TcpStream::connect_timeout(&address, patience).map_err(|source| match source.kind() {
        io::ErrorKind::TimedOut => Error::TimedOut(patience),
        _ => Error::Connect { address, source },
    })?;
    stream.set_write_timeout(Some(patience)).map_err(failed)?;
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut answer = Vec::new();
    let mut buffer = [0; 8 * 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::TimedOut(patience));
        }
        stream.set_read_timeout(Some(left)).map_err(failed)?;
        let read = match stream.read(&mut buffer) {
            Ok(read) => &buffer[..read],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        };
        if read.is_empty() {
            return parse(&answer);
        }
        answer.extend_from_slice(read);
        if answer.len() > MAX_ANSWER_BYTES {
            return Err(Error::TooLong);
        }
    }
}

/// A listener on all addresses is asked on loopback: not every system connects to the unspecified address.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Reads a response with Content-Length, the only form in which the admin listener answers.
fn parse(answer: &[u8]) -> Result<Answer, Error> {
    let answer = str::from_utf8(answer).map_err(|_| Error::Malformed("it is not text"))?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or(Error::Malformed("it has no end of header"))?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1.1 "))
        .and_then(|line| line.get(..3)?.parse().ok())
        .ok_or(Error::Malformed("it has no status"))?;
    let length: usize = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .ok_or(Error::Malformed("it has no Content-Length"))?;
    if body.len() != length {
        return Err(Error::Malformed("its body is not as long as it says"));
    }
    Ok(Answer {
        status,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::admin::endpoints::tests::sources;
    use crate::admin::{Address, Server, Settings};
    use crate::reload::Outcome;

    #[tokio::test]
    async fn the_admin_listener_is_understood() {
        let kept = Outcome::Kept(vec!["expired".to_owned()]);
        let server = Server::bind(&Settings::at(Address::Asked(([0, 0, 0, 0], 0).into())))
            .unwrap()
            .unwrap();
        let address = server.local_address();
        let running = tokio::spawn(server.run(sources(Some(kept))));
        let asked = tokio::task::spawn_blocking(move || {
            let livez = get(address, "/livez", PATIENCE).unwrap();
            (livez, post(address, "/reload", PATIENCE).unwrap())
        });
        let (livez, reload) = asked.await.unwrap();
        running.abort();
        assert_eq!((livez.status, livez.body.as_str()), (200, "ok\n"));
        assert_eq!(reload.status, 409);
        assert!(reload.body.contains("expired"), "{}", reload.body);
    }

    #[test]
    fn nobody_listening_is_said() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert!(matches!(get(address, "/livez", PATIENCE), Err(Error::Connect { .. })));
    }

    #[test]
    fn a_server_that_never_answers_is_left() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let asked = get(listener.local_addr().unwrap(), "/livez", Duration::from_millis(20));
        assert!(matches!(asked, Err(Error::TimedOut(_))), "{asked:?}");
    }

    #[test]
    fn an_answer_without_end_is_left() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
        });
        assert!(matches!(get(address, "/livez", PATIENCE), Err(Error::TooLong)));
        server.join().unwrap();
    }

    #[test]
    fn an_answer_that_is_cut_or_not_http_is_malformed() {
        for answer in [
            &b""[..],
            b"\xff\xfe",
            b"SSH-2.0-x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\nok",
            b"HTTP/1.1 20\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        ] {
            assert!(
                matches!(parse(answer), Err(Error::Malformed(_))),
                "{}",
                answer.escape_ascii()
            );
        }
    }

    const PATIENCE: Duration = Duration::from_secs(10);
}
