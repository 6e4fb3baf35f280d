//! Times and spans as people read them.

use std::time::Duration;

use maud::{Markup, html};
use rustls::pki_types::UnixTime;

use crate::chain::rfc3339;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// `2026-12-16 04:00 UTC`.
pub(super) fn moment(time: UnixTime) -> String {
    let text = rfc3339(time);
    match (text.get(..10), text.get(11..16)) {
        (Some(date), Some(clock)) => format!("{date} {clock} UTC"),
        _ => text,
    }
}

/// `2026-12-16`.
pub(super) fn date(time: UnixTime) -> String {
    let text = rfc3339(time);
    text.get(..10).map(str::to_owned).unwrap_or(text)
}

/// A time for people, which programs can read too.
pub(super) fn time(at: UnixTime, text: &str) -> Markup {
    html! { time datetime=(rfc3339(at)) title=(moment(at)) { (text) } }
}

/// `4 minutes`, in the unit that tells most.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (count, unit) = match seconds {
        0..MINUTE => (seconds, "second"),
        MINUTE..HOUR => (seconds / MINUTE, "minute"),
        _ if seconds < 2 * DAY => (seconds / HOUR, "hour"),
        _ => (seconds / DAY, "day"),
    };
    counted(count, unit)
}

/// `4 minutes ago`, seen from `now`.
pub(super) fn ago(at: UnixTime, now: UnixTime) -> String {
    match now.as_secs().saturating_sub(at.as_secs()) {
        0..5 => "just now".to_owned(),
        seconds => format!("{} ago", span(Duration::from_secs(seconds))),
    }
}

/// `1 day`, `2 days`.
pub(super) fn counted(count: u64, unit: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn times_are_short_and_spans_in_the_unit_that_tells_most() {
        assert_eq!(moment(at(1_780_272_061)), "2026-06-01 00:01 UTC");
        assert_eq!(date(at(1_780_272_061)), "2026-06-01");
        for (seconds, expected) in [
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "1 minute"),
            (3_600, "1 hour"),
            (47 * 3_600, "47 hours"),
            (48 * 3_600, "2 days"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), expected);
        }
        assert_eq!(ago(at(100), at(100)), "just now");
        assert_eq!(ago(at(100), at(40)), "just now");
        assert_eq!(ago(at(40), at(100)), "1 minute ago");
    }
}
