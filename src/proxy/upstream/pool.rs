//! Connections to one upstream that wait for the next request.
//!
//! Last in, first out: under falling load the rest falls idle and is closed, instead of all being kept half warm.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::connection::Connection;
use super::introduction::Introduction;
use super::room::GivesWay;
use crate::proxy::alarm::Alarm;

/// Idle connections kept for one upstream by one worker. Above it they cost file descriptors and save nothing: this
/// many are idle at once only right after a burst.
const MAX_IDLE: usize = 256;

/// Connections to one upstream that wait for the next request.
#[derive(Debug)]
pub(super) struct Pool {
    idle: RefCell<Vec<Idle>>,
    timeout: Duration,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

/// A connection in use by one request. Dropped, it closes; released, it waits for the next.
#[derive(Debug)]
pub(in crate::proxy) struct Lease {
    connection: Connection,
    pool: Rc<Pool>,
}

impl Pool {
    /// An empty pool whose connections are closed after `timeout` without a request.
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            idle: RefCell::default(),
            timeout,
        }
    }

    /// The connection used last of those for the client that `introduction` names, unless it has died or been idle for
    /// too long at `now`.
    pub(super) fn take(self: &Rc<Self>, now: Instant, introduction: Option<&Introduction>) -> Option<Lease> {
        let mut idle = self.idle.borrow_mut();
        while let Some(last) = idle.iter().rposition(|idle| idle.connection.is_for(introduction)) {
            let Idle { connection, since } = idle.remove(last);
            if connection.is_ready() && now.duration_since(since) < self.timeout {
                return Some(Lease::new(connection, self));
            }
        }
        None
    }

    /// Closes what has died or been idle for too long at `now`.
    pub(super) fn sweep(&self, now: Instant) {
        self.idle
            .borrow_mut()
            .retain(|idle| idle.connection.is_ready() && now.duration_since(idle.since) < self.timeout);
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
        }
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
        let mut idle = self.pool.idle.borrow_mut();
        if self.connection.is_ready() && idle.len() < MAX_IDLE {
            idle.push(Idle {
                connection: self.connection,
                since: Instant::now(),
            });
        }
    }
}
