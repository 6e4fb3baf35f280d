//! Requests that wait because every server has as much to do as it may.
//!
//! The line is one for all workers, so it has a lock; without a limit there is no line. Who comes first is let in first
//! by the first server that has room, except that a client that sticks to a server waits for that one.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::roster::Roster;
use super::settings::Limit;

/// How often those who wait look whether a server has come back: that makes room without anybody leaving.
const LOOK: Duration = Duration::from_millis(100);

/// Requests that wait for a server.
#[derive(Debug)]
pub(super) struct Queue {
    /// Requests in progress at each server.
    limit: usize,
    length: usize,
    timeout: Duration,
    waiting: Mutex<VecDeque<Waiter>>,
}

#[derive(Debug)]
struct Waiter {
    wants: Wants,
    /// Is told the server it was let in by, at which it is counted already.
    tell: oneshot::Sender<usize>,
}

/// Which servers a request can go to.
#[derive(Clone, Debug, Default)]
pub(super) struct Wants {
    /// This one alone.
    pub(super) only: Option<usize>,
    /// None of these.
    pub(super) not: Vec<usize>,
}

/// Why a request was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueError {
    /// Too many wait already.
    Full,
    /// It has waited for so long.
    TimedOut(Duration),
}

impl Wants {
    /// Whether it can go to `server`.
    pub(super) fn accept(&self, server: usize) -> bool {
        self.only.is_none_or(|only| only == server) && !self.not.contains(&server)
    }
}

impl Queue {
    /// An empty line.
    pub(super) fn new(limit: &Limit) -> Self {
        Self {
            limit: limit.connections.get(),
            length: limit.queue,
            timeout: limit.queue_timeout,
            waiting: Mutex::default(),
        }
    }

    /// The server a request was let in by, counted there. `choose` chooses among those that it wants and
    /// that have room; `None` where the only server that it wants takes no more requests.
    pub(super) async fn enter(
        &self,
        roster: &Roster,
        wants: Wants,
        choose: impl Fn(&dyn Fn(usize) -> bool) -> Option<usize>,
    ) -> Result<Option<usize>, QueueError> {
        let only = wants.only;
        let told = {
            let now = Instant::now();
            let mut waiting = self.lock();
            self.let_in(&mut waiting, roster, now);
            let has_room = |server: usize| wants.accept(server) && roster.load(server) < self.limit;
            if let Some(server) = choose(&has_room) {
                roster.add(server);
                return Ok(Some(server));
            }
            waiting.retain(|waiter| !waiter.tell.is_closed());
            if waiting.len() >= self.length {
                return Err(QueueError::Full);
            }
            let (tell, told) = oneshot::channel();
            waiting.push_back(Waiter { wants, tell });
            told
        };
        let mut place = Place { told, roster };
        let deadline = Instant::now() + self.timeout;
        loop {
            let now = Instant::now();
            let look = (now + LOOK).min(deadline);
            if let Ok(told) = tokio::time::timeout_at(look, &mut place.told).await {
                // The line outlives whoever waits in it.
                return Ok(told.ok());
            }
            if look == deadline {
                return Err(QueueError::TimedOut(self.timeout));
            }
            if only.is_some_and(|only| !roster.takes_requests(only, look)) {
                return Ok(None);
            }
            self.let_in(&mut self.lock(), roster, look);
        }
    }

    /// Runs `count`, by which a request leaves, and lets in who can be.
    pub(super) fn leave(&self, roster: &Roster, count: impl FnOnce()) {
        let mut waiting = self.lock();
        count();
        if !waiting.is_empty() {
            self.let_in(&mut waiting, roster, Instant::now());
        }
    }

    fn let_in(&self, waiting: &mut VecDeque<Waiter>, roster: &Roster, now: Instant) {
        for server in 0..roster.len() {
            while roster.load(server) < self.limit && roster.takes_requests(server, now) {
                let Some(first) = waiting.iter().position(|waiter| waiter.wants.accept(server)) else {
                    break;
                };
                // One that has left meanwhile is not counted.
                let told = waiting.remove(first).map(|waiter| waiter.tell.send(server));
                if told.is_some_and(|told| told.is_ok()) {
                    roster.add(server);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Waiter>> {
        // Whoever panicked has left the line as it was or shorter by one.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the line. Whoever leaves it after being let in, and before knowing, gives up that place too.
struct Place<'a> {
    told: oneshot::Receiver<usize>,
    roster: &'a Roster,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.told.close();
        if let Ok(server) = self.told.try_recv() {
            self.roster.leave(server);
        }
    }
}
