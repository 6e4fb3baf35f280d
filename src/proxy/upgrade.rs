//! From HTTP/1.1 to another protocol: agreed by both ends, then a tunnel.
//!
//! Not a byte of the new protocol goes to the server before its 101 (Pingora CVE-2026-2833), and a 101 counts only
//! where it names what the client asked for. A tunnel that is open both ways has no idle timeout: a WebSocket may be
//! silent for hours, and a cut after 60 s is what users of proxies with one complain of. Dead peers are found by TCP
//! keep-alive, those that take no bytes by the write timeout, and the rest ends with the process.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Version};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::access_log::Record;
use super::alarm::Alarm;
use super::cause;
use super::error::Side;
use super::headers::hop::tokens;

/// Bytes held per direction of a tunnel: a WebSocket message of usual size in one go.
const BUFFER: usize = 16 * 1024;

/// What the client asks to speak from here on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted(HeaderValue);

impl Wanted {
    /// What a request asks for, if it may: HTTP/1.1 only (RFC 9110 section 7.8), without a body, named in Connection.
    ///
    /// `h2c` is not passed on: its tunnel would carry requests past every check made here, and RFC 9113 section 3.1 has
    /// given it up.
    pub(super) fn of(version: Version, headers: &HeaderMap, bodiless: bool) -> Option<Self> {
        let named = headers
            .get_all(CONNECTION)
            .iter()
            .flat_map(tokens)
            .any(|token| token.eq_ignore_ascii_case(b"upgrade"));
        if version != Version::HTTP_11 || !bodiless || !named {
            return None;
        }
        let mut values = headers.get_all(UPGRADE).iter();
        let value = values.next().filter(|_| values.next().is_none())?;
        let plain_http2 = tokens(value).any(|token| token.eq_ignore_ascii_case(b"h2c"));
        (!plain_http2 && !value.is_empty()).then(|| Self(value.clone()))
    }

    /// Puts the question to the server.
    pub(super) fn ask(&self, headers: &mut HeaderMap) {
        headers.insert(UPGRADE, self.0.clone());
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }

    /// What the server's 101 agrees to, where that was asked for. Its Connection field is not looked at: some
    /// backends forget it.
    pub(super) fn agreed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut values = headers.get_all(UPGRADE).iter();
        let value = values.next().filter(|_| values.next().is_none())?;
        let asked = |chosen: &[u8]| tokens(&self.0).any(|token| token.eq_ignore_ascii_case(chosen));
        (!value.is_empty() && tokens(value).all(asked)).then(|| value.clone())
    }
}

/// What becomes of a connection after its 101.
#[derive(Debug)]
pub(super) struct Tunnel {
    upstream: OnUpgrade,
    /// The request that asked for it: its line is written when the tunnel has ended, with what passed through.
    pub(super) record: Option<Box<Record>>,
}

impl Tunnel {
    /// A tunnel to `upstream`.
    pub(super) fn to(upstream: OnUpgrade) -> Self {
        Self { upstream, record: None }
    }

    /// Carries bytes both ways until both sides have ended; each direction may end on its own, and the other then has to
    /// make progress within `idle`.
    ///
    /// `early` is what the client sent after its request.
    ///
    /// # Errors
    ///
    /// Whatever ended the tunnel before both sides did.
    pub(super) async fn carry<IO>(self, client: IO, early: Bytes, idle: Duration) -> io::Result<()>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let Self { upstream, mut record } = self;
        let received = record.as_mut().map(|record| record.receives()).unwrap_or_default();
        let passed = |to, count| match (to, &record) {
            (Side::Upstream, _) => received.add(count),
            (Side::Downstream, Some(record)) => record.add_bytes(count),
            (Side::Downstream, None) => {}
        };
        let ended = both_ways(client, early, upstream, idle, passed).await;
        if let Some(record) = &mut record {
            match &ended {
                Ok(()) => record.complete(),
                Err(Broken {
                    side: Side::Upstream,
                    source,
                }) => record.cut(cause::of_tunnel(source)),
                Err(_) => {}
            }
        }
        ended.map_err(|broken| broken.source)
    }
}

/// What ended a tunnel before both sides did.
struct Broken {
    side: Side,
    source: io::Error,
}

impl Broken {
    fn by(side: Side) -> impl Fn(io::Error) -> Self {
        move |source| Self { side, source }
    }
}

/// `passed` is told to which side how many bytes went.
async fn both_ways<IO>(
    client: IO,
    early: Bytes,
    upstream: OnUpgrade,
    idle: Duration,
    passed: impl Fn(Side, usize),
) -> Result<(), Broken>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let broken = Broken::by(Side::Upstream);
    let upstream = upstream.await.map_err(io::Error::other).map_err(&broken)?;
    let mut upstream = TokioIo::new(upstream);
    upstream.write_all(&early).await.map_err(&broken)?;
    passed(Side::Upstream, early.len());
    let (from_client, to_client) = tokio::io::split(client);
    let (from_upstream, to_upstream) = tokio::io::split(upstream);
    let half = HalfEnded::default();
    let mut both = pin!(async {
        tokio::try_join!(
            carry(from_client, to_upstream, Side::Upstream, &half, &passed),
            carry(from_upstream, to_client, Side::Downstream, &half, &passed)
        )
    });
    let mut alarm = Alarm::default();
    poll_fn(|context| {
        if let Poll::Ready(ended) = both.as_mut().poll(context) {
            return Poll::Ready(ended.map(|_| ()));
        }
        let Some(since) = half.0.get() else {
            return Poll::Pending;
        };
        let stalled = || io::Error::new(io::ErrorKind::TimedOut, "one side ended and the other does nothing");
        alarm
            .poll(context, since + idle)
            .map(|()| Err(Broken::by(Side::Downstream)(stalled())))
    })
    .await
}

/// Once a direction has ended: when that was, or when the other last made progress.
#[derive(Debug, Default)]
struct HalfEnded(Cell<Option<Instant>>);

/// Carries bytes to `side` from the other.
async fn carry<R, W>(
    mut from: R,
    mut to: W,
    side: Side,
    half: &HalfEnded,
    passed: &impl Fn(Side, usize),
) -> Result<(), Broken>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (reading, writing) = (Broken::by(side.other()), Broken::by(side));
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = from.read(&mut buffer).await.map_err(&reading)?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        to.write_all(bytes).await.map_err(&writing)?;
        to.flush().await.map_err(&writing)?;
        passed(side, count);
        if half.0.get().is_some() {
            half.0.set(Some(Instant::now()));
        }
    }
    to.shutdown().await.map_err(&writing)?;
    half.0.set(Some(Instant::now()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEBSOCKET: [(&str, &str); 2] = [("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")];

    #[test]
    fn an_upgrade_is_passed_on_where_http_1_1_asks_properly() {
        let wanted = |version, list: &[_], bodiless| Wanted::of(version, &fields(list), bodiless).is_some();
        assert!(wanted(Version::HTTP_11, &WEBSOCKET, true));
        assert!(!wanted(Version::HTTP_11, &WEBSOCKET, false));
        assert!(!wanted(Version::HTTP_10, &WEBSOCKET, true));
        assert!(!wanted(Version::HTTP_2, &WEBSOCKET, true));
        assert!(!wanted(Version::HTTP_11, &[("upgrade", "websocket")], true));
        assert!(!wanted(Version::HTTP_11, &[("connection", "upgrade")], true));
        assert!(!wanted(
            Version::HTTP_11,
            &[("connection", "upgrade"), ("upgrade", "websocket, h2c")],
            true
        ));
    }

    #[test]
    fn a_101_counts_only_for_what_was_asked() {
        let wanted = Wanted::of(
            Version::HTTP_11,
            &fields(&[("connection", "upgrade"), ("upgrade", "websocket, foo/2")]),
            true,
        )
        .unwrap();
        let agreed = |list: &[_]| wanted.agreed(&fields(list)).is_some();
        assert!(agreed(&[("upgrade", "WebSocket")]));
        assert!(agreed(&[("upgrade", "foo/2")]));
        assert!(!agreed(&[("upgrade", "bar")]));
        assert!(!agreed(&[]));
        assert!(!agreed(&[("upgrade", "websocket"), ("upgrade", "foo/2")]));
    }

    fn fields(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }
}
