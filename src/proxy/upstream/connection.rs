//! One HTTP/1.1 connection to an upstream, and what can become of a request on it.

use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::connect::{ConnectError, connect};
use crate::proxy::alarm::Alarm;
use crate::proxy::body::{BodyError, RequestBody};
use crate::proxy::contain;
use crate::proxy::settings::ServerAddress;
use crate::proxy::stream::{Observer, Stream};

/// Bytes of a response's header section. nginx and HAProxy refuse above 4 and 16 KiB by default, clients above 100 to
/// 300 KiB (curl: 300 KiB in all, 100 KiB a line): what passes here, clients take.
const RESPONSE_HEADER_BYTES: usize = 96 * 1024;

/// One HTTP/1.1 connection to an upstream.
#[derive(Debug)]
pub(super) struct Connection {
    sender: http1::SendRequest<RequestBody>,
    received: Received,
    pub(super) alarm: Alarm,
}

/// What can become of a request other than a response.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection was dead before anything was sent; here is the request again.
    Unsent(Box<Request<RequestBody>>),
    /// The client's body gave out.
    Body(BodyError),
    /// No response in time.
    Silent,
    /// The connection ended without a byte of a response.
    Lost(hyper::Error),
    /// Something came that is no response.
    Invalid(hyper::Error),
}

/// How often bytes have arrived, and whether the upstream has stopped taking any. Atomic for hyper's sake, which moves
/// an upgraded socket as a `Send` value.
#[derive(Clone, Debug)]
struct Received(Arc<Seen>);

#[derive(Debug)]
struct Seen {
    reads: AtomicU64,
    refused: AtomicBool,
    /// Given up when the socket is closed, be it that of a tunnel.
    _place: OwnedSemaphorePermit,
}

impl Connection {
    /// Connects within `limit`, and keeps `place` while connected. A connected upstream that takes no bytes for `idle`
    /// is given up.
    pub(super) async fn open(
        address: &ServerAddress,
        limit: Duration,
        idle: Duration,
        place: OwnedSemaphorePermit,
    ) -> Result<Self, ConnectError> {
        let socket = connect(address, limit).await?;
        let received = Received(Arc::new(Seen {
            reads: AtomicU64::new(0),
            refused: AtomicBool::new(false),
            _place: place,
        }));
        let io = TokioIo::new(Stream::new(socket, received.clone(), idle));
        let (sender, connection) = http1::Builder::new()
            // Backends that know only `Content-Length` and the like in this spelling are legion (haproxy#2888).
            .title_case_headers(true)
            .max_header_size(RESPONSE_HEADER_BYTES)
            .max_buf_size(RESPONSE_HEADER_BYTES)
            .handshake(io)
            .await
            .map_err(|error| ConnectError::Connect(std::io::Error::other(error)))?;
        contain::spawn(None, async move {
            // Whoever waits for a response or reads a body has the error too.
            let _ = connection.with_upgrades().await;
        });
        Ok(Self {
            sender,
            received,
            alarm: Alarm::default(),
        })
    }

    /// Whether a request may be sent at once.
    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready() && !self.received.0.refused.load(Ordering::Relaxed)
    }

    /// Sends a request and waits for the head of its response, at most `first_byte` after the request's end. Dropping
    /// the future closes the connection, so that an upstream stops working for a client that left.
    pub(super) async fn send(
        &mut self,
        request: Request<RequestBody>,
        first_byte: Duration,
    ) -> Result<Response<Incoming>, Failure> {
        let sent = request.body().sent();
        let start = Instant::now();
        let before = self.received.count();
        let mut response = pin!(self.sender.try_send_request(request));
        let outcome = poll_fn(|context| {
            if let Poll::Ready(outcome) = response.as_mut().poll(context) {
                return Poll::Ready(Some(outcome));
            }
            let since = sent
                .as_ref()
                .map_or(start, |sent| sent.at().unwrap_or_else(Instant::now));
            ready!(self.alarm.poll(context, since + first_byte));
            Poll::Ready(None)
        })
        .await;
        let mut failure = match outcome {
            None => return Err(Failure::Silent),
            Some(Ok(response)) => return Ok(response),
            Some(Err(failure)) => failure,
        };
        Err(match failure.take_message() {
            Some(request) => Failure::Unsent(Box::new(request)),
            None => classify(failure.into_error(), self.received.count() > before),
        })
    }
}

fn classify(error: hyper::Error, answered: bool) -> Failure {
    let body = error.source().and_then(|source| source.downcast_ref::<BodyError>());
    match body {
        // hyper owns the error, and a hyper::Error cannot be cloned: what it said is kept, what it was made of is not.
        Some(BodyError::RequestStalled(limit)) => Failure::Body(BodyError::RequestStalled(*limit)),
        Some(_) => Failure::Body(BodyError::Request(error)),
        None if answered => Failure::Invalid(error),
        None => Failure::Lost(error),
    }
}

impl Received {
    fn count(&self) -> u64 {
        self.0.reads.load(Ordering::Relaxed)
    }
}

impl Observer for Received {
    fn has_read(&self) {
        self.0.reads.fetch_add(1, Ordering::Relaxed);
    }

    /// An upstream may answer before it has the whole request, and close: 413 is often sent so. Its answer is read
    /// before the loss is told (RFC 9112 section 9.5).
    fn write_refused(&self) -> bool {
        self.0.refused.store(true, Ordering::Relaxed);
        true
    }
}
