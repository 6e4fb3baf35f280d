//! What the two ends of an exchange tell each other about the request's body.
//!
//! The body is read by the connection to the server, long after the request was handed over. Whoever waits for the
//! response wants to know when it has left; and the body wants to know when nobody needs the rest of it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::BodyError;
use crate::proxy::alarm::Alarm;

/// How long a client may go on with a body whose response is complete: nginx' `lingering_time`. Many read the response
/// only after they have sent everything.
const LINGER: Duration = Duration::from_secs(30);

/// How long a server that was asked whether it wants the body may take before it gets it anyway (RFC 9110 section
/// 10.1.1): curl's and .NET's second.
const CONTINUE_TIMEOUT: Duration = Duration::from_secs(1);

/// A request's body seen from elsewhere.
#[derive(Clone, Debug, Default)]
pub(in crate::proxy) struct Upload(Rc<State>);

#[derive(Debug, Default)]
struct State {
    /// When the client last sent some of it.
    progress: Cell<Option<Instant>>,
    /// Since when the next of it waits for somebody to take it.
    untaken: Cell<Option<Instant>>,
    /// When the last of it was handed over, or it was given up.
    sent: Cell<Option<Instant>>,
    /// All of it has been handed over.
    complete: Cell<bool>,
    /// When its response was complete.
    answered: Cell<Option<Instant>>,
    /// The server will not read the rest.
    unwanted: Cell<bool>,
    /// What a final response said about a body that the server was asked about.
    decided: Cell<Option<Decision>>,
    /// Why it ended early, if it did.
    failure: RefCell<Option<BodyError>>,
    reader: RefCell<Option<Waker>>,
}

/// Whether a body is wanted of which nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Send,
    Withhold,
}

impl Upload {
    /// When the last of the body was handed over, or nobody took it any more.
    pub(in crate::proxy) fn sent(&self) -> Option<Instant> {
        self.0.sent.get()
    }

    /// Whether all of the body has been handed over.
    pub(in crate::proxy) fn is_complete(&self) -> bool {
        self.0.complete.get()
    }

    /// The last of the body has been handed over.
    pub(super) fn completed(&self) {
        self.0.complete.set(true);
        self.given_up();
    }

    /// Nobody takes the rest any more: the server may have answered early and lost interest.
    pub(super) fn given_up(&self) {
        if self.0.sent.get().is_none() {
            self.0.sent.set(Some(Instant::now()));
        }
    }

    /// Why it ended early, if it did.
    pub(in crate::proxy) fn failure(&self) -> Option<BodyError> {
        self.0.failure.borrow().as_ref().map(BodyError::copy)
    }

    /// It ended early.
    pub(super) fn failed(&self, error: &BodyError) {
        self.0.failure.replace(Some(error.copy()));
    }

    /// The head of a final response has come. `closing` tells that the server reads nothing after it, `lingering` that
    /// the client may go on for a while all the same.
    ///
    /// Where it keeps its connection it has to be sent the body that it was told of, wanted or not (RFC 9110 section
    /// 10.1.1): a client that authenticates its connection (NTLM) relies on it.
    pub(in crate::proxy) fn response_began(&self, closing: bool, lingering: bool) {
        let decision = if closing { Decision::Withhold } else { Decision::Send };
        self.0.decided.set(Some(decision));
        self.0.unwanted.set(closing && !lingering);
        self.wake();
    }

    /// The response is complete, or nobody wants it any more.
    pub(in crate::proxy) fn response_ended(&self) {
        self.0.answered.set(Some(Instant::now()));
        self.wake();
    }

    /// Whether the head of a final response has come.
    pub(super) fn is_answered(&self) -> bool {
        self.0.decided.get().is_some()
    }

    /// The client has sent some of it.
    pub(super) fn progressed(&self) {
        self.0.progress.set(Some(Instant::now()));
    }

    /// When the client last sent some of it.
    pub(super) fn last_progress(&self) -> Option<Instant> {
        self.0.progress.get()
    }

    /// From now on the next of it waits for somebody to take it.
    pub(in crate::proxy) fn offered(&self) {
        self.0.untaken.set(Some(Instant::now()));
    }

    /// Somebody waits for the next of it.
    pub(super) fn asked(&self) {
        self.0.untaken.set(None);
    }

    /// Since when the next of it waits for somebody to take it; `None` where somebody waits for it.
    pub(in crate::proxy) fn untaken_since(&self) -> Option<Instant> {
        self.0.untaken.get()
    }

    /// Until when the client may go on with the body; `None` as long as its response is not complete.
    pub(super) fn deadline(&self, patience: Duration) -> Option<Instant> {
        let answered = self.0.answered.get()?;
        Some(if self.0.unwanted.get() {
            answered
        } else {
            answered + LINGER.min(patience)
        })
    }

    /// Remembers who reads the body, to be told of news.
    pub(super) fn read_by(&self, waker: &Waker) {
        let mut reader = self.0.reader.borrow_mut();
        if !reader.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *reader = Some(waker.clone());
        }
    }

    /// Makes the reader look again.
    pub(super) fn wake(&self) {
        let reader = self.0.reader.borrow_mut().take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// Holds a body back until the server asks for it, answers without it, or takes too long.
#[derive(Debug)]
pub(super) struct Gate {
    asked: UnboundedReceiver<()>,
    since: Option<Instant>,
    alarm: Alarm,
}

/// Opens a [`Gate`]: the server has sent 100 (Continue).
#[derive(Clone, Debug)]
pub(in crate::proxy) struct Continue(UnboundedSender<()>);

impl Gate {
    /// A closed gate and what opens it.
    pub(super) fn new() -> (Self, Continue) {
        let (sender, asked) = unbounded_channel();
        let gate = Self {
            asked,
            since: None,
            alarm: Alarm::default(),
        };
        (gate, Continue(sender))
    }

    /// Ready once the body may pass.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, upload: &Upload) -> Poll<Result<(), BodyError>> {
        upload.read_by(context.waker());
        match (upload.0.decided.get(), upload.0.answered.get()) {
            (Some(Decision::Withhold), None) => return Poll::Pending,
            (Some(Decision::Withhold), Some(_)) => return Poll::Ready(Err(BodyError::Answered)),
            (Some(Decision::Send), _) => return Poll::Ready(Ok(())),
            (None, _) => {}
        }
        if let Poll::Ready(Some(())) = self.asked.poll_recv(context) {
            return Poll::Ready(Ok(()));
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        ready!(self.alarm.poll(context, since + CONTINUE_TIMEOUT));
        Poll::Ready(Ok(()))
    }
}

impl Continue {
    /// Opens the gate.
    pub(in crate::proxy) fn open(&self) {
        // Where nobody waits any more there is nothing to open.
        let _ = self.0.send(());
    }
}
