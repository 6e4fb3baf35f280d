//! A response's body on its way to the client, whoever made it.

use std::cell::Cell;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{BodyError, Upload};
use crate::proxy::access_log::Record;
use crate::proxy::activity::InProgress;
use crate::proxy::headers::hop;
use crate::proxy::metrics::Meter;
use crate::proxy::upstream::Lease;
use crate::telemetry::Causes;

/// A response's body. Its end gives the server's connection back, counts the request and writes the access log.
#[derive(Debug)]
pub(in crate::proxy) struct ResponseBody {
    content: Content,
    taken: Option<Taken>,
    record: Option<Box<Record>>,
    _meter: Option<Meter>,
    _in_progress: Option<InProgress>,
    _request: Option<EndOfResponse>,
}

/// Tells a request's body, when dropped, that its response is over.
#[derive(Debug)]
struct EndOfResponse {
    upload: Upload,
}

/// What was taken from a body before the head went to the client.
#[derive(Debug, Default)]
pub(in crate::proxy) enum First {
    /// Nothing was there yet.
    #[default]
    Nothing,
    /// Its first bytes.
    Data(Bytes),
    /// Trailers, and no bytes at all.
    Trailers(Box<HeaderMap>),
    /// Its end.
    End,
}

/// Takes the first frame of a body, if it is there already: what is malformed from its start can still be told by a
/// status. Nobody waits for a frame that is on its way.
pub(in crate::proxy) async fn first(incoming: &mut Incoming) -> Result<First, hyper::Error> {
    for is_read in [false, true] {
        if is_read {
            // The connection reads what has come once it hears that somebody wants it.
            tokio::task::yield_now().await;
        }
        let polled = poll_fn(|context| Poll::Ready(Pin::new(&mut *incoming).poll_frame(context))).await;
        let Poll::Ready(first) = polled else { continue };
        return Ok(match first.transpose()?.map(Frame::into_data) {
            None => First::End,
            Some(Ok(data)) => First::Data(data),
            Some(Err(frame)) => frame
                .into_trailers()
                .map_or(First::Nothing, |trailers| First::Trailers(Box::new(trailers))),
        });
    }
    Ok(First::Nothing)
}

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every response is the larger one, and a box would cost each an allocation"
)]
enum Content {
    Own(Option<Bytes>),
    Upstream(Upstream),
}

#[derive(Debug)]
struct Upstream {
    incoming: Incoming,
    /// Where it comes from.
    server: Rc<str>,
    /// What was taken from it already.
    first: First,
    lease: Option<Lease>,
    patience: Duration,
    waiting: Option<Instant>,
    /// The request's body: as long as that comes, nothing need come back.
    upload: Option<Upload>,
}

/// Since when the client has owed to take what the body handed over; empty while the body is waited for.
///
/// HTTP/2 only: a stream whose window is shut is not polled, so that its body cannot end it. Whoever drives the
/// stream can.
#[derive(Clone, Debug, Default)]
pub(in crate::proxy) struct Taken(Rc<Cell<Option<Instant>>>);

impl ResponseBody {
    /// A text of our own; an empty one is no body.
    pub(in crate::proxy) fn text(text: &'static str) -> Self {
        Self::bytes(Bytes::from_static(text.as_bytes()))
    }

    /// The same, where it is known only now.
    pub(in crate::proxy) fn bytes(bytes: Bytes) -> Self {
        Self::new(Content::Own(Some(bytes).filter(|bytes| !bytes.is_empty())))
    }

    /// What `server` sends. Where nothing comes for as long as `patience` while it is waited for, from the client
    /// neither, the body ends with an error.
    pub(in crate::proxy) fn upstream(
        incoming: Incoming,
        server: Rc<str>,
        first: First,
        lease: Lease,
        patience: Duration,
    ) -> Self {
        let mut upstream = Upstream {
            incoming,
            server,
            first,
            lease: Some(lease),
            patience,
            waiting: None,
            upload: None,
        };
        upstream.release_at_end();
        Self::new(Content::Upstream(upstream))
    }

    fn new(content: Content) -> Self {
        Self {
            content,
            taken: None,
            record: None,
            _meter: None,
            _in_progress: None,
            _request: None,
        }
    }

    /// Ties the request's body to the end of this one.
    pub(in crate::proxy) fn answering(mut self, upload: Upload) -> Self {
        if let Content::Upstream(upstream) = &mut self.content {
            upstream.upload = Some(upload.clone());
        }
        Self {
            _request: Some(EndOfResponse { upload }),
            ..self
        }
    }

    /// Ties what lasts until the body's end to it.
    pub(in crate::proxy) fn until_end(
        self,
        request: InProgress,
        mut record: Option<Box<Record>>,
        meter: Meter,
        taken: Option<Taken>,
    ) -> Self {
        if let Some(record) = record.as_mut().filter(|_| self.content.is_over()) {
            record.complete();
        }
        Self {
            taken,
            record,
            _meter: Some(meter),
            _in_progress: Some(request),
            ..self
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        let outcome = match &mut this.content {
            Content::Own(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Upstream(upstream) => upstream.poll_frame(context),
        };
        match &outcome {
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(data), Some(record)) = (frame.data_ref(), &mut this.record) {
                    record.add_bytes(data.len());
                }
                if let Some(taken) = &this.taken {
                    taken.0.set(Some(Instant::now()));
                }
            }
            Poll::Ready(Some(Err(error))) => {
                let cause = error.cause();
                if let Some(record) = &mut this.record {
                    record.cut(cause);
                }
                let server = match &this.content {
                    Content::Upstream(upstream) => Some(&*upstream.server),
                    Content::Own(_) => None,
                };
                tracing::warn!(server, cause, error = %Causes(error), "the response was cut");
            }
            Poll::Ready(None) | Poll::Pending => {
                if let Some(taken) = &this.taken {
                    taken.0.set(None);
                }
            }
        }
        let over = match &outcome {
            Poll::Ready(None) => true,
            Poll::Ready(Some(Ok(_))) => this.content.is_over(),
            Poll::Ready(Some(Err(_))) | Poll::Pending => false,
        };
        if let Some(record) = this.record.as_mut().filter(|_| over) {
            record.complete();
        }
        outcome
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Content::Upstream(upstream) => upstream.incoming.size_hint(),
        }
    }
}

impl Content {
    fn is_over(&self) -> bool {
        match self {
            Self::Own(bytes) => bytes.is_none(),
            Self::Upstream(upstream) => upstream.is_over(),
        }
    }
}

impl Upstream {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = match mem::take(&mut self.first) {
            First::Nothing => Pin::new(&mut self.incoming).poll_frame(context),
            First::Data(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            First::Trailers(trailers) => Poll::Ready(Some(Ok(Frame::trailers(*trailers)))),
            First::End => Poll::Ready(None),
        };
        match next {
            Poll::Ready(Some(Ok(frame))) => {
                self.waiting = None;
                self.release_at_end();
                let frame = frame.into_trailers().map_or_else(
                    |data| data,
                    |mut trailers| {
                        hop::strip_trailers(&mut trailers);
                        Frame::trailers(trailers)
                    },
                );
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.lease = None;
                Poll::Ready(Some(Err(BodyError::Response(error))))
            }
            Poll::Ready(None) => {
                self.release();
                Poll::Ready(None)
            }
            Poll::Pending => {
                let waiting = *self.waiting.get_or_insert_with(Instant::now);
                let Some(lease) = &mut self.lease else {
                    return Poll::Pending;
                };
                let since = self.upload.as_ref().and_then(Upload::last_progress).max(Some(waiting));
                let deadline = since.unwrap_or(waiting) + self.patience;
                lease.alarm().poll(context, deadline).map(|()| {
                    self.lease = None;
                    Some(Err(BodyError::ResponseStalled(self.patience)))
                })
            }
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.first, First::Nothing) && self.incoming.is_end_stream()
    }

    fn release_at_end(&mut self) {
        if self.is_over() {
            self.release();
        }
    }

    fn release(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.release();
        }
    }
}

impl Drop for EndOfResponse {
    fn drop(&mut self) {
        self.upload.response_ended();
    }
}

impl Taken {
    /// Since when the client has owed to take what was handed over.
    pub(in crate::proxy) fn owed_since(&self) -> Option<Instant> {
        self.0.get()
    }
}
