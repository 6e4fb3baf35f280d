//! One connection to a server that one client has for itself.
//!
//! What was authenticated on it stays this client's: the connection is given to nobody else, is used by one request
//! after the other, in the order in which they came, and is closed when the client has gone. Where others wait for its place
//! it is closed too while no request is on it: to its client that is a server that closed it, and it authenticates anew.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::Answer;
use super::connection::{Connection, Failure};
use super::pool::Lease;
use super::retry::Again;
use super::room::GivesWay;
use super::server::Origin;
use crate::proxy::body::RequestBody;
use crate::proxy::error::Error;
use crate::proxy::headers::by_server;

/// How long the second half of a handshake is waited for before its connection may be closed for another: half of a
/// handshake is lost with its connection (`handshake-lost`). It is a round trip of the client's, in which a packet may
/// get lost (one second, RFC 6298 section 2.1); and shorter than `connect`, for which others wait.
const HANDSHAKE: Duration = Duration::from_secs(2);

/// One connection to a server that one client has for itself, or the place for it.
#[derive(Debug)]
pub(in crate::proxy) struct Pin {
    idle: RefCell<Option<Idle>>,
    /// One permit, taken in the order of asking. As many wait as a client may have streams.
    turn: Arc<Semaphore>,
    /// Which server there has ever been a connection to, the last one.
    begun: RefCell<Option<Rc<str>>>,
    /// Until when the first handshake on the connection is waited for, once there has been one. Only the first: whoever
    /// begins one after the other is no reason to keep others waiting.
    handshake: Cell<Option<Instant>>,
    closed: Cell<bool>,
}

/// A connection that waits for the next request of its client.
#[derive(Debug)]
struct Idle {
    connection: Connection,
    origin: Rc<Origin>,
    since: Instant,
    _entry: Entry,
}

/// The pinned connections to one server that no request is on. They stay with their pins: all that can be done to them
/// from here is to close them.
#[derive(Debug, Default)]
pub(super) struct IdlePins {
    /// By the order in which they fell idle.
    pins: RefCell<BTreeMap<u64, Weak<Pin>>>,
    next: Cell<u64>,
}

/// That a pin is among the idle ones, for as long as this is kept.
#[derive(Debug)]
struct Entry {
    pins: Rc<IdlePins>,
    number: u64,
}

/// The turn of one request: until it is dropped, no other uses the pin.
#[derive(Debug)]
pub(in crate::proxy) struct Turn {
    pin: Rc<Pin>,
    _permit: OwnedSemaphorePermit,
}

/// What came of a request that was to go over a pinned connection.
#[derive(Debug)]
pub(in crate::proxy) enum Sent {
    /// It was answered; the turn lasts until its response has ended.
    Answered(Answer),
    /// It failed, and must not be sent again.
    Failed(Error),
    /// There is no such connection any more; the request has gone nowhere, or may be sent again to no harm.
    Gone(Turn, Request<RequestBody>),
}

impl Default for Pin {
    fn default() -> Self {
        Self {
            idle: RefCell::default(),
            turn: Arc::new(Semaphore::new(1)),
            begun: RefCell::default(),
            handshake: Cell::default(),
            closed: Cell::default(),
        }
    }
}

impl Pin {
    /// A request's turn, once all that came before have had theirs; waited for at most for `limit`.
    pub(in crate::proxy) async fn turn(self: Rc<Self>, limit: Duration) -> Option<Turn> {
        let permit = Arc::clone(&self.turn).acquire_owned();
        let permit = tokio::time::timeout(limit, permit).await.ok()?.ok()?;
        Some(Turn {
            pin: self,
            _permit: permit,
        })
    }

    /// The turn, if nobody has it and there is no connection either: for one that came about otherwise.
    pub(in crate::proxy) fn vacant(self: Rc<Self>) -> Option<Turn> {
        let permit = Arc::clone(&self.turn).try_acquire_owned().ok()?;
        let idle = self.idle.borrow();
        if idle.as_ref().is_some_and(|idle| !idle.connection.is_closed()) {
            return None;
        }
        drop(idle);
        self.handshake.set(None);
        Some(Turn {
            pin: self,
            _permit: permit,
        })
    }

    /// Closes the connection, and from now on whichever comes back.
    pub(in crate::proxy) fn close(&self) {
        self.closed.set(true);
        self.idle.take();
    }

    /// Whether there is a connection that no request is on or has its turn for, whose request before has been sent to its
    /// end, and on which no handshake is waited for at `now`.
    fn may_give_way(&self, now: Instant) -> bool {
        // A turn passes to who waits for it a moment before it is used: streams of one client stay who they are.
        if self.turn.available_permits() == 0 {
            return false;
        }
        let has_time = self.handshake.get().is_none_or(|until| until <= now);
        let idle = self.idle.borrow();
        let at_rest = |idle: &Idle| idle.connection.is_ready() || idle.connection.is_closed();
        has_time && idle.as_ref().is_some_and(at_rest)
    }
}

impl IdlePins {
    fn enter(self: &Rc<Self>, pin: &Rc<Pin>) -> Entry {
        let number = self.next.get();
        self.next.set(number + 1);
        self.pins.borrow_mut().insert(number, Rc::downgrade(pin));
        Entry {
            pins: Rc::clone(self),
            number,
        }
    }

    fn first_to_give_way(&self) -> Option<Rc<Pin>> {
        let (pins, now) = (self.pins.borrow(), Instant::now());
        pins.values()
            .filter_map(Weak::upgrade)
            .find(|pin| pin.may_give_way(now))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.pins.pins.borrow_mut().remove(&self.number);
    }
}

impl GivesWay for IdlePins {
    fn oldest(&self) -> Option<Instant> {
        let oldest = self.first_to_give_way()?;
        let idle = oldest.idle.borrow();
        idle.as_ref().map(|idle| idle.since)
    }

    /// Its client has to authenticate anew.
    fn close_oldest(&self) {
        if let Some(oldest) = self.first_to_give_way() {
            oldest.idle.take();
        }
    }
}

impl Turn {
    /// The server to which there has been a connection here before.
    pub(in crate::proxy) fn begun_with(&self) -> Option<Rc<str>> {
        self.pin.begun.borrow().clone()
    }

    /// Sends a request on the pinned connection. One that has credentials is never sent twice: a server that has seen
    /// them takes the second time for a replay, and a directory may count it as a wrong password.
    pub(in crate::proxy) async fn send(self, mut request: Request<RequestBody>, has_credentials: bool) -> Sent {
        let Some(Idle {
            mut connection, origin, ..
        }) = self.pin.idle.take()
        else {
            return self.gone(request);
        };
        // The response before may have come before the whole of its request had been sent.
        if !connection.becomes_ready(origin.first_byte).await {
            return self.gone(request);
        }
        by_server::address(&mut request, &origin.site);
        let again = (!has_credentials).then(|| Again::of(&request, connection.is_http2()));
        origin.metrics.reused.add(1);
        match origin.send(&mut connection, request).await {
            Ok(response) => {
                self.answered(has_credentials, response.status());
                Sent::Answered(Answer {
                    response,
                    server: Rc::clone(&origin.server),
                    site: Rc::clone(&origin.site),
                    lease: Lease::pinned(connection, origin, self),
                    cookie: None,
                })
            }
            Err(Failure::Unsent(request)) => self.gone(*request),
            Err(failure) => match again.and_then(|again| again.after(&failure)) {
                Some(request) => self.gone(request),
                None => Sent::Failed(origin.error(failure)),
            },
        }
    }

    fn gone(self, request: Request<RequestBody>) -> Sent {
        // The next connection has a first handshake of its own.
        self.pin.handshake.set(None);
        Sent::Gone(self, request)
    }

    /// A request on the pinned connection, or on the one that will be, has been answered so.
    pub(in crate::proxy) fn answered(&self, has_credentials: bool, status: StatusCode) {
        if !has_credentials {
            return;
        }
        let now = Instant::now();
        let until = match status {
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => now + HANDSHAKE,
            _ => now,
        };
        let first = self.pin.handshake.get();
        self.pin
            .handshake
            .set(Some(first.map_or(until, |first| first.min(until))));
    }

    /// From now on there has been a connection here, to that server.
    pub(super) fn begin(&self, origin: &Origin) {
        self.pin.begun.replace(Some(Rc::clone(&origin.server)));
    }

    /// Leaves the connection to the next request, and the turn.
    pub(super) fn end(self, connection: Connection, origin: Rc<Origin>) {
        if !self.pin.closed.get() && !connection.is_closed() {
            let _entry = origin.pins.enter(&self.pin);
            self.pin.idle.replace(Some(Idle {
                connection,
                origin,
                since: Instant::now(),
                _entry,
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::task::Poll;

    use tokio::runtime::{Builder, LocalOptions};

    use super::*;
    use crate::proxy::headers::by_server::ServerSite;
    use crate::proxy::settings::{Protocol, ServerAddress};
    use crate::proxy::upstream::dialect::Dialect;
    use crate::proxy::upstream::received::Received;
    use crate::proxy::upstream::room::Place;

    #[test]
    fn a_connection_gives_way_unless_the_next_request_has_its_turn_already() {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .build_local(LocalOptions::default())
            .unwrap();
        runtime.block_on(async {
            let limit = Duration::from_secs(10);
            let origin = Rc::new(Origin {
                server: "a.test:80".into(),
                site: Rc::new(ServerSite::of(&ServerAddress::http("a.test", 80))),
                first_byte: limit,
                pins: Rc::default(),
                metrics: Arc::default(),
            });
            let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
            let (near, _far) = tokio::io::duplex(1024);
            let received = Received::new(Place::new(place, None));
            let dialect = Rc::new(Dialect::new(&Protocol::default()));
            let mut connection = Connection::http1(near, received, None, &dialect).await.unwrap();
            assert!(connection.becomes_ready(limit).await);

            let pin = Rc::<Pin>::default();
            let turn = Rc::clone(&pin).turn(limit).await.unwrap();
            {
                let mut next = pin!(Rc::clone(&pin).turn(limit));
                poll_fn(|context| {
                    assert!(next.as_mut().poll(context).is_pending());
                    Poll::Ready(())
                })
                .await;
                turn.end(connection, Rc::clone(&origin));
                assert!(origin.pins.oldest().is_none());
            }
            // Whoever waited has gone.
            assert!(origin.pins.oldest().is_some());
            origin.pins.close_oldest();
            assert!(origin.pins.oldest().is_none() && pin.vacant().is_some());
        });
    }
}
