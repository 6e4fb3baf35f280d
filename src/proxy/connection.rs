//! One client connection: handshake, HTTP, and a proper end.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{self as hyper_service, service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::Settings;
use super::activity::{Activity, Phase};
use super::alarm::Alarm;
use super::body::{BodyError, ResponseBody};
use super::client::Client;
use super::connections::{Connections, Entry};
use super::ending::{LINGER, end};
use super::headers::downstream::Address;
use super::headers::scheme::Scheme;
use super::http2;
use super::peer::Peer;
use super::response;
use super::scanned::{Scanned, Verdict};
use super::service::{self, Context};
use super::settings::{Listener, Service, Timeouts};
use super::socket::Socket;
use super::stream::Stream;
use super::worker::Worker;
use crate::telemetry::Causes;
use crate::telemetry::metrics::Raised;
use crate::tls::ApplicationProtocol;

/// Serves a connection to `listener` until it ends.
pub(super) async fn serve(worker: Rc<Worker>, listener: Rc<Listener>, mut socket: Socket, peer: Peer) {
    let metrics = &worker.metrics;
    metrics.accepted.add(1);
    let _open = Raised::by(metrics, |metrics| &metrics.open);
    let entry = worker.connections.enter(Instant::now());
    let settings = Arc::clone(&worker.setup().settings);
    let Some(client) = Client::meet(&worker.setup(), metrics, &listener, &mut socket, peer).await else {
        return;
    };
    let activity = &entry.activity;
    let stream = Stream::new(socket, Rc::clone(activity), settings.timeouts.idle);
    let context = |hello| Context {
        worker: Rc::clone(&worker),
        settings: Arc::clone(&settings),
        peer: client.peer,
        local: client.local,
        hello,
        redirect: match listener.service {
            Service::Redirect(to) => Some(to),
            Service::Tls | Service::Http => None,
        },
        activity: Rc::clone(activity),
        peer_address: Address::of_peer(client.peer),
        scheme: match listener.service {
            Service::Tls => Scheme::Https,
            Service::Http | Service::Redirect(_) => Scheme::Http,
        },
        client_cert: Default::default(),
        tunnel: Default::default(),
        introductions: Default::default(),
        pins: Default::default(),
    };
    if listener.service != Service::Tls {
        activity.ready(Instant::now());
        return serve_requests(stream, context(None), &entry).await;
    }
    // The handshaker has said what there is to say about a failure.
    let without_http2 = |name: Option<&str>| worker.setup().routes.are_without_http2(name);
    let begun = Instant::now();
    let outcome = worker.handshaker.accept(stream, client.peer, without_http2).await;
    metrics.handshakes.ended(&outcome, begun.elapsed());
    let Ok(accepted) = outcome else { return };
    let protocol = accepted.hello.protocol;
    activity.ready(Instant::now());
    let context = context(Some(Rc::new(accepted.hello)));
    match protocol {
        ApplicationProtocol::Http2 => {
            let context = Rc::new(context);
            http2::serve(accepted.stream, &context).await;
            context.pins.close();
        }
        ApplicationProtocol::Http1 => serve_requests(accepted.stream, context, &entry).await,
    }
}

/// Serves an HTTP/1.1 connection, and what becomes of it after an upgrade.
async fn serve_requests<IO>(io: IO, context: Context, entry: &Entry)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let peer = context.peer;
    let context = Rc::new(context);
    let service = service_fn(|request| service::answer(Rc::clone(&context), request, None));
    let rest = serve_http1(io, service, entry, &context).await;
    context.pins.close();
    let Some((io, early)) = rest else {
        return;
    };
    let tunnel = context.tunnel.take();
    match tunnel {
        None => end(io).await,
        Some(tunnel) => {
            let idle = context.settings.timeouts.idle;
            // It counts as a connection until both sides have ended; drain waits for it as for any other.
            if let Err(error) = tunnel.carry(io, early, idle).await {
                tracing::debug!(%peer, %error, "a tunnel was cut");
            }
        }
    }
}

/// An HTTP/1.1 connection with its scanner.
type Http1<IO, S> = http1::Connection<TokioIo<Scanned<IO>>, S>;

/// Serves an HTTP/1.1 connection until it ends, is idle for too long or is told to end. What remains of it, with the
/// bytes read beyond the last request, comes back where the end is still to be said.
async fn serve_http1<IO, S>(io: IO, service: S, entry: &Entry, context: &Context) -> Option<(IO, Bytes)>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: hyper_service::Service<Request<Incoming>, Response = Response<ResponseBody>, Error = Infallible>,
{
    let activity = &entry.activity;
    let scanner = Rc::new(Verdict::default());
    let io = Scanned::new(io, Rc::clone(activity), Rc::clone(&scanner));
    let answering = Rc::clone(activity);
    let service = service_fn(move |mut request: Request<Incoming>| {
        if let Some(doubt) = scanner.about_next() {
            request.extensions_mut().insert(doubt);
        }
        let (answer, activity) = (hyper_service::Service::call(&service, request), Rc::clone(&answering));
        async move {
            let answer = answer.await;
            activity.answered();
            answer
        }
    });
    let mut connection = http1(&context.settings).serve_connection(TokioIo::new(io), service);
    let ended = drive(&mut connection, activity, context).await;
    conclude(connection, ended, activity, context.peer).await
}

/// How hyper is to read HTTP/1.1.
fn http1(settings: &Settings) -> http1::Builder {
    let limits = &settings.limits;
    let mut builder = http1::Builder::new();
    builder
        .max_header_size(limits.header_bytes)
        // hyper panics below its minimum, and below the header limit the latter could not be reached.
        .max_buf_size(limits.header_bytes.max(MIN_BUFFER))
        .max_headers(limits.header_fields)
        // Remembered only where some backend is to get it: it takes an allocation for each name.
        .preserve_header_case(settings.preserves_header_case())
        // Its timer also runs between requests; ours tells the two apart.
        .header_read_timeout(None);
    builder
}

/// Drives a connection to its end; `None` where it has taken too long.
async fn drive<IO, S>(
    connection: &mut Http1<IO, S>,
    activity: &Rc<Activity>,
    context: &Context,
) -> Option<hyper::Result<()>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: hyper_service::Service<Request<Incoming>, Response = Response<ResponseBody>, Error = Infallible>,
{
    let mut alarm = Alarm::default();
    let mut told = false;
    let mut tell_if_ending = |connection: &mut Http1<IO, S>| {
        if !told && ends_now(&context.worker.connections, activity) {
            told = true;
            Pin::new(connection).graceful_shutdown();
        }
    };
    poll_fn(|cx| {
        activity.driven_by(cx.waker());
        tell_if_ending(connection);
        if let Poll::Ready(outcome) = Pin::new(&mut *connection).poll(cx) {
            return Poll::Ready(Some(outcome));
        }
        // A request may just have begun on a connection that was waiting for its first.
        tell_if_ending(connection);
        let deadline = deadline(&context.worker.connections, activity, &context.settings.timeouts);
        alarm.poll(cx, deadline).map(|()| None)
    })
    .await
}

/// What remains of a connection that has `ended`, where its end is still to be said.
async fn conclude<IO, S>(
    connection: Http1<IO, S>,
    ended: Option<hyper::Result<()>>,
    activity: &Activity,
    peer: Peer,
) -> Option<(IO, Bytes)>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: hyper_service::Service<Request<Incoming>, Response = Response<ResponseBody>, Error = Infallible>,
{
    // A response that was cut must not look finished: nothing may follow it, not even a close_notify.
    let unwritten = activity.is_blocked();
    match ended {
        Some(Ok(())) => {}
        // hyper has answered with 400, 414 or 431.
        Some(Err(error)) if error.is_parse() => {
            tracing::info!(%peer, cause = "malformed", error = %Causes(&error), "request refused");
        }
        Some(Err(error)) => {
            tracing::debug!(%peer, error = %Causes(&error), "connection failed");
            if is_cut(&error) || activity.phase() == Phase::Busy {
                return None;
            }
        }
        None if !unwritten && matches!(activity.phase(), Phase::Header(_)) => {
            tracing::info!(%peer, status = 408, cause = "header-timeout", "request refused");
            let mut io = connection.into_parts().io.into_inner().into_inner();
            // It may have left already.
            let _ = tokio::time::timeout(LINGER, io.write_all(response::HEADER_TIMEOUT)).await;
            return Some((io, Bytes::new()));
        }
        None => {}
    }
    if unwritten {
        return None;
    }
    let parts = connection.into_parts();
    Some((parts.io.into_inner().into_inner(), parts.read_buf))
}

/// hyper's own minimum for its buffer.
const MIN_BUFFER: usize = 8192;

/// How long a connection lasts after a response while the process ends: a client that goes on at once has a request on its
/// way, and would take a close for a failure. More than the longest round trip.
const LAST_WORD: Duration = Duration::from_secs(1);

/// When a connection has been doing the same for too long.
fn deadline(connections: &Connections, activity: &Activity, timeouts: &Timeouts) -> Instant {
    let deadline = activity.deadline(Instant::now(), timeouts);
    match activity.phase() {
        Phase::Idle(since) if connections.draining() && !activity.is_blocked() => deadline.min(since + LAST_WORD),
        _ => deadline,
    }
}

/// Whether a connection is to be told that its next response is the last. One that has yet to send a request, or is
/// sending one, is told when that is complete; one whose response is on its way already, with the next one.
fn ends_now(connections: &Connections, activity: &Activity) -> bool {
    connections.draining() && activity.is_unanswered()
}

/// Whether the response's body ended with an error.
fn is_cut(error: &hyper::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<BodyError>())
}
