//! What a client connection is doing, and so which of its deadlines runs.
//!
//! Shared between the socket (which knows whether the client takes bytes), the scanner of what it sends (which knows
//! where a header section begins), the requests (which begin and end) and the connection's driver (which asks for the
//! deadline). All of them live on one worker, hence cells instead of locks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

use tokio::time::Instant;

use super::settings::Timeouts;
use super::stream::Observer;

/// What a client connection is doing.
#[derive(Debug)]
pub(super) struct Activity {
    phase: Cell<Phase>,
    in_progress: Cell<usize>,
    /// HTTP/1.1: the head of the response to the request in progress is on its way, and can say nothing more.
    answered: Cell<bool>,
    /// HTTP/1.1: part of a header section has come, perhaps behind a request that is still in progress.
    in_header: Cell<bool>,
    /// Bytes wait that the client does not take.
    blocked: Cell<bool>,
    /// When it last took some after it had taken none.
    last_progress: Cell<Instant>,
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
            answered: Cell::new(false),
            in_header: Cell::new(false),
            blocked: Cell::new(false),
            last_progress: Cell::new(now),
            driver: RefCell::new(None),
        })
    }

    /// The handshake ended at `now`.
    pub(super) fn ready(&self, now: Instant) {
        self.phase.set(Phase::Opened(now));
    }

    /// What has come up to `now` ends within a header section, or does not.
    pub(super) fn in_header(&self, now: Instant, within: bool) {
        self.in_header.set(within);
        match self.phase.get() {
            Phase::Opened(since) if within => self.phase.set(Phase::Header(since)),
            Phase::Idle(_) if within => self.phase.set(Phase::Header(now)),
            _ => {}
        }
    }

    /// The phase of this moment.
    pub(super) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// A request begins.
    pub(super) fn begin(self: &Rc<Self>) -> InProgress {
        if self.in_progress.get() == 0 {
            self.answered.set(false);
        }
        self.in_progress.set(self.in_progress.get() + 1);
        self.phase.set(Phase::Busy);
        InProgress(Rc::clone(self))
    }

    /// The head of the response to the request in progress goes on its way.
    pub(super) fn answered(&self) {
        self.answered.set(true);
    }

    /// Whether a request is in progress whose response can still say that it is the last.
    pub(super) fn is_unanswered(&self) -> bool {
        self.phase.get() == Phase::Busy && !self.answered.get()
    }

    /// When the connection has been doing the same for too long. While requests are in progress they have deadlines of
    /// their own, and this one keeps its distance from `now`.
    pub(super) fn deadline(&self, now: Instant, timeouts: &Timeouts) -> Instant {
        let since = |phase: Instant| phase.max(self.last_progress.get());
        match self.phase.get() {
            // The end of a response is still on its way to a slow reader, who has the write timeout.
            _ if self.blocked.get() => now + timeouts.idle,
            Phase::Opened(opened) => opened + timeouts.header,
            Phase::Header(begun) => since(begun) + timeouts.header,
            Phase::Idle(ended) => since(ended) + timeouts.idle,
            Phase::Busy => now + timeouts.idle,
        }
    }

    /// Whether bytes wait that the client does not take.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.get()
    }

    /// When the client last took bytes after it had taken none.
    pub(super) fn last_progress(&self) -> Instant {
        self.last_progress.get()
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
    fn write_blocked(&self) {
        self.blocked.set(true);
    }

    fn write_resumed(&self) {
        self.blocked.set(false);
        self.last_progress.set(Instant::now());
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
            let now = Instant::now();
            let next = match self.0.in_header.get() {
                true => Phase::Header(now),
                false => Phase::Idle(now),
            };
            self.0.phase.set(next);
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
    fn a_begun_header_section_has_the_header_timeout_wherever_it_begins() {
        let now = Instant::now();
        let new = Activity::new(now);
        new.in_header(now + Duration::from_secs(5), true);
        assert_eq!(new.phase(), Phase::Header(now));

        let between = Activity::new(now);
        drop(between.begin());
        between.in_header(now, true);
        assert_eq!(between.phase(), Phase::Header(now));

        let pipelined = Activity::new(now);
        let request = pipelined.begin();
        pipelined.in_header(now, true);
        assert_eq!(pipelined.phase(), Phase::Busy);
        drop(request);
        assert!(matches!(pipelined.phase(), Phase::Header(_)));
    }

    #[test]
    fn no_deadline_of_a_request_runs_while_the_client_owes_to_take_a_response() {
        let now = Instant::now();
        let activity = Activity::new(now);
        drop(activity.begin());
        activity.in_header(now, true);
        activity.write_blocked();
        let later = now + Duration::from_secs(30);
        assert_eq!(activity.deadline(later, &TIMEOUTS), later + TIMEOUTS.idle);
        activity.write_resumed();
        assert!(activity.deadline(later, &TIMEOUTS) <= Instant::now() + TIMEOUTS.header);
    }

    #[test]
    fn an_idle_connection_that_still_takes_a_response_is_not_over() {
        let now = Instant::now();
        let activity = Activity::new(now);
        drop(activity.begin());
        let later = now + Duration::from_secs(30);
        activity.last_progress.set(later);
        assert_eq!(activity.deadline(later, &TIMEOUTS), later + TIMEOUTS.idle);
    }

    #[test]
    fn a_new_connection_has_the_header_timeout_for_its_first_request() {
        let now = Instant::now();
        assert_eq!(Activity::new(now).deadline(now, &TIMEOUTS), now + TIMEOUTS.header);
    }
}
