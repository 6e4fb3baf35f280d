//! Whether a server is left alone because requests to it failed, and until when.
//!
//! As long as it fails, it is left alone for twice as long each time. When its time is over, one request tries it, and
//! the others keep away until that one is answered: a server that takes seconds to fail costs one request those, not
//! all.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::settings::Ejection;

/// Longer than this no server is left alone, unless it is told so: Envoy's `max_ejection_time`.
const LONGEST: Duration = Duration::from_secs(300);

/// How one server has fared, known to all workers. Moments are milliseconds since some beginning.
#[derive(Debug, Default)]
pub(super) struct Ejected {
    /// Failures in a row.
    failures: AtomicU32,
    /// Ejections in a row.
    times: AtomicU32,
    /// When it may be tried again; zero where it is not ejected.
    until: AtomicU64,
    /// Whether a request is trying it.
    trying: AtomicBool,
}

/// What may be sent to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Everything.
    In,
    /// Nothing.
    Out,
    /// One request, to see.
    Due,
}

impl Ejected {
    /// What may be sent to it at `now`.
    pub(super) fn standing(&self, now: impl FnOnce() -> u64) -> Standing {
        match self.until.load(Ordering::Relaxed) {
            0 => Standing::In,
            until if now() < until => Standing::Out,
            _ => Standing::Due,
        }
    }

    /// Whether the caller is the one whose request tries a server that is due at `now`. Should nothing be heard of that
    /// request, another may after the same time.
    pub(super) fn try_again(&self, settings: &Ejection, now: u64) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        if until == 0 || now < until {
            return false;
        }
        let next = now.saturating_add(self.length(settings));
        let mine = self
            .until
            .compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
        if mine {
            self.trying.store(true, Ordering::Relaxed);
        }
        mine
    }

    /// A request failed at `now`. For how long the server is left alone from now on, if that begins now; `dispensable`
    /// tells whether the others can do without it.
    pub(super) fn failed(&self, settings: &Ejection, now: u64, dispensable: impl FnOnce() -> bool) -> Option<Duration> {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if self.until.load(Ordering::Relaxed) != 0 {
            // Requests that were on their way when it was ejected say nothing new.
            if !self.trying.swap(false, Ordering::Relaxed) {
                return None;
            }
        } else if failures < settings.after.get() || !dispensable() {
            return None;
        }
        self.times.fetch_add(1, Ordering::Relaxed);
        let length = self.length(settings);
        // Never zero, which would mean that it is not ejected.
        self.until.store(now.saturating_add(length).max(1), Ordering::Relaxed);
        Some(Duration::from_millis(length))
    }

    /// A request was answered, or somebody else knows that the server is well; whether it had been left alone.
    pub(super) fn answered(&self) -> bool {
        // Mostly there is nothing to forget, and what is only read stays in every core's cache.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        if self.until.load(Ordering::Relaxed) == 0 {
            return false;
        }
        self.times.store(0, Ordering::Relaxed);
        self.trying.store(false, Ordering::Relaxed);
        self.until.swap(0, Ordering::Relaxed) != 0
    }

    /// Failures in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    fn length(&self, settings: &Ejection) -> u64 {
        let doublings = self.times.load(Ordering::Relaxed).saturating_sub(1);
        let longest = settings.duration.max(LONGEST);
        let length = 1_u32
            .checked_shl(doublings)
            .and_then(|times| settings.duration.checked_mul(times))
            .map_or(longest, |length| length.min(longest));
        u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    const SETTINGS: Ejection = Ejection {
        after: NonZeroU32::new(2).unwrap(),
        duration: Duration::from_secs(10),
        counts_5xx: false,
    };

    fn ejected_at(now: u64) -> Ejected {
        let server = Ejected::default();
        assert_eq!(server.failed(&SETTINGS, now, || true), None);
        assert_eq!(server.failed(&SETTINGS, now, || true), Some(Duration::from_secs(10)));
        server
    }

    #[test]
    fn failures_in_a_row_eject_and_others_do_not() {
        let server = Ejected::default();
        for _ in 0..5 {
            assert_eq!(server.failed(&SETTINGS, 1, || true), None);
            assert!(!server.answered());
        }
        assert_eq!(server.standing(|| 1), Standing::In);
        let server = ejected_at(1_000);
        assert_eq!(server.standing(|| 10_999), Standing::Out);
        assert_eq!(server.standing(|| 11_000), Standing::Due);
    }

    #[test]
    fn a_server_that_cannot_be_spared_stays() {
        let server = Ejected::default();
        for _ in 0..5 {
            assert_eq!(server.failed(&SETTINGS, 1, || false), None);
        }
        assert_eq!(server.standing(|| 1), Standing::In);
    }

    #[test]
    fn one_request_tries_a_server_whose_time_is_over() {
        let server = ejected_at(0);
        assert!(!server.try_again(&SETTINGS, 9_999));
        assert!(server.try_again(&SETTINGS, 10_000));
        assert!(!server.try_again(&SETTINGS, 10_001));
        assert_eq!(server.standing(|| 10_001), Standing::Out);
        // Nothing is heard of it.
        assert!(server.try_again(&SETTINGS, 20_000));
        assert!(server.answered() && !server.answered());
        assert_eq!(server.standing(|| 20_001), Standing::In);
    }

    #[test]
    fn each_time_in_a_row_is_twice_as_long_as_the_one_before() {
        let server = ejected_at(0);
        let mut now = 0;
        let mut lengths = Vec::new();
        let mut last = Duration::from_secs(10);
        for _ in 0..6 {
            now += u64::try_from(last.as_millis()).unwrap();
            assert!(server.try_again(&SETTINGS, now));
            last = server.failed(&SETTINGS, now, || true).unwrap();
            lengths.push(last.as_secs());
        }
        assert_eq!(lengths, [20, 40, 80, 160, 300, 300]);
        // Once it has answered, all of that is forgotten.
        assert!(server.answered());
        assert_eq!(server.failed(&SETTINGS, now, || true), None);
        assert_eq!(server.failed(&SETTINGS, now, || true), Some(Duration::from_secs(10)));
    }

    #[test]
    fn requests_that_were_on_their_way_do_not_make_it_longer() {
        let server = ejected_at(0);
        assert_eq!(server.failed(&SETTINGS, 5_000, || true), None);
        assert_eq!(server.standing(|| 10_000), Standing::Due);
    }
}
