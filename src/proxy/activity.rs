//! What a client connection is doing, and so which of its deadlines runs.
//!
//! Shared between the socket (which sees bytes), the requests (which begin and end) and the connection's driver (which
//! asks for the deadline). All three live on one worker, hence cells instead of locks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

use tokio::time::Instant;

use super::Timeouts;
use super::stream::Observer;

/// What a client connection is doing.
#[derive(Debug)]
pub(super) struct Activity {
    phase: Cell<Phase>,
    in_progress: Cell<usize>,
    /// HTTP/1.1: bytes between two requests begin the next one. In HTTP/2 they may be any frame.
    bytes_begin_request: Cell<bool>,
    last_write: Cell<Instant>,
    driver: RefCell<Option<Waker>>,
}

/// The phases of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Accepted, or through with its handshake, and no request yet.
    Opened(Instant),
    /// Between two requests.
    Idle(Instant),
    /// Some bytes of a request's header section have come.
    Header(Instant),
    /// At least one request is in progress.
    Busy,
}

/// A request in progress; it ends when the last clone is dropped.
#[derive(Debug)]
pub(super) struct InProgress(Rc<Activity>);

impl Activity {
    /// The activity of a connection accepted at `now`.
    pub(super) fn new(now: Instant) -> Rc<Self> {
        Rc::new(Self {
            phase: Cell::new(Phase::Opened(now)),
            in_progress: Cell::new(0),
            bytes_begin_request: Cell::new(false),
            last_write: Cell::new(now),
            driver: RefCell::new(None),
        })
    }

    /// The handshake ended at `now`; `http1` tells whether HTTP/1.1 is spoken.
    pub(super) fn ready(&self, now: Instant, http1: bool) {
        self.phase.set(Phase::Opened(now));
        self.bytes_begin_request.set(http1);
    }

    /// The phase of this moment.
    pub(super) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// A request begins.
    pub(super) fn begin(self: &Rc<Self>) -> InProgress {
        self.in_progress.set(self.in_progress.get() + 1);
        self.phase.set(Phase::Busy);
        InProgress(Rc::clone(self))
    }

    /// When the connection has been doing the same for too long. While requests are in progress they have deadlines of
    /// their own, and this one keeps its distance from `now`.
    pub(super) fn deadline(&self, now: Instant, timeouts: &Timeouts) -> Instant {
        match self.phase.get() {
            Phase::Opened(since) | Phase::Header(since) => since + timeouts.header,
            // The end of a response may still be on its way to a slow reader.
            Phase::Idle(since) => since.max(self.last_write.get()) + timeouts.idle,
            Phase::Busy => now + timeouts.idle,
        }
    }

    /// When the client last took bytes.
    pub(super) fn last_write(&self) -> Instant {
        self.last_write.get()
    }

    /// Remembers who drives the connection, for [`wake`](Self::wake).
    pub(super) fn driven_by(&self, waker: &Waker) {
        let mut driver = self.driver.borrow_mut();
        if !driver.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *driver = Some(waker.clone());
        }
    }

    /// Makes the driver look again.
    pub(super) fn wake(&self) {
        if let Some(driver) = &*self.driver.borrow() {
            driver.wake_by_ref();
        }
    }
}

impl Observer for Rc<Activity> {
    fn has_read(&self) {
        if self.bytes_begin_request.get() && matches!(self.phase.get(), Phase::Idle(_)) {
            self.phase.set(Phase::Header(Instant::now()));
        }
    }

    fn has_written(&self) {
        self.last_write.set(Instant::now());
    }
}

impl Clone for InProgress {
    fn clone(&self) -> Self {
        self.0.begin()
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        let left = self.0.in_progress.get() - 1;
        self.0.in_progress.set(left);
        if left == 0 {
            self.0.phase.set(Phase::Idle(Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TIMEOUTS: Timeouts = Timeouts {
        header: Duration::from_secs(10),
        idle: Duration::from_secs(60),
        connect: Duration::from_secs(3),
        first_byte: Duration::from_secs(60),
        upstream_idle: Duration::from_secs(4),
    };

    #[test]
    fn a_request_lasts_until_its_last_part_ends() {
        let activity = Activity::new(Instant::now());
        let request = activity.begin();
        let body = request.clone();
        drop(request);
        assert_eq!(activity.phase(), Phase::Busy);
        drop(body);
        assert!(matches!(activity.phase(), Phase::Idle(_)));
    }

    #[test]
    fn the_first_byte_after_a_request_starts_the_header_deadline_in_http1_only() {
        for (http1, header_runs) in [(true, true), (false, false)] {
            let activity = Activity::new(Instant::now());
            activity.ready(Instant::now(), http1);
            drop(activity.begin());
            activity.has_read();
            assert_eq!(matches!(activity.phase(), Phase::Header(_)), header_runs);
        }
    }

    #[test]
    fn an_idle_connection_that_still_takes_bytes_is_not_over() {
        let now = Instant::now();
        let activity = Activity::new(now);
        drop(activity.begin());
        let later = now + Duration::from_secs(30);
        activity.last_write.set(later);
        assert_eq!(activity.deadline(later, &TIMEOUTS), later + TIMEOUTS.idle);
    }

    #[test]
    fn a_new_connection_has_the_header_timeout_for_its_first_request() {
        let now = Instant::now();
        assert_eq!(Activity::new(now).deadline(now, &TIMEOUTS), now + TIMEOUTS.header);
    }
}
