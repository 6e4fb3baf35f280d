//! When a responder is asked, and asked again.

use std::time::Duration;

use rustls_pki_types::UnixTime;

use super::Staple;
use super::staple::later;

/// How soon a responder that failed is asked again at first; then half as often each time.
const FIRST_RETRY: Duration = Duration::from_secs(60);
/// The least often: what HAProxy's `ocsp-update.maxdelay` is by default.
const LAST_RETRY: Duration = Duration::from_secs(60 * 60);

/// How asking about one certificate has gone so far, and when it goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    asked_at: Option<UnixTime>,
    failures: u32,
}

impl Schedule {
    /// After an answer at the instant `at`.
    #[must_use]
    pub fn answered(self, at: UnixTime) -> Self {
        Self {
            asked_at: Some(at),
            failures: 0,
        }
    }

    /// After a failure at the instant `at`.
    #[must_use]
    pub fn failed(self, at: UnixTime) -> Self {
        Self {
            asked_at: Some(at),
            failures: self.failures.saturating_add(1),
        }
    }

    /// How often asking has failed since the last answer.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether to ask at the instant `now`. Where the last time lies ahead, the clock has been set back.
    pub fn is_due(&self, staple: Option<&Staple>, now: UnixTime) -> bool {
        now >= self.next(staple) || self.asked_at.is_some_and(|asked_at| now < asked_at)
    }

    /// When to ask next, `staple` being what there is.
    pub fn next(&self, staple: Option<&Staple>) -> UnixTime {
        let refresh_at = staple.map_or(UnixTime::since_unix_epoch(Duration::ZERO), Staple::refresh_at);
        let Some(asked_at) = self.asked_at else {
            return refresh_at;
        };
        let pause = match self.failures {
            0 => pause_after_answer(staple, asked_at),
            failures => FIRST_RETRY.saturating_mul(2_u32.saturating_pow(failures - 1)),
        };
        refresh_at.max(later(asked_at, pause.clamp(FIRST_RETRY, LAST_RETRY)))
    }
}

/// A responder may well give the same answer until shortly before its end: then half of what is left is waited for.
fn pause_after_answer(staple: Option<&Staple>, asked_at: UnixTime) -> Duration {
    let end = staple.map_or(asked_at, Staple::good_until);
    Duration::from_secs(end.as_secs().saturating_sub(asked_at.as_secs()) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn without_a_staple_the_responder_is_asked_at_once_and_with_one_halfway() {
        let schedule = Schedule::default();
        assert_eq!(schedule.next(None), at(0));
        assert_eq!(schedule.next(Some(&Staple::spanning(1_000, 5_000))), at(3_000));
        let answered = schedule.answered(at(1_001));
        assert_eq!(answered.next(Some(&Staple::spanning(1_000, 100_000))), at(50_500));
    }

    #[test]
    fn a_staple_for_a_year_is_not_the_last_word_for_half_a_year() {
        let year = Staple::spanning(0, 365 * 24 * HOUR);
        assert_eq!(Schedule::default().next(Some(&year)), at(4 * 24 * HOUR));
        let week = Staple::spanning(0, 7 * 24 * HOUR);
        assert_eq!(Schedule::default().next(Some(&week)), at(84 * HOUR));
    }

    #[test]
    fn the_same_answer_over_and_over_is_asked_for_ever_sooner_but_not_in_a_rush() {
        let staple = Staple::spanning(0, 100 * HOUR);
        let next = |asked_at| Schedule::default().answered(at(asked_at)).next(Some(&staple));
        assert_eq!(next(60 * HOUR), at(61 * HOUR));
        assert_eq!(next(99 * HOUR), at(99 * HOUR + HOUR / 2));
        assert_eq!(next(100 * HOUR - 10), at(100 * HOUR + 50));
    }

    #[test]
    fn a_responder_that_fails_is_asked_half_as_often_each_time_down_to_once_an_hour() {
        let mut schedule = Schedule::default();
        let pauses: Vec<u64> = (0..9)
            .map(|_| {
                schedule = schedule.failed(at(1_000));
                schedule.next(None).as_secs() - 1_000
            })
            .collect();
        assert_eq!(pauses, [60, 120, 240, 480, 960, 1_920, HOUR, HOUR, HOUR]);
        for _ in 0..100 {
            schedule = schedule.failed(at(1_000));
        }
        assert_eq!(schedule.next(None), at(1_000 + HOUR));
        assert_eq!(schedule.answered(at(9)).failures(), 0);
    }

    #[test]
    fn a_clock_set_back_delays_nothing() {
        let failed = Schedule::default().failed(at(1_000_000));
        assert!(!failed.is_due(None, at(1_000_059)));
        assert!(failed.is_due(None, at(1_000_060)));
        assert!(failed.is_due(None, at(5)));
    }
}
