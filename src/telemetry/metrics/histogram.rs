//! How often something took how long.

use std::time::Duration;

use super::Counter;

/// The upper ends of the buckets, the same in every histogram, so that one can be laid over the other: from what a
/// server on this machine takes to the minute after which timeouts begin.
pub(super) const BOUNDS: [Duration; 16] = [
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
];

/// How often something took how long, written by one thread.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// One for each of [`BOUNDS`], without those below it.
    buckets: [Counter; BOUNDS.len()],
    /// What took longer than all of them.
    longer: Counter,
    /// A `u64` of these holds 584 years.
    nanoseconds: Counter,
}

impl Histogram {
    /// Counts something that took so long.
    pub(crate) fn observe(&self, took: Duration) {
        let mut buckets = BOUNDS.iter().zip(&self.buckets);
        let bucket = buckets.find(|(bound, _)| took <= **bound);
        bucket.map_or(&self.longer, |(_, bucket)| bucket).add(1);
        self.nanoseconds.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }
}

/// What several histograms hold together, at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Distribution {
    buckets: [u64; BOUNDS.len()],
    longer: u64,
    nanoseconds: u64,
}

impl Distribution {
    /// The buckets as Prometheus wants them: each with all that is below it, beside its upper end.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (Duration, u64)> {
        let below = self.buckets.iter().scan(0, |below: &mut u64, bucket| {
            *below += bucket;
            Some(*below)
        });
        BOUNDS.into_iter().zip(below)
    }

    /// How often it happened.
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum::<u64>() + self.longer
    }

    /// How long it took in all, in seconds.
    pub(super) fn seconds(&self) -> f64 {
        Duration::from_nanos(self.nanoseconds).as_secs_f64()
    }
}

impl<'a> FromIterator<&'a Histogram> for Distribution {
    fn from_iter<I: IntoIterator<Item = &'a Histogram>>(histograms: I) -> Self {
        let mut all = Self::default();
        for histogram in histograms {
            for (sum, bucket) in all.buckets.iter_mut().zip(&histogram.buckets) {
                *sum += bucket.get();
            }
            all.longer += histogram.longer.get();
            all.nanoseconds = all.nanoseconds.wrapping_add(histogram.nanoseconds.get());
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_as_long_as_a_bound_is_below_it() {
        let histogram = Histogram::default();
        for micros in [500, 501, 60_000_000, 60_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let all: Distribution = [&histogram].into_iter().collect();
        let cumulative: Vec<u64> = all.cumulative().map(|(_, count)| count).collect();
        assert_eq!(cumulative[..3], [1, 2, 2]);
        assert_eq!((cumulative[BOUNDS.len() - 1], all.count()), (3, 4));
        assert!((all.seconds() - 120.001_002).abs() < 1e-9);
    }

    #[test]
    fn histograms_of_several_workers_add_up() {
        let workers = [Histogram::default(), Histogram::default()];
        workers[0].observe(Duration::ZERO);
        workers[1].observe(Duration::from_secs(1));
        assert_eq!(workers.iter().collect::<Distribution>().count(), 2);
    }

    #[test]
    fn bounds_ascend() {
        assert!(BOUNDS.is_sorted_by(|one, next| one < next));
    }
}
