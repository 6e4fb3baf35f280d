//! When to ask again what nobody answered.

use std::time::Duration;

use rustls::pki_types::UnixTime;

/// A server that was restarting is back, and a network that came up after this process is there.
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// A dead responder is asked once a day, as long as the certificate names it.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The first instant at which to ask again, after `attempts` that failed, the last of them at `last`: a minute later,
/// then twice as long each time.
pub(super) fn next_attempt(attempts: u32, last: UnixTime) -> UnixTime {
    let doublings = attempts.saturating_sub(1).min(31);
    let wait = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
    UnixTime::since_unix_epoch(Duration::from_secs(last.as_secs()).saturating_add(wait))
}

/// Whether to ask at `now`. A last attempt that lies in the future was made by a wrong clock.
pub(super) fn is_due(attempts: u32, last: UnixTime, now: UnixTime) -> bool {
    now.as_secs() < last.as_secs() || now.as_secs() >= next_attempt(attempts, last).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn the_wait_doubles_from_a_minute_to_a_day() {
        let waits = (1..=13).map(|attempts| next_attempt(attempts, at(1_000)).as_secs() - 1_000);
        let minutes: Vec<_> = waits.map(|seconds| seconds / 60).collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 1_440, 1_440]);
        assert_eq!(next_attempt(u32::MAX, at(0)).as_secs(), 86_400);
        assert_eq!(next_attempt(1, at(u64::MAX)).as_secs(), u64::MAX);
    }

    #[test]
    fn a_clock_that_was_ahead_delays_nothing() {
        assert!(!is_due(1, at(1_000), at(1_059)));
        assert!(is_due(1, at(1_000), at(1_060)));
        assert!(is_due(20, at(1_000_000), at(1_000)));
    }
}
