//! How many connections to servers there may be.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::roster::Slot;
use crate::proxy::metrics::ServerMetrics;
use crate::telemetry::metrics::Raised;

/// Connections that may be closed because nobody uses them.
pub(super) trait GivesWay: std::fmt::Debug {
    /// Since when nobody has used the one that has been idle for longest, if any is.
    fn oldest(&self) -> Option<Instant>;

    /// Closes that one. Its socket closes a moment later.
    fn close_oldest(&self);
}

/// Of all these, those whose oldest has been idle for longest.
pub(super) fn oldest(all: impl IntoIterator<Item = Rc<dyn GivesWay>>) -> Option<Rc<dyn GivesWay>> {
    let since = all.into_iter().filter_map(|idle| Some((idle.oldest()?, idle)));
    let (_, oldest) = since.min_by_key(|(since, _)| *since)?;
    Some(oldest)
}

/// The places for connections to servers: those of the process, and the idle connections of this worker that could be
/// closed to make one.
#[derive(Debug)]
pub(super) struct Room {
    places: Arc<Semaphore>,
    pools: RefCell<Connected>,
    pins: RefCell<Connected>,
}

/// Those of the servers that there are: a backend may go while the process runs, and its connections with it.
#[derive(Debug, Default)]
struct Connected(Vec<Weak<dyn GivesWay>>);

/// What an open connection takes up, for as long as it is kept.
#[derive(Debug)]
pub(super) struct Place {
    _process: OwnedSemaphorePermit,
    _server: Option<OwnedSemaphorePermit>,
    /// Set where the connection has become a tunnel: until that ends, its request is in progress.
    tunnel: OnceLock<(Option<Slot>, Option<Raised<ServerMetrics>>)>,
    open: OnceLock<Raised<ServerMetrics>>,
}

impl Place {
    /// A place in the process, and one at the server where those are counted.
    pub(super) fn new(process: OwnedSemaphorePermit, server: Option<OwnedSemaphorePermit>) -> Self {
        Self {
            _process: process,
            _server: server,
            tunnel: OnceLock::new(),
            open: OnceLock::new(),
        }
    }

    /// The connection is there from now on, and counted in `open`.
    pub(super) fn opened(&self, open: Raised<ServerMetrics>) {
        // A connection is opened once.
        let _ = self.open.set(open);
    }

    /// Keeps what its request has until the connection is closed.
    pub(super) fn keep(&self, slot: Option<Slot>, busy: Option<Raised<ServerMetrics>>) {
        // A connection becomes a tunnel once.
        let _ = self.tunnel.set((slot, busy));
    }
}

impl Room {
    /// A room with one place for each permit of `places`.
    pub(super) fn new(places: Arc<Semaphore>) -> Self {
        Self {
            places,
            pools: RefCell::default(),
            pins: RefCell::default(),
        }
    }

    /// From now on the idle connections of `pool` give way where there is no place.
    pub(super) fn enter(&self, pool: &Rc<impl GivesWay + 'static>) {
        self.pools.borrow_mut().add(pool);
    }

    /// From now on idle connections of `pins` do where none of a pool can.
    pub(super) fn enter_pins(&self, pins: &Rc<impl GivesWay + 'static>) {
        self.pins.borrow_mut().add(pins);
    }

    /// A place, where need be that of a connection of this worker that nobody uses, of the one idle for longest; waited for
    /// at most for `limit`.
    pub(super) async fn place(&self, limit: Duration) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        self.close_oldest()?;
        // Its socket closes when its driver is polled.
        let place = Arc::clone(&self.places).acquire_owned();
        tokio::time::timeout(limit, place).await.ok()?.ok()
    }

    fn close_oldest(&self) -> Option<()> {
        let (pools, pins) = (self.pools.borrow(), self.pins.borrow());
        oldest(pools.iter()).or_else(|| oldest(pins.iter()))?.close_oldest();
        Some(())
    }
}

impl Connected {
    fn add(&mut self, one: &Rc<impl GivesWay + 'static>) {
        self.0.retain(|other| other.strong_count() > 0);
        let one: Rc<dyn GivesWay> = one.clone();
        self.0.push(Rc::downgrade(&one));
    }

    fn iter(&self) -> impl Iterator<Item = Rc<dyn GivesWay>> {
        self.0.iter().filter_map(Weak::upgrade)
    }
}
