//! Instants and spans as text.

use std::time::Duration;

use rustls_pki_types::UnixTime;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// `time` in UTC as RFC 3339 writes it, to the second.
pub fn rfc3339(time: UnixTime) -> String {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(&Rfc3339).ok())
        // RFC 3339 has four digits for the year.
        .unwrap_or_else(|| format!("{} seconds after 1970", time.as_secs()))
}

/// A time that is left, in the unit that tells most: hours on the last two days, then days.
pub fn in_words(left: Duration) -> String {
    const HOUR: u64 = 3_600;
    const DAY: u64 = 24 * HOUR;
    let (count, unit) = match left.as_secs() {
        seconds if seconds < HOUR => return "less than an hour".to_owned(),
        seconds if seconds < 2 * DAY => (seconds / HOUR, "hour"),
        seconds => (seconds / DAY, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_in_hours_on_the_last_two_days() {
        for (seconds, expected) in [
            (10 * 86_400, "10 days"),
            (2 * 86_400, "2 days"),
            (2 * 86_400 - 1, "47 hours"),
            (3_600, "1 hour"),
            (3_599, "less than an hour"),
            (0, "less than an hour"),
        ] {
            assert_eq!(in_words(Duration::from_secs(seconds)), expected);
        }
    }
}
