//! How many connections to one server the whole process has open, idle ones included, where that is limited.
//!
//! A server that takes one connection at a time does not care which of our workers keeps it open for nothing. So whoever
//! may send a request and has no connection for it asks all workers for one that is idle, and one of them closes it.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

/// How often that is said while somebody waits: a connection of HTTP/2 falls idle without being asked.
const AGAIN: Duration = Duration::from_millis(50);

/// The connections to one server that the whole process may have.
#[derive(Debug)]
pub(super) struct Sockets {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// How many of them have waited since they said so first.
    still_waiting: AtomicUsize,
    /// How many connections they have asked for that nobody has closed yet.
    asked_for: AtomicUsize,
    crowded: watch::Sender<()>,
}

/// Somebody waits for a place, for as long as this is kept.
struct Waiting<'a>(&'a AtomicUsize);

impl Sockets {
    /// Places for `limit` connections.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            // tokio panics beyond its maximum.
            places: Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            still_waiting: AtomicUsize::new(0),
            asked_for: AtomicUsize::new(0),
            crowded: watch::Sender::new(()),
        }
    }

    /// A place for one more connection, waited for at most for `limit`.
    pub(super) async fn place(&self, limit: Duration) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        let _waiting = Waiting::new(&self.waiting);
        let mut still = None;
        let mut place = pin!(Arc::clone(&self.places).acquire_owned());
        let deadline = Instant::now() + limit;
        loop {
            self.ask();
            let again = (Instant::now() + AGAIN).min(deadline);
            if let Ok(place) = tokio::time::timeout_at(again, &mut place).await {
                return place.ok();
            }
            if again == deadline {
                return None;
            }
            still.get_or_insert_with(|| Waiting::new(&self.still_waiting));
        }
    }

    fn ask(&self) {
        let one_more = |asked: usize| Some((asked + 1).min(self.waiting()));
        let _ = self
            .asked_for
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more);
        // Told after that: who comes back with a connection either sees it or hears of this.
        self.crowded.send_replace(());
    }

    /// Whether an idle connection is in somebody's way. Where one is, who asks has to close it: it is asked for once.
    pub(super) fn claim(&self) -> bool {
        // Some may have got a place otherwise, or have given up.
        let one_less = |asked: usize| asked.min(self.waiting()).checked_sub(1);
        let claimed = self
            .asked_for
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
        claimed.is_ok()
    }

    fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Whether it was not enough to close idle connections that anybody could have used.
    pub(super) fn is_still_crowded(&self) -> bool {
        self.still_waiting.load(Ordering::SeqCst) > 0
    }

    /// Hears of each moment at which idle connections are to be closed.
    pub(super) fn crowded(&self) -> watch::Receiver<()> {
        self.crowded.subscribe()
    }
}

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_finds_no_place_says_so_and_gets_the_next() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let sockets = Sockets::new(1);
            let mut crowded = sockets.crowded();
            let first = sockets.place(Duration::ZERO).await.unwrap();
            assert!(!sockets.claim() && !crowded.has_changed().unwrap());
            assert!(sockets.place(Duration::ZERO).await.is_none());
            assert!(!sockets.claim());
            crowded.mark_unchanged();
            let gives_way = async {
                crowded.changed().await.unwrap();
                // One for one who waits, however many workers hear of it.
                assert!(sockets.claim() && !sockets.claim());
                drop(first);
            };
            let (second, ()) = tokio::join!(sockets.place(Duration::from_secs(10)), gives_way);
            assert!(second.is_some() && !sockets.claim());
        });
    }
}
