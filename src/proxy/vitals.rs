//! Whether every worker accepts connections from a listener, for whoever watches over the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How a listener fares, over all workers. Clones are of the same listener.
#[derive(Clone, Debug, Default)]
pub(super) struct Vitals(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// Workers that try to accept in vain.
    failing: AtomicUsize,
    /// Workers that have ended without being told to.
    lost: AtomicUsize,
}

/// One worker that accepts from a listener. Dropped without having [left](Self::leave), it is lost: its thread panicked, or
/// it could not use its socket.
#[derive(Debug)]
pub(super) struct Presence {
    vitals: Vitals,
    is_failing: bool,
    has_left: bool,
}

impl Vitals {
    /// One more worker that is to accept.
    pub(super) fn enter(&self) -> Presence {
        Presence {
            vitals: self.clone(),
            is_failing: false,
            has_left: false,
        }
    }

    /// Workers that try in vain, and those that are gone.
    pub(super) fn troubled(&self) -> (usize, usize) {
        let Counts { failing, lost } = &*self.0;
        (failing.load(Ordering::Relaxed), lost.load(Ordering::Relaxed))
    }
}

impl Presence {
    /// Whether the last try to accept was in vain.
    pub(super) fn is_failing(&self) -> bool {
        self.is_failing
    }

    /// Notes how the last try to accept went. Where that is nothing new, it costs nothing.
    pub(super) fn set_failing(&mut self, failing: bool) {
        if self.is_failing == failing {
            return;
        }
        self.is_failing = failing;
        let count = &self.vitals.0.failing;
        match failing {
            true => count.fetch_add(1, Ordering::Relaxed),
            false => count.fetch_sub(1, Ordering::Relaxed),
        };
    }

    /// It ends because it was told to.
    pub(super) fn leave(mut self) {
        self.has_left = true;
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.set_failing(false);
        if !self.has_left {
            self.vitals.0.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_counts_until_it_accepts_again_and_who_is_gone_for_good() {
        let vitals = Vitals::default();
        let [mut first, second, third] = [(); 3].map(|()| vitals.enter());
        first.set_failing(true);
        first.set_failing(true);
        assert_eq!(vitals.troubled(), (1, 0));
        first.set_failing(false);
        assert_eq!(vitals.troubled(), (0, 0));
        second.leave();
        assert_eq!(vitals.troubled(), (0, 0));
        first.set_failing(true);
        drop((first, third));
        assert_eq!(vitals.troubled(), (0, 2));
    }
}
