//! The same numbers under several labels, and apart for each worker.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

/// What is counted under each of some labels. Whoever counts asks once, when what it counts for is set up, and keeps the
/// answer; the labels of a thing that is set up anew lead to the numbers from before.
#[derive(Debug)]
pub(crate) struct Series<K, T> {
    workers: NonZeroUsize,
    known: Mutex<BTreeMap<K, PerWorker<T>>>,
}

/// Numbers of which each worker has its own. An allocation for each keeps one worker's off the cache lines of another.
#[derive(Debug)]
pub(crate) struct PerWorker<T>(Arc<[Arc<T>]>);

impl<K: Ord, T: Default> Series<K, T> {
    /// Nothing counted yet, by so many workers.
    pub(crate) fn new(workers: NonZeroUsize) -> Self {
        Self {
            workers,
            known: Mutex::default(),
        }
    }

    /// What is counted under `labels`.
    pub(crate) fn of(&self, labels: K) -> PerWorker<T> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .entry(labels)
            .or_insert_with(|| PerWorker::new(self.workers))
            .clone()
    }

    /// What is counted by now, in the order of the labels. What nobody counts in any more is forgotten: its route or
    /// server has gone.
    pub(crate) fn all(&self) -> Vec<(K, PerWorker<T>)>
    where
        K: Clone,
    {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, numbers| numbers.is_in_use());
        let pair = |(labels, numbers): (&K, &PerWorker<T>)| (labels.clone(), numbers.clone());
        known.iter().map(pair).collect()
    }
}

impl<T: Default> PerWorker<T> {
    /// Nothing counted yet, by so many workers.
    pub(crate) fn new(workers: NonZeroUsize) -> Self {
        Self((0..workers.get()).map(|_| Arc::default()).collect())
    }

    /// Those of one worker.
    pub(crate) fn at(&self, worker: usize) -> Arc<T> {
        // A worker beyond them is none that was counted on; it counts where nobody looks.
        self.0.get(worker).cloned().unwrap_or_default()
    }

    /// Those of every worker.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.0.iter().map(|numbers| &**numbers)
    }

    fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.0) > 1 || self.0.iter().any(|numbers| Arc::strong_count(numbers) > 1)
    }
}

impl<T> Clone for PerWorker<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::Counter;

    const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

    fn sum(numbers: &PerWorker<Counter>) -> u64 {
        numbers.iter().map(Counter::get).sum()
    }

    #[test]
    fn the_same_labels_lead_to_the_same_numbers() {
        let series = Series::<&str, Counter>::new(TWO);
        let before = series.of("a");
        before.at(0).add(1);
        let after = series.of("a");
        drop(before);
        after.at(1).add(2);
        series.of("b").at(0).add(4);
        assert_eq!(sum(&series.of("a")), 3);
    }

    #[test]
    fn what_nobody_counts_in_any_more_is_forgotten() {
        let series = Series::<&str, Counter>::new(TWO);
        let kept = series.of("kept");
        let by_one_worker = series.of("by one worker").at(1);
        series.of("gone").at(0).add(1);
        let labels: Vec<_> = series.all().into_iter().map(|(labels, _)| labels).collect();
        assert_eq!(labels, ["by one worker", "kept"]);
        drop((kept, by_one_worker));
        assert!(series.all().is_empty());
    }
}
