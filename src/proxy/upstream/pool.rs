//! Connections to one upstream that wait for the next request.
//!
//! Last in, first out: under falling load the rest falls idle and is closed, instead of all being kept half warm.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::connection::Connection;
use super::introduction::Introduction;
use super::room::GivesWay;
use super::roster::Slot;
use super::sockets::Sockets;
use crate::proxy::alarm::Alarm;

/// Idle connections kept for one upstream by one worker. Above it they cost file descriptors and save nothing: this
/// many are idle at once only right after a burst.
const MAX_IDLE: usize = 256;

/// Connections to one upstream that wait for the next request.
#[derive(Debug)]
pub(super) struct Pool {
    idle: RefCell<Vec<Idle>>,
    timeout: Duration,
    most_requests: Option<NonZeroUsize>,
    sockets: Option<Arc<Sockets>>,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    requests: usize,
    until: Instant,
}

/// A connection in use by one request. Dropped, it closes; released, it waits for the next.
#[derive(Debug)]
pub(in crate::proxy) struct Lease {
    connection: Connection,
    pool: Rc<Pool>,
    /// Requests sent on the connection, this one included.
    requests: usize,
    /// Until when the server says that it keeps the connection.
    until: Option<Instant>,
    slot: Option<Slot>,
}

impl Pool {
    /// An empty pool whose connections are closed after `timeout` without a request, after so many requests, and where
    /// they are in the way of others to the same server.
    pub(super) fn new(timeout: Duration, most_requests: Option<NonZeroUsize>, sockets: Option<Arc<Sockets>>) -> Self {
        Self {
            idle: RefCell::default(),
            timeout,
            most_requests,
            sockets,
        }
    }

    /// The connection used last of those for the client that `introduction` names, unless it has died or been idle for
    /// too long at `now`.
    pub(super) fn take(self: &Rc<Self>, now: Instant, introduction: Option<&Introduction>) -> Option<Lease> {
        let mut idle = self.idle.borrow_mut();
        while let Some(last) = idle.iter().rposition(|idle| idle.connection.is_for(introduction)) {
            let last = idle.remove(last);
            if last.is_usable(now) {
                let mut lease = Lease::new(last.connection, self);
                lease.requests += last.requests;
                return Some(lease);
            }
        }
        None
    }

    /// Closes what has died or been idle for too long at `now`.
    pub(super) fn sweep(&self, now: Instant) {
        self.idle.borrow_mut().retain(|idle| idle.is_usable(now));
    }

    /// Until when a connection may wait that `lease` gives back at `now`, if it may.
    fn keeps(&self, lease: &Lease, now: Instant) -> Option<Instant> {
        let is_worn = self.most_requests.is_some_and(|most| lease.requests >= most.get());
        let is_crowded = self.sockets.as_ref().is_some_and(|sockets| sockets.is_crowded());
        let until = now + self.timeout;
        let until = lease.until.map_or(until, |said| said.min(until));
        (!is_worn && !is_crowded && until > now).then_some(until)
    }
}

impl Idle {
    fn is_usable(&self, now: Instant) -> bool {
        self.connection.is_ready() && now < self.until
    }
}

impl GivesWay for Pool {
    fn clear(&self) -> bool {
        !std::mem::take(&mut *self.idle.borrow_mut()).is_empty()
    }
}

impl Lease {
    /// A lease of a connection that goes to `pool` when released.
    pub(super) fn new(connection: Connection, pool: &Rc<Pool>) -> Self {
        Self {
            connection,
            pool: Rc::clone(pool),
            requests: 1,
            until: None,
            slot: None,
        }
    }

    /// Keeps `slot` for as long as the connection is in use.
    pub(super) fn keep(&mut self, slot: Option<Slot>) {
        self.slot = slot;
    }

    /// Keeps what it keeps until the connection is closed: it is to become a tunnel.
    pub(super) fn becomes_tunnel(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.connection.keep(slot);
        }
    }

    /// The server says that it keeps the connection until then.
    pub(super) fn usable_until(&mut self, until: Instant) {
        self.until = Some(until);
    }

    /// The connection.
    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// A timer that nobody else uses meanwhile.
    pub(in crate::proxy) fn alarm(&mut self) -> &mut Alarm {
        &mut self.connection.alarm
    }

    /// Keeps the connection for the next request, if hyper has found both messages complete and nothing after them.
    /// Where the upstream answered before it had the whole request, or sent more than its response, the connection
    /// closes.
    pub(in crate::proxy) fn release(self) {
        let until = self.pool.keeps(&self, Instant::now());
        let mut idle = self.pool.idle.borrow_mut();
        if let Some(until) = until
            && self.connection.is_ready()
            && idle.len() < MAX_IDLE
        {
            idle.push(Idle {
                connection: self.connection,
                requests: self.requests,
                until,
            });
        }
        // Only now: whoever is let in finds the connection.
        drop(self.slot);
    }
}
