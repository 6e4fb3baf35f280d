//! How many connections to servers there may be.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections that may be closed because nobody uses them.
pub(super) trait GivesWay: std::fmt::Debug {
    /// Closes them; whether there were any. Their sockets close a moment later.
    fn clear(&self) -> bool;
}

/// The places for connections to servers: those of the process, and the idle connections of this worker that could be
/// closed to make one.
#[derive(Debug)]
pub(super) struct Room {
    places: Arc<Semaphore>,
    pools: RefCell<Vec<Rc<dyn GivesWay>>>,
}

impl Room {
    /// A room with one place for each permit of `places`.
    pub(super) fn new(places: Arc<Semaphore>) -> Self {
        Self {
            places,
            pools: RefCell::default(),
        }
    }

    /// From now on the idle connections of `pool` give way where there is no place.
    pub(super) fn enter(&self, pool: Rc<dyn GivesWay>) {
        self.pools.borrow_mut().push(pool);
    }

    /// A place, where need be that of a connection of this worker that nobody uses; waited for at most for `limit`.
    pub(super) async fn place(&self, limit: Duration) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        // No short cut: each has to be asked.
        let closed = self.pools.borrow().iter().filter(|pool| pool.clear()).count();
        if closed == 0 {
            return None;
        }
        // Their sockets close when their drivers are polled.
        let place = Arc::clone(&self.places).acquire_owned();
        tokio::time::timeout(limit, place).await.ok()?.ok()
    }
}
