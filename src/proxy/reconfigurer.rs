//! A running proxy told to do something else: routes, backends, limits and deadlines change under its connections.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

use super::Settings;
use super::blueprint::Blueprint;
use super::upstream::{BackendError, HealthChecks};

/// What tells a running proxy to do something else. Clones tell the same proxy.
///
/// A request goes on as it began; the next one on the same connection takes the new routes. A connection keeps its
/// deadlines and sizes. Listeners, the access log and `takeover` stay what they were at the start.
#[derive(Clone, Debug)]
pub struct Reconfigurer {
    blueprint: watch::Sender<Arc<Blueprint>>,
    /// Connections of clients, and those to servers.
    rooms: [Arc<Semaphore>; 2],
}

/// What a proxy would do by other settings, ready to take effect.
#[derive(Debug)]
pub struct Reconfiguration {
    reconfigurer: Reconfigurer,
    next: Arc<Blueprint>,
}

impl Reconfigurer {
    /// One for a proxy that begins with `first`.
    pub(super) fn new(first: Blueprint) -> Self {
        // tokio panics beyond its maximum. HTTP/2 clients may want more connections to servers than there are clients:
        // they must not get every descriptor.
        let room = || Arc::new(Semaphore::new(places(&first.settings)));
        first.metrics.follow(&first);
        Self {
            rooms: [room(), room()],
            blueprint: watch::Sender::new(Arc::new(first)),
        }
    }

    /// Reads the files that TLS to servers takes, and puts everything in place but nothing in force.
    ///
    /// # Errors
    ///
    /// [`BackendError`] for the first backend whose files cannot be used.
    pub fn prepare(&self, settings: Settings) -> Result<Reconfiguration, BackendError> {
        let current = self.current();
        let stays = &current.settings;
        let settings = Settings {
            listeners: stays.listeners.clone(),
            takeover: stays.takeover,
            access_log: stays.access_log.clone(),
            ..settings
        };
        Ok(Reconfiguration {
            reconfigurer: self.clone(),
            next: Arc::new(current.succeeded_by(settings)?),
        })
    }

    /// Asks the servers of the backends how they are, for as long as the future is kept. Runs on a tokio runtime that has
    /// local tasks.
    pub async fn check_health(self) {
        let mut checks = HealthChecks::default();
        let mut blueprint = self.blueprint.subscribe();
        loop {
            let backends = Arc::clone(&blueprint.borrow_and_update());
            checks.follow(&backends.backends);
            // It has a sender itself.
            let _ = blueprint.changed().await;
        }
    }

    /// Reads roots and client certificates for servers again where they have changed. Takes as long as a slow file system
    /// does. What cannot be read leaves what was read before; that is logged.
    pub fn read_trust_again(&self) {
        for backend in &self.current().backends {
            backend.read_trust_again();
        }
    }

    /// What is in force.
    pub(super) fn current(&self) -> Arc<Blueprint> {
        Arc::clone(&self.blueprint.borrow())
    }

    /// What is in force, now and later.
    pub(super) fn watch(&self) -> watch::Receiver<Arc<Blueprint>> {
        self.blueprint.subscribe()
    }

    /// How many connections of clients there are.
    pub fn connections(&self) -> usize {
        places(&self.current().settings).saturating_sub(self.room().available_permits())
    }

    /// One permit for each connection of a client that the process may have.
    pub(super) fn room(&self) -> &Arc<Semaphore> {
        let [room, _] = &self.rooms;
        room
    }

    /// The same for connections to servers.
    pub(super) fn upstream_room(&self) -> &Arc<Semaphore> {
        let [_, room] = &self.rooms;
        room
    }
}

impl Reconfiguration {
    /// Puts it in force: the next request sees it. Workers take it up by themselves, each when its turn comes.
    pub fn commit(self) {
        let Self { reconfigurer, next } = self;
        let before = reconfigurer.blueprint.send_replace(Arc::clone(&next));
        next.metrics.follow(&next);
        for room in &reconfigurer.rooms {
            resize(room, places(&before.settings), places(&next.settings));
        }
        let is_new = |id| before.backends.iter().all(|before| before.id() != id);
        for backend in next.backends.iter().filter(|backend| is_new(backend.id())) {
            backend.warn_if_unverified();
        }
    }
}

fn places(settings: &Settings) -> usize {
    settings.limits.connections.min(Semaphore::MAX_PERMITS)
}

/// Gives `room` so many permits more or less. Those that are in use and too many go when they are given back.
fn resize(room: &Arc<Semaphore>, before: usize, after: usize) {
    room.add_permits(after.saturating_sub(before));
    let too_many = before.saturating_sub(after);
    let in_use = too_many - room.forget_permits(too_many);
    if in_use > 0 {
        let room = Arc::clone(room);
        tokio::spawn(async move {
            for _ in 0..in_use {
                // It fails only where the semaphore is closed, which nobody does.
                if let Ok(permit) = room.acquire().await {
                    permit.forget();
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_in_use_that_are_too_many_go_when_they_are_given_back() {
        let room = Arc::new(Semaphore::new(3));
        let taken: Vec<_> = (0..3).map(|_| Arc::clone(&room).try_acquire_owned().unwrap()).collect();
        resize(&room, 3, 1);
        tokio::task::yield_now().await;
        let mut taken = taken.into_iter();
        for _ in 0..2 {
            drop(taken.next());
            tokio::task::yield_now().await;
            assert_eq!(room.available_permits(), 0);
        }
        drop(taken.next());
        assert_eq!(room.available_permits(), 1);
        resize(&room, 1, 4);
        assert_eq!(room.available_permits(), 4);
        resize(&room, 4, 2);
        assert_eq!(room.available_permits(), 2);
    }
}
