//! One connection to a server that one client has for itself.
//!
//! What was authenticated on it stays this client's: the connection is given to nobody else, is used by one request
//! after the other, in the order in which they came, and is closed when the client has gone.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Answer;
use super::connection::{Connection, Failure};
use super::pool::Lease;
use super::retry::Again;
use super::server::Origin;
use crate::proxy::body::RequestBody;
use crate::proxy::error::Error;
use crate::proxy::headers::by_server;

/// One connection to a server that one client has for itself, or the place for it.
#[derive(Debug)]
pub(in crate::proxy) struct Pin {
    idle: RefCell<Option<(Connection, Rc<Origin>)>>,
    /// One permit, taken in the order of asking. As many wait as a client may have streams.
    turn: Arc<Semaphore>,
    /// Which server there has ever been a connection to, the last one.
    begun: RefCell<Option<Rc<str>>>,
    closed: Cell<bool>,
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
        let vacant = self.idle.borrow().as_ref().is_none_or(|(idle, _)| idle.is_closed());
        vacant.then(|| Turn {
            pin: self,
            _permit: permit,
        })
    }

    /// Closes the connection, and from now on whichever comes back.
    pub(in crate::proxy) fn close(&self) {
        self.closed.set(true);
        self.idle.take();
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
        let Some((mut connection, origin)) = self.pin.idle.take() else {
            return Sent::Gone(self, request);
        };
        // The response before may have come before the whole of its request had been sent.
        if !connection.becomes_ready(origin.first_byte).await {
            return Sent::Gone(self, request);
        }
        by_server::address(&mut request, &origin.site);
        let again = (!has_credentials).then(|| Again::of(&request, connection.is_http2()));
        match connection.send(request, origin.first_byte).await {
            Ok(response) => Sent::Answered(Answer {
                response,
                server: Rc::clone(&origin.server),
                site: Rc::clone(&origin.site),
                lease: Lease::pinned(connection, origin, self),
                cookie: None,
            }),
            Err(Failure::Unsent(request)) => Sent::Gone(self, *request),
            Err(failure) => match again.and_then(|again| again.after(&failure)) {
                Some(request) => Sent::Gone(self, request),
                None => Sent::Failed(origin.error(failure)),
            },
        }
    }

    /// From now on there has been a connection here, to that server.
    pub(super) fn begin(&self, origin: &Origin) {
        self.pin.begun.replace(Some(Rc::clone(&origin.server)));
    }

    /// Leaves the connection to the next request, and the turn.
    pub(super) fn end(self, connection: Connection, origin: Rc<Origin>) {
        if !self.pin.closed.get() && !connection.is_closed() {
            self.pin.idle.replace(Some((connection, origin)));
        }
    }
}
