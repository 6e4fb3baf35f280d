//! A request's body on its way to the server.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::BodyError;
use super::spool::Spooled;
use super::upload::{Continue, Gate, Upload};
use crate::proxy::access_log::Received;
use crate::proxy::activity::InProgress;
use crate::proxy::alarm::Alarm;
use crate::proxy::headers::hop;

/// A request's body on its way to the server. Trailers go with it to HTTP/2; hyper leaves them behind elsewhere, where
/// no Trailer field announces them.
#[derive(Debug)]
pub(in crate::proxy) struct RequestBody(Content);

#[derive(Debug)]
enum Content {
    Empty,
    /// As it comes.
    Stream(Stream),
    /// As it comes, and its beginning is kept.
    Kept(Rc<RefCell<Kept>>),
    /// What was kept, and then as it comes.
    Again(Bytes, Stream),
    /// All here.
    Spooled(Box<Spooled>),
}

/// What the client sends.
#[derive(Debug)]
struct Stream {
    incoming: Incoming,
    patience: Duration,
    /// How many bytes may come in all, and how many of them are left.
    limit: Option<(u64, u64)>,
    waiting: Option<Instant>,
    alarm: Alarm,
    upload: Upload,
    gate: Option<Box<Gate>>,
    received: Received,
    _in_progress: InProgress,
}

/// A body whose beginning is kept, so that it can be had once more.
#[derive(Debug)]
struct Kept {
    stream: Option<Stream>,
    /// A copy: a part of a larger buffer would keep all of it.
    beginning: BytesMut,
    /// How many more bytes may be kept; `None` once some are not.
    room: Option<usize>,
    upload: Upload,
}

/// Gets a body back that was given to a connection.
#[derive(Debug)]
pub(in crate::proxy) struct Recall(Rc<RefCell<Kept>>);

impl RequestBody {
    /// Wraps what hyper reads. A client that sends nothing for as long as `patience` while it is waited for ends the
    /// body with an error, and so does one that sends more than `limit`. Once its response has begun it may be silent for
    /// as long as that goes on: a stream of gRPC is, whose client has nothing to say.
    pub(in crate::proxy) fn new(
        incoming: Incoming,
        patience: Duration,
        limit: Option<u64>,
        in_progress: &InProgress,
    ) -> Self {
        if incoming.is_end_stream() {
            return Self::empty();
        }
        Self(Content::Stream(Stream {
            incoming,
            patience,
            limit: limit.map(|limit| (limit, limit)),
            waiting: None,
            alarm: Alarm::default(),
            upload: Upload::default(),
            gate: None,
            received: Received::default(),
            _in_progress: in_progress.clone(),
        }))
    }

    /// The same body, whose bytes are counted by `received` as they come.
    pub(in crate::proxy) fn counted_by(mut self, received: Received) -> Self {
        if let Content::Stream(stream) = &mut self.0 {
            stream.received = received;
        }
        self
    }

    /// No body at all.
    pub(in crate::proxy) fn empty() -> Self {
        Self(Content::Empty)
    }

    /// What was spooled.
    pub(super) fn spooled(spooled: Spooled) -> Self {
        Self(Content::Spooled(Box::new(spooled)))
    }

    /// Whether there is no body at all.
    pub(in crate::proxy) fn is_empty(&self) -> bool {
        matches!(self.0, Content::Empty)
    }

    /// The length, where it is known beforehand.
    pub(in crate::proxy) fn length(&self) -> Option<u64> {
        self.size_hint().exact()
    }

    /// The body seen from elsewhere; `None` where there is none.
    pub(in crate::proxy) fn upload(&self) -> Option<Upload> {
        match &self.0 {
            Content::Empty => None,
            Content::Stream(stream) | Content::Again(_, stream) => Some(stream.upload.clone()),
            Content::Kept(kept) => Some(kept.borrow().upload.clone()),
            Content::Spooled(spooled) => Some(spooled.upload().clone()),
        }
    }

    /// Holds what comes from the client back until the server asks for it; `None` where there is nothing to hold.
    pub(in crate::proxy) fn hold(&mut self) -> Option<Continue> {
        let Content::Stream(stream) = &mut self.0 else {
            return None;
        };
        let (gate, opens) = Gate::new();
        stream.gate = Some(Box::new(gate));
        Some(opens)
    }

    /// Makes it possible to have the body back as long as no more than `room` bytes of it have been sent; `None` where
    /// it is not what comes from the client.
    pub(in crate::proxy) fn recallable(&mut self, room: usize) -> Option<Recall> {
        match std::mem::replace(&mut self.0, Content::Empty) {
            Content::Stream(stream) => {
                let kept = Rc::new(RefCell::new(Kept {
                    upload: stream.upload.clone(),
                    stream: Some(stream),
                    beginning: BytesMut::new(),
                    room: Some(room),
                }));
                self.0 = Content::Kept(Rc::clone(&kept));
                Some(Recall(kept))
            }
            other => {
                self.0 = other;
                None
            }
        }
    }
}

impl Recall {
    /// The body from its beginning, if all that was sent of it is still here. Whoever had it gets no more of it.
    pub(in crate::proxy) fn recall(self) -> Option<RequestBody> {
        let mut kept = self.0.borrow_mut();
        kept.room?;
        let mut stream = kept.stream.take()?;
        // Whoever had it looks, and finds nothing.
        kept.upload.wake();
        stream.upload = Upload::default();
        stream.gate = None;
        let beginning = std::mem::take(&mut kept.beginning).freeze();
        Some(RequestBody(Content::Again(beginning, stream)))
    }

    /// The body is not going to be recalled: nothing of it is kept any more.
    pub(in crate::proxy) fn forget(self) {
        self.0.borrow_mut().lose();
    }
}

impl Kept {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Some(Err(BodyError::Recalled)));
        };
        let next = ready!(stream.poll_frame(context));
        if let (Some(Ok(frame)), Some(room)) = (&next, self.room)
            && let Some(data) = frame.data_ref()
        {
            match room.checked_sub(data.len()) {
                Some(left) => {
                    self.room = Some(left);
                    self.beginning.extend_from_slice(data);
                }
                None => self.lose(),
            }
        }
        Poll::Ready(next)
    }

    fn lose(&mut self) {
        self.room = None;
        self.beginning = BytesMut::new();
    }
}

impl Stream {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(gate) = &mut self.gate {
            if let Err(error) = ready!(gate.poll(context, &self.upload)) {
                return Poll::Ready(Some(Err(error)));
            }
            self.gate = None;
        }
        let deadline = self.upload.deadline(self.patience);
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Poll::Ready(Some(Err(BodyError::Answered)));
        }
        let Poll::Ready(next) = Pin::new(&mut self.incoming).poll_frame(context) else {
            self.upload.read_by(context.waker());
            let since = *self.waiting.get_or_insert_with(Instant::now);
            let (deadline, error) = match deadline {
                Some(deadline) => (deadline, BodyError::Answered),
                None if self.upload.is_answered() => return Poll::Pending,
                None => (since + self.patience, BodyError::RequestStalled(self.patience)),
            };
            ready!(self.alarm.poll(context, deadline));
            return Poll::Ready(Some(Err(error)));
        };
        self.waiting = None;
        self.upload.progressed();
        match next {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    self.received.add(data.len());
                    if let Err(error) = self.count(data.len()) {
                        return Poll::Ready(Some(Err(error)));
                    }
                    if self.incoming.is_end_stream() {
                        self.upload.completed();
                    }
                    Poll::Ready(Some(Ok(Frame::data(data))))
                }
                // Trailers come last.
                Err(frame) => {
                    self.upload.completed();
                    Poll::Ready(frame.into_trailers().ok().map(|mut trailers| {
                        hop::strip_trailers(&mut trailers);
                        Ok(Frame::trailers(trailers))
                    }))
                }
            },
            None => {
                self.upload.completed();
                Poll::Ready(None)
            }
            Some(Err(error)) => Poll::Ready(Some(Err(BodyError::Request(error)))),
        }
    }

    /// Counts what has come against the limit.
    fn count(&mut self, bytes: usize) -> Result<(), BodyError> {
        if let Some((limit, left)) = &mut self.limit {
            *left = left.checked_sub(bytes as u64).ok_or(BodyError::TooLarge(*limit))?;
        }
        Ok(())
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        let upload = this.upload();
        if let Some(upload) = &upload {
            upload.asked();
        }
        let outcome = match &mut this.0 {
            Content::Empty => Poll::Ready(None),
            Content::Stream(stream) => stream.poll_frame(context),
            Content::Kept(kept) => kept.borrow_mut().poll_frame(context),
            Content::Again(beginning, stream) => match beginning.is_empty() {
                true => stream.poll_frame(context),
                false => Poll::Ready(Some(Ok(Frame::data(std::mem::take(beginning))))),
            },
            Content::Spooled(spooled) => spooled.poll_frame(context),
        };
        match (&outcome, upload) {
            (Poll::Ready(Some(Ok(_))), Some(upload)) => upload.offered(),
            (Poll::Ready(Some(Err(error))), Some(upload)) => upload.failed(error),
            _ => {}
        }
        outcome
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Content::Empty => true,
            Content::Stream(stream) => stream.incoming.is_end_stream(),
            // One that was recalled has no end.
            Content::Kept(kept) => {
                let kept = kept.borrow();
                kept.stream
                    .as_ref()
                    .is_some_and(|stream| stream.incoming.is_end_stream())
            }
            Content::Again(beginning, stream) => beginning.is_empty() && stream.incoming.is_end_stream(),
            Content::Spooled(spooled) => spooled.left() == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Content::Empty => SizeHint::with_exact(0),
            Content::Stream(stream) => stream.incoming.size_hint(),
            Content::Kept(kept) => {
                let kept = kept.borrow();
                kept.stream
                    .as_ref()
                    .map_or_else(SizeHint::default, |stream| stream.incoming.size_hint())
            }
            Content::Again(beginning, stream) => {
                let rest = stream.incoming.size_hint().exact();
                rest.map_or_else(SizeHint::default, |rest| {
                    SizeHint::with_exact(rest + beginning.len() as u64)
                })
            }
            Content::Spooled(spooled) => SizeHint::with_exact(spooled.left()),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.upload.given_up();
    }
}
