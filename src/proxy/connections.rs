//! The client connections of one worker: counted, and told when to end.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::activity::Activity;

/// The client connections of one worker.
#[derive(Debug, Default)]
pub(super) struct Connections {
    entries: RefCell<HashMap<u64, Rc<Activity>>>,
    next: Cell<u64>,
    draining: Cell<bool>,
    left: Notify,
}

/// A connection's place in the list, given up when dropped.
#[derive(Debug)]
pub(super) struct Entry {
    connections: Rc<Connections>,
    key: u64,
    /// What the connection is doing.
    pub(super) activity: Rc<Activity>,
}

impl Connections {
    /// Enters a connection accepted at `now`.
    pub(super) fn enter(self: &Rc<Self>, now: Instant) -> Entry {
        let activity = Activity::new(now);
        let key = self.next.replace(self.next.get() + 1);
        self.entries.borrow_mut().insert(key, Rc::clone(&activity));
        Entry {
            connections: Rc::clone(self),
            key,
            activity,
        }
    }

    /// Tells every connection, present and future, to end after what it is doing.
    pub(super) fn drain(&self) {
        self.draining.set(true);
        self.entries.borrow().values().for_each(|activity| activity.wake());
    }

    /// Whether connections are to end.
    pub(super) fn draining(&self) -> bool {
        self.draining.get()
    }

    /// How many connections there are.
    pub(super) fn count(&self) -> usize {
        self.entries.borrow().len()
    }

    /// Returns once there is no connection.
    pub(super) async fn emptied(&self) {
        while self.count() > 0 {
            self.left.notified().await;
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.connections.entries.borrow_mut().remove(&self.key);
        // A permit is kept for a waiter that looks a moment later.
        self.connections.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_connection_to_leave_ends_the_wait() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let connections = Rc::new(Connections::default());
            let (one, two) = (connections.enter(Instant::now()), connections.enter(Instant::now()));
            let leave = async {
                drop(one);
                tokio::task::yield_now().await;
                assert_eq!(connections.count(), 1);
                drop(two);
            };
            tokio::join!(connections.emptied(), leave);
        });
    }
}
