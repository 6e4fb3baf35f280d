//! From a request to the head of a server's response.
//!
//! ```text
//! backend     which server, and which next
//! server      one address: a pooled connection or a new one, and whether sending again is safe
//! connection  one HTTP/1.1 connection, and what can become of a request on it
//! ```
//!
//! hyper's connection type is used directly: only so is it known whether a byte of the request was sent or a byte of
//! the response came, which decides whether sending it again is safe.

mod backend;
mod balance;
mod connect;
mod connection;
mod pool;
mod room;
mod server;

use std::rc::Rc;
use std::sync::Arc;

use http::Response;
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub(super) use self::backend::Backend;
pub(super) use self::connect::ConnectError;
pub(super) use self::pool::Lease;
use self::room::Room;
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
}

impl Backends {
    /// The backends of `settings`; no server is connected to before it is needed. `places` has one permit for each
    /// connection to a server that the process may have.
    pub(super) fn new(settings: &Settings, places: Arc<Semaphore>) -> Self {
        let room = Rc::new(Room::new(places));
        Self {
            backends: settings
                .backends
                .iter()
                .map(|backend| Backend::new(backend, &room))
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
