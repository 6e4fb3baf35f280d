//! A request's body on its way to the upstream.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::BodyError;
use crate::proxy::access_log::Received;
use crate::proxy::activity::InProgress;
use crate::proxy::alarm::Alarm;
use crate::proxy::headers::hop;

/// A request's body on its way to the upstream. Trailers go with it to HTTP/2; hyper leaves them behind elsewhere, where
/// no Trailer field announces them.
#[derive(Debug)]
pub(in crate::proxy) struct RequestBody {
    stream: Option<Stream>,
}

#[derive(Debug)]
struct Stream {
    incoming: Incoming,
    idle: Duration,
    waiting: Option<Instant>,
    alarm: Alarm,
    sent: Sent,
    received: Received,
    _in_progress: InProgress,
}

/// When the last of a body was handed over; empty until then.
#[derive(Clone, Debug, Default)]
pub(in crate::proxy) struct Sent(Rc<Cell<Option<Instant>>>);

impl RequestBody {
    /// Wraps what hyper reads. A client that sends nothing for `idle` while it is waited for ends the body with an
    /// error.
    pub(in crate::proxy) fn new(incoming: Incoming, idle: Duration, in_progress: &InProgress) -> Self {
        if incoming.is_end_stream() {
            return Self::empty();
        }
        Self {
            stream: Some(Stream {
                incoming,
                idle,
                waiting: None,
                alarm: Alarm::default(),
                sent: Sent::default(),
                received: Received::default(),
                _in_progress: in_progress.clone(),
            }),
        }
    }

    /// The same body, whose bytes are counted by `received` as they come.
    pub(in crate::proxy) fn counted_by(mut self, received: Received) -> Self {
        if let Some(stream) = &mut self.stream {
            stream.received = received;
        }
        self
    }

    /// No body at all.
    pub(in crate::proxy) fn empty() -> Self {
        Self { stream: None }
    }

    /// Whether there is no body at all.
    pub(in crate::proxy) fn is_empty(&self) -> bool {
        self.stream.is_none()
    }

    /// The length, where it is known beforehand.
    pub(in crate::proxy) fn length(&self) -> Option<u64> {
        self.size_hint().exact()
    }

    /// Tells when the body is done with; `None` where there is no body.
    pub(in crate::proxy) fn sent(&self) -> Option<Sent> {
        self.stream.as_ref().map(|stream| stream.sent.clone())
    }
}

impl Sent {
    /// When the last of the body was handed over.
    pub(in crate::proxy) fn at(&self) -> Option<Instant> {
        self.0.get()
    }

    fn now(&self) {
        if self.0.get().is_none() {
            self.0.set(Some(Instant::now()));
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let Some(stream) = &mut self.get_mut().stream else {
            return Poll::Ready(None);
        };
        let Poll::Ready(next) = Pin::new(&mut stream.incoming).poll_frame(context) else {
            let since = *stream.waiting.get_or_insert_with(Instant::now);
            ready!(stream.alarm.poll(context, since + stream.idle));
            return Poll::Ready(Some(Err(BodyError::RequestStalled(stream.idle))));
        };
        stream.waiting = None;
        match next {
            Some(Ok(frame)) if frame.is_data() => {
                stream.received.add(frame.data_ref().map_or(0, Bytes::len));
                if stream.incoming.is_end_stream() {
                    stream.sent.now();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            // Trailers come last.
            Some(Ok(frame)) => {
                stream.sent.now();
                Poll::Ready(frame.into_trailers().ok().map(|mut trailers| {
                    hop::strip_trailers(&mut trailers);
                    Ok(Frame::trailers(trailers))
                }))
            }
            None => {
                stream.sent.now();
                Poll::Ready(None)
            }
            Some(Err(error)) => Poll::Ready(Some(Err(BodyError::Request(error)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream
            .as_ref()
            .is_none_or(|stream| stream.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.stream {
            None => SizeHint::with_exact(0),
            Some(stream) => stream.incoming.size_hint(),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // The upstream may have answered early and lost interest in the rest.
        self.sent.now();
    }
}
