//! Numbers that one thread writes and any thread reads.
//!
//! The writer loads and stores instead of adding in one step: nobody else writes, so nothing gets lost between the two,
//! and no core ever waits for another. What several threads count is a [`SharedCounter`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that grows, written by one thread.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds `count`.
    pub(crate) fn add(&self, count: u64) {
        self.0
            .store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    /// The number by now.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that grows, written by any thread: for what happens now and then.
#[derive(Debug, Default)]
pub(crate) struct SharedCounter(AtomicU64);

impl SharedCounter {
    /// Adds one.
    pub(crate) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The number by now.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down, written by one thread.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicU64);

impl Gauge {
    /// Sets it.
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// One more.
    pub(crate) fn raise(&self) {
        self.set(self.get().wrapping_add(1));
    }

    /// One less.
    pub(crate) fn lower(&self) {
        self.set(self.get().saturating_sub(1));
    }

    /// The number of this moment.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Holds a gauge of `T` up by one, until dropped on the thread that made it.
#[derive(Debug)]
pub(crate) struct Raised<T> {
    metrics: Arc<T>,
    gauge: fn(&T) -> &Gauge,
}

impl<T> Raised<T> {
    /// Raises the gauge that `gauge` finds.
    pub(crate) fn by(metrics: &Arc<T>, gauge: fn(&T) -> &Gauge) -> Self {
        gauge(metrics).raise();
        Self {
            metrics: Arc::clone(metrics),
            gauge,
        }
    }
}

impl<T> Drop for Raised<T> {
    fn drop(&mut self) {
        (self.gauge)(&self.metrics).lower();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_a_gauge_up_lets_go_when_dropped() {
        let gauge = Arc::new(Gauge::default());
        let (one, two) = (Raised::by(&gauge, |gauge| gauge), Raised::by(&gauge, |gauge| gauge));
        assert_eq!(gauge.get(), 2);
        drop(one);
        assert_eq!(gauge.get(), 1);
        drop(two);
        assert_eq!(gauge.get(), 0);
    }
}
