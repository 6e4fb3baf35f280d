//! One connection to a server, or one stream of an HTTP/2 connection, and what can become of a request on it.

use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::connect::ConnectError;
use super::dialect::{Dialect, origin_form};
use super::introduction::Introduction;
use super::received::Received;
use super::roster::Slot;
use super::streams::Stream;
use crate::proxy::alarm::Alarm;
use crate::proxy::body::{BodyError, RequestBody, Upload};
use crate::proxy::contain;
use crate::proxy::metrics::ServerMetrics;
use crate::telemetry::metrics::Raised;

/// What one request has to itself: a connection of HTTP/1, or a stream of HTTP/2.
#[derive(Debug)]
pub(super) struct Connection {
    kind: Kind,
    dialect: Rc<Dialect>,
    pub(super) alarm: Alarm,
}

#[derive(Debug)]
enum Kind {
    Http1(Http1),
    Http2(Http2),
}

#[derive(Debug)]
struct Http1 {
    sender: http1::SendRequest<RequestBody>,
    received: Received,
    /// Whom the server takes the client of this connection for, where it was told.
    introduction: Option<Introduction>,
    /// It serves no further request.
    is_last: bool,
}

#[derive(Debug)]
struct Http2 {
    stream: Stream,
    /// For how long the server may take nothing of a request's body. Over HTTP/1 the socket sees to that; here the server
    /// may go on reading, and only give this stream no window.
    progress: Duration,
}

/// What can become of a request other than a response.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection was dead before anything was sent; here is the request again.
    Unsent(Box<Request<RequestBody>>),
    /// The server says that it did nothing with the request (RFC 9113 section 8.7).
    Unprocessed(hyper::Error),
    /// The client's body gave out.
    Body(BodyError),
    /// No response in time.
    Silent,
    /// The server took nothing of the client's body for that long.
    Untaken(Duration),
    /// The connection ended without a byte of a response.
    Lost(hyper::Error),
    /// Something came that is no response.
    Invalid(hyper::Error),
}

impl Connection {
    /// An HTTP/1 connection over `io`, which `received` hears of.
    pub(super) async fn http1<IO>(
        io: IO,
        received: Received,
        introduction: Option<Introduction>,
        dialect: &Rc<Dialect>,
    ) -> Result<Self, ConnectError>
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = dialect
            .http1_builder()
            .handshake(TokioIo::new(received.counting(io)))
            .await
            .map_err(|error| ConnectError::Broken(Arc::new(io::Error::other(error))))?;
        contain::spawn(None, async move {
            // Whoever waits for a response or reads a body has the error too.
            let _ = connection.with_upgrades().await;
        });
        let kind = Kind::Http1(Http1 {
            sender,
            received,
            introduction,
            is_last: dialect.is_http10(),
        });
        Ok(Self::new(kind, dialect))
    }

    /// A stream of an HTTP/2 connection, whose server may take nothing of a body for as long as `progress`.
    pub(super) fn http2(stream: Stream, progress: Duration, dialect: &Rc<Dialect>) -> Self {
        Self::new(Kind::Http2(Http2 { stream, progress }), dialect)
    }

    fn new(kind: Kind, dialect: &Rc<Dialect>) -> Self {
        Self {
            kind,
            dialect: Rc::clone(dialect),
            alarm: Alarm::default(),
        }
    }

    /// Whether another request may be sent on it at once; a stream carries one alone.
    pub(super) fn is_ready(&self) -> bool {
        match &self.kind {
            Kind::Http1(http1) => !http1.is_last && http1.sender.is_ready() && !http1.received.is_refused(),
            Kind::Http2(_) => false,
        }
    }

    /// Waits until another request may be sent on it, at most for `limit`; whether one may be.
    pub(super) async fn becomes_ready(&mut self, limit: Duration) -> bool {
        if let Kind::Http1(http1) = &mut self.kind {
            // That it is not closed is asked below.
            let _ = tokio::time::timeout(limit, http1.sender.ready()).await;
        }
        self.is_ready()
    }

    /// Whether no other request will ever be sent on it.
    pub(super) fn is_closed(&self) -> bool {
        match &self.kind {
            Kind::Http1(http1) => http1.is_last || http1.sender.is_closed(),
            Kind::Http2(_) => true,
        }
    }

    /// Whether it is for the requests of the client that `introduction` names.
    pub(super) fn is_for(&self, introduction: Option<&Introduction>) -> bool {
        match &self.kind {
            Kind::Http1(http1) => http1.introduction.as_ref() == introduction,
            Kind::Http2(_) => introduction.is_none(),
        }
    }

    /// Keeps what its request has for as long as the socket is open: it is to become a tunnel. A stream becomes none.
    pub(super) fn keep(&self, slot: Option<Slot>, busy: Option<Raised<ServerMetrics>>) {
        if let Kind::Http1(http1) = &self.kind {
            http1.received.keep(slot, busy);
        }
    }

    /// Whether it is one of HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        matches!(self.kind, Kind::Http2(_))
    }

    /// Sends a request and waits for the head of its response, at most `first_byte` after the request's end. Dropping
    /// the future closes the connection or resets the stream, so that a server stops working for a client that left.
    pub(super) async fn send(
        &mut self,
        mut request: Request<RequestBody>,
        first_byte: Duration,
    ) -> Result<Response<Incoming>, Failure> {
        let patience = Patience {
            upload: request.body().upload(),
            start: Instant::now(),
            first_byte,
            progress: match &self.kind {
                Kind::Http1(_) => None,
                Kind::Http2(http2) => Some(http2.progress),
            },
        };
        if let Some(upload) = &patience.upload {
            upload.offered();
        }
        match &mut self.kind {
            Kind::Http1(http1) => {
                self.dialect.http1(&mut request);
                let before = http1.received.count();
                let response = http1.sender.try_send_request(request);
                let response = patience.wait(response, &mut self.alarm, |error| {
                    if http1.received.count() > before {
                        Failure::Invalid(error)
                    } else {
                        Failure::Lost(error)
                    }
                });
                let response = response.await?;
                // From then on hyper speaks HTTP/1.0 itself, and a body without a length would be lost.
                http1.is_last |= response.version() < Version::HTTP_11;
                Ok(response)
            }
            Kind::Http2(Http2 { stream, .. }) => {
                self.dialect.http2(&mut request, stream.is_tls());
                let response = stream.send(request);
                let outcome = patience.wait(response, &mut self.alarm, classify_http2).await;
                outcome.map_err(|failure| match failure {
                    Failure::Unsent(mut request) => {
                        origin_form(&mut request);
                        Failure::Unsent(request)
                    }
                    failure => failure,
                })
            }
        }
    }
}

/// How long a response is waited for.
struct Patience {
    upload: Option<Upload>,
    start: Instant,
    first_byte: Duration,
    /// How long the body may go untaken meanwhile, where nobody else looks after it.
    progress: Option<Duration>,
}

impl Patience {
    /// Until when to wait, as things are, and what it is then.
    fn limit(&self) -> (Instant, Failure) {
        let Some(upload) = &self.upload else {
            return (self.start + self.first_byte, Failure::Silent);
        };
        if let Some(sent) = upload.sent() {
            return (sent + self.first_byte, Failure::Silent);
        }
        let Some(progress) = self.progress else {
            return (Instant::now() + self.first_byte, Failure::Silent);
        };
        // As long as the client is waited for, the time of which the server has all has not begun.
        let since = upload.untaken_since().unwrap_or_else(Instant::now);
        (since + progress, Failure::Untaken(progress))
    }

    async fn wait(
        &self,
        response: impl Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>>,
        alarm: &mut Alarm,
        classify: impl FnOnce(hyper::Error) -> Failure,
    ) -> Result<Response<Incoming>, Failure> {
        let mut response = pin!(response);
        let outcome = poll_fn(|context| {
            if let Poll::Ready(outcome) = response.as_mut().poll(context) {
                return Poll::Ready(Ok(outcome));
            }
            let (deadline, failure) = self.limit();
            ready!(alarm.poll(context, deadline));
            Poll::Ready(Err(failure))
        })
        .await;
        let mut failure = match outcome? {
            Ok(response) => return Ok(response),
            Err(failure) => failure,
        };
        if let Some(request) = failure.take_message() {
            return Err(Failure::Unsent(Box::new(request)));
        }
        let error = failure.into_error();
        // Over HTTP/2 a body that failed is a stream that was reset, by us.
        let of_body = self.upload.as_ref().and_then(Upload::failure);
        Err(of_body.map_or_else(|| classify(error), Failure::Body))
    }
}

/// A stream that the server refused, or that a graceful GOAWAY leaves out, was not acted on (RFC 9113 sections 6.8 and
/// 8.7). Any other reset is the server's answer, for want of a better one.
fn classify_http2(error: hyper::Error) -> Failure {
    let source = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    match source {
        Some(source) if source.is_remote() && source.reason() == Some(h2::Reason::REFUSED_STREAM) => {
            Failure::Unprocessed(error)
        }
        Some(source) if source.is_remote() && source.is_go_away() && source.reason() == Some(h2::Reason::NO_ERROR) => {
            Failure::Unprocessed(error)
        }
        Some(source) if source.is_reset() || source.is_library() => Failure::Invalid(error),
        _ => Failure::Lost(error),
    }
}
