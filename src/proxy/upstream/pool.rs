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
use super::pin::Turn;
use super::room::GivesWay;
use super::roster::Slot;
use super::server::Origin;
use super::sockets::Sockets;
use crate::proxy::alarm::Alarm;
use crate::proxy::metrics::ServerMetrics;
use crate::telemetry::metrics::Raised;

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
    since: Instant,
    until: Instant,
}

/// A connection in use by one request. Dropped, it closes; released, it waits for the next where it belongs.
#[derive(Debug)]
pub(in crate::proxy) struct Lease {
    // Fields are dropped in this order: nobody's turn comes before the connection is closed.
    connection: Connection,
    origin: Rc<Origin>,
    home: Home,
    /// Requests sent on the connection, this one included.
    requests: usize,
    /// Until when the server says that it keeps the connection.
    until: Option<Instant>,
    slot: Option<Slot>,
    /// Counts the connection as busy. One of HTTP/2 counts itself, once for all its streams.
    busy: Option<Raised<ServerMetrics>>,
}

/// Whose next request a connection waits for.
#[derive(Debug)]
enum Home {
    /// Anybody's.
    Pool(Rc<Pool>),
    /// That of the client it is pinned to.
    Pin(Turn),
    /// Nobody's: it closes.
    Nowhere,
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
    pub(super) fn take(
        self: &Rc<Self>,
        origin: &Rc<Origin>,
        now: Instant,
        introduction: Option<&Introduction>,
    ) -> Option<Lease> {
        let mut idle = self.idle.borrow_mut();
        while let Some(last) = idle.iter().rposition(|idle| idle.connection.is_for(introduction)) {
            let last = idle.remove(last);
            if last.is_usable(now) {
                let mut lease = Lease::pooled(last.connection, Rc::clone(origin), self);
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

    /// Keeps a connection that has carried so many requests, and that the server keeps until then.
    fn keep(&self, connection: Connection, requests: usize, said: Option<Instant>) {
        let since = Instant::now();
        let until = self.keeps(requests, said, since);
        let mut idle = self.idle.borrow_mut();
        if let Some(until) = until
            && connection.is_ready()
        {
            // Not the newcomer: of the oldest, the client that it is for may have gone.
            if idle.len() == MAX_IDLE {
                idle.remove(0);
            }
            idle.push(Idle {
                connection,
                requests,
                since,
                until,
            });
        }
    }

    /// Until when a connection may wait that is given back at `now`, if it may.
    fn keeps(&self, requests: usize, said: Option<Instant>, now: Instant) -> Option<Instant> {
        let is_worn = self.most_requests.is_some_and(|most| requests >= most.get());
        let gives_way = self.sockets.as_ref().is_some_and(|sockets| sockets.claim());
        let until = now + self.timeout;
        let until = said.map_or(until, |said| said.min(until));
        (!is_worn && !gives_way && until > now).then_some(until)
    }
}

impl Idle {
    fn is_usable(&self, now: Instant) -> bool {
        self.connection.is_ready() && now < self.until
    }
}

impl GivesWay for Pool {
    fn oldest(&self) -> Option<Instant> {
        self.idle.borrow().first().map(|oldest| oldest.since)
    }

    fn close_oldest(&self) {
        let mut idle = self.idle.borrow_mut();
        if !idle.is_empty() {
            idle.remove(0);
        }
    }
}

impl Lease {
    /// A lease of a connection that goes to `pool` when released.
    pub(super) fn pooled(connection: Connection, origin: Rc<Origin>, pool: &Rc<Pool>) -> Self {
        Self::new(connection, origin, Home::Pool(Rc::clone(pool)))
    }

    /// A lease of a connection that closes when released.
    pub(super) fn alone(connection: Connection, origin: Rc<Origin>) -> Self {
        Self::new(connection, origin, Home::Nowhere)
    }

    /// A lease of a connection that stays with the pin whose turn it is.
    pub(super) fn pinned(connection: Connection, origin: Rc<Origin>, turn: Turn) -> Self {
        turn.begin(&origin);
        Self::new(connection, origin, Home::Pin(turn))
    }

    fn new(connection: Connection, origin: Rc<Origin>, home: Home) -> Self {
        let is_alone = !connection.is_http2();
        Self {
            busy: is_alone.then(|| Raised::by(&origin.metrics, |metrics| &metrics.busy)),
            connection,
            origin,
            home,
            requests: 1,
            until: None,
            slot: None,
        }
    }

    /// Pins the connection: it will never be in a pool again.
    pub(in crate::proxy) fn pin(&mut self, turn: Turn) {
        turn.begin(&self.origin);
        self.home = Home::Pin(turn);
    }

    /// Lets the connection close when released.
    pub(in crate::proxy) fn leave_pool(&mut self) {
        self.home = Home::Nowhere;
    }

    /// Keeps `slot` for as long as the connection is in use.
    pub(super) fn keep(&mut self, slot: Option<Slot>) {
        self.slot = slot;
    }

    /// Keeps what it keeps until the connection is closed: it is to become a tunnel.
    pub(super) fn becomes_tunnel(&mut self) {
        self.connection.keep(self.slot.take(), self.busy.take());
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
    /// Where the server answered before it had the whole request, or sent more than its response, the connection
    /// closes.
    pub(in crate::proxy) fn release(self) {
        let Self {
            connection,
            origin,
            home,
            requests,
            until,
            slot,
            busy: _busy,
        } = self;
        match home {
            Home::Pool(pool) => pool.keep(connection, requests, until),
            // It cannot be replaced, so that it stays for as long as the server keeps it, and its next request waits until
            // it is ready.
            Home::Pin(turn) => turn.end(connection, origin),
            Home::Nowhere => {}
        }
        // Only now: whoever is let in finds the connection.
        drop(slot);
    }
}
