//! From a request to the head of a server's response.
//!
//! ```text
//! backend     which server, and which next
//! balance     whose turn it is
//! sticky      which server a client stays with
//! roster      what all workers know of the servers: up or down, left alone or not, how busy
//! health      asks servers how they are
//! queue       requests that wait for a server
//! server      one address: a connection that is there or a new one, and whether sending again is safe
//! pin         a connection that one client has for itself
//! opener      new connections, and those of HTTP/2 that are shared (streams)
//! connect     socket (names), who the client is (introduction), TLS (connectors)
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
mod connectors;
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
pub use self::connectors::{BackendError, Connectors};
pub(super) use self::dialect::AsClientWrote;
pub use self::health::HealthChecks;
pub(super) use self::introduction::Introduction;
pub(super) use self::pin::{Pin, Sent};
pub(super) use self::pool::Lease;
use self::room::Room;
pub(super) use self::roster::Roster;
pub(super) use self::server::Sharing;
use super::Settings;
use super::headers::by_server::ServerSite;

/// The backends of one worker, with this worker's connections to them.
#[derive(Debug)]
pub(super) struct Backends {
    backends: Vec<Backend>,
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
    /// The backends of `settings` for the worker with this number; no server is connected to before it is needed.
    /// `rosters` has what all workers know of each, `places` one permit for each connection to a server that the process
    /// may have.
    pub(super) fn new(
        settings: &Settings,
        connectors: &Connectors,
        rosters: &[Arc<Roster>],
        places: Arc<Semaphore>,
        worker: usize,
    ) -> Self {
        let room = Rc::new(Room::new(places));
        Self {
            backends: settings
                .backends
                .iter()
                .zip(rosters)
                .enumerate()
                .map(|(index, (backend, roster))| Backend::new(backend, connectors.at(index), roster, &room, worker))
                .collect(),
        }
    }

    /// The backend at a position in the settings.
    pub(super) fn at(&self, index: usize) -> Option<&Backend> {
        self.backends.get(index)
    }

    /// Closes the connections that have been idle for too long at `now`.
    pub(super) fn sweep(&self, now: Instant) {
        for backend in &self.backends {
            backend.sweep(now);
        }
    }
}
