//! One HTTP/2 connection and its streams.
//!
//! Of h2's own protections only the limit of a header list is set by ours; what stays are 200 concurrent streams, and
//! limits on resets, CONTINUATION and empty DATA frames (CVE-2023-44487, CVE-2024-27316, CVE-2025-8671,
//! RUSTSEC-2026-0258).

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::activity::Phase;
use super::alarm::Alarm;
use super::body::Taken;
use super::contain;
use super::ending::LINGER;
use super::response::Http11Required;
use super::service::{self, Context};
use super::settings::Limits;
use crate::telemetry::Causes;

/// Drives a connection until it ends, is idle for too long or is told to end; h2 says the end itself.
pub(super) async fn serve<IO>(io: IO, context: &Rc<Context>)
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (settings, activity) = (&context.settings, &context.activity);
    let streams = Streams {
        context: Rc::clone(context),
        next: Rc::default(),
    };
    let next = Rc::clone(&streams.next);
    let service = service_fn(|request| {
        let taken = Taken::default();
        next.set(Some(taken.clone()));
        let answer = service::answer(Rc::clone(context), request, Some(taken));
        async {
            let response = answer.await.unwrap_or_else(|never| match never {});
            match response.extensions().get() {
                // hyper resets the stream with the reason it finds.
                Some(Http11Required) => Err(h2::Error::from(h2::Reason::HTTP_1_1_REQUIRED)),
                None => Ok(response),
            }
        }
    });
    let mut connection = http2::Builder::new(streams)
        .timer(TokioTimer::new())
        .max_header_list_size(largest_list(&settings.limits))
        .serve_connection(TokioIo::new(io), service);
    let mut alarm = Alarm::default();
    let mut told: Option<Instant> = None;
    let ended = poll_fn(|cx| {
        activity.driven_by(cx.waker());
        if told.is_none() && context.worker.connections.draining() {
            told = Some(Instant::now());
            Pin::new(&mut connection).graceful_shutdown();
        }
        loop {
            if let Poll::Ready(outcome) = Pin::new(&mut connection).poll(cx) {
                return Poll::Ready(Some(outcome));
            }
            let now = Instant::now();
            let deadline = match (told, activity.phase()) {
                (_, Phase::Busy) | (None, _) => activity.deadline(now, &settings.timeouts),
                // GOAWAY is out and every response handed over; a client may still be reading the last of it.
                (Some(told), _) => told.max(activity.last_progress()) + LINGER,
            };
            ready!(alarm.poll(cx, deadline));
            if told.is_some() {
                return Poll::Ready(None);
            }
            told = Some(now);
            Pin::new(&mut connection).graceful_shutdown();
        }
    })
    .await;
    if let Some(Err(error)) = ended {
        tracing::debug!(peer = %context.peer, error = %Causes(&error), "connection failed");
    }
}

/// The largest header list that h2 hands over; it answers a larger one with 431 itself, and nobody hears of it. So it is
/// given room for what is refused, and told, by ours: h2 counts 32 bytes more for each field (RFC 9113 section 6.5.2).
fn largest_list(limits: &Limits) -> u32 {
    let ours = limits.header_bytes + 32 * limits.header_fields;
    u32::try_from(2 * ours).unwrap_or(u32::MAX)
}

/// Spawns the streams of one connection.
#[derive(Clone)]
struct Streams {
    context: Rc<Context>,
    /// The body of the stream that is spawned next: hyper calls the service and spawns its future in one go.
    next: Rc<Cell<Option<Taken>>>,
}

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let taken = self.next.take().unwrap_or_default();
        let idle = self.context.settings.timeouts.idle;
        contain::spawn(Some(self.context.peer), unless_stuck(stream, taken, idle));
    }
}

/// Runs a stream to its end, or drops it, which resets it, when the client has not made room for `idle`.
async fn unless_stuck(stream: impl Future<Output = ()>, taken: Taken, idle: Duration) {
    let mut stream = pin!(stream);
    let mut alarm = Alarm::default();
    poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        match taken.owed_since() {
            Some(since) => alarm.poll(cx, since + idle),
            None => Poll::Pending,
        }
    })
    .await;
}
