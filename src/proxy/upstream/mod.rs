//! From a request to the head of a server's response.
//!
//! ```text
//! backend     which server, and which next
//! balance     whose turn it is
//! sticky      which server a client stays with
//! shared      what all workers have in common of a backend
//! roster      what all workers know of the servers: up or down, left alone or not, how busy
//! health      asks servers how they are
//! queue       requests that wait for a server
//! server      one address: a connection that is there or a new one, and whether sending again is safe
//! pin         a connection that one client has for itself
//! opener      new connections, and those of HTTP/2 that are shared (streams)
//! connect     socket (names), who the client is (introduction), TLS
//! connection  one connection or stream, and what can become of a request on it
//! dialect     what a request looks like in the HTTP that a server speaks
//! ```
//!
//! hyper's connection type is used directly: only so is it known whether a byte of the request was sent or a byte of
//! the response came, which decides whether sending it again is safe.

mod backend;
mod balance;
mod connect;
mod connection;
mod dialect;
mod ejected;
mod health;
mod introduction;
mod keep_alive;
mod names;
mod opener;
mod pin;
mod pool;
mod queue;
mod received;
mod retry;
mod room;
mod roster;
mod seal;
mod server;
pub(super) mod settings;
mod shared;
mod sockets;
mod spelling;
mod sticky;
mod streams;

use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderValue, Response};
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub(super) use self::backend::{Backend, Brought};
pub(super) use self::connect::ConnectError;
pub(super) use self::dialect::AsClientWrote;
pub(super) use self::health::HealthChecks;
pub(super) use self::introduction::Introduction;
pub(super) use self::pin::{Pin, Sent};
pub(super) use self::pool::Lease;
use self::room::Room;
pub(super) use self::server::Sharing;
pub use self::shared::{BackendError, check_trust};
pub(super) use self::shared::{BackendId, Shared};
use super::headers::by_server::ServerSite;

/// The backends of one worker, with this worker's connections to them.
#[derive(Debug)]
pub(super) struct Backends {
    backends: Vec<Rc<Backend>>,
    room: Rc<Room>,
    worker: usize,
}

/// The head of a server's response.
#[derive(Debug)]
pub(super) struct Answer {
    /// What it said.
    pub(super) response: Response<Incoming>,
    /// The connection it is coming on.
    pub(super) lease: Lease,
    /// The server it came from, for logs.
    pub(super) server: Rc<str>,
    /// The same, as URLs name it.
    pub(super) site: Rc<ServerSite>,
    /// The cookie by which the client stays with that server, if it needs one.
    pub(super) cookie: Option<HeaderValue>,
}

impl Backends {
    /// The backends that are `shared`, for the worker with this number; no server is connected to before it is needed.
    /// `places` has one permit for each connection to a server that the process may have.
    pub(super) fn new(shared: &[Arc<Shared>], places: Arc<Semaphore>, worker: usize) -> Self {
        let none = Self {
            backends: Vec::new(),
            room: Rc::new(Room::new(places)),
            worker,
        };
        none.succeeded_by(shared)
    }

    /// Those that are `shared` by now. What stays has its connections as before; those of what goes are closed as soon as
    /// no request is on them.
    pub(super) fn succeeded_by(&self, shared: &[Arc<Shared>]) -> Self {
        let backend = |shared: &Arc<Shared>| {
            let same = self.backends.iter().find(|before| before.is_of(shared));
            let new = || Rc::new(Backend::new(shared, &self.room, self.worker));
            same.map_or_else(new, Rc::clone)
        };
        Self {
            backends: shared.iter().map(backend).collect(),
            room: Rc::clone(&self.room),
            worker: self.worker,
        }
    }

    /// The backend at a position in the settings.
    pub(super) fn at(&self, index: usize) -> Option<&Backend> {
        self.backends.get(index).map(|backend| &**backend)
    }

    /// Closes the connections that have been idle for too long at `now`.
    pub(super) fn sweep(&self, now: Instant) {
        for backend in &self.backends {
            backend.sweep(now);
        }
    }
}
