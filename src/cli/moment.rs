//! Instants and spans as the command line takes and shows them.

use std::time::Duration;

use rustls_pki_types::UnixTime;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::chain::{in_words, rfc3339};

const DAY: u64 = 86_400;

/// What `--at` takes, for the help.
pub(super) const AT: &str = "As of this time instead of now: 2030-01-31 (midnight UTC) or 2030-01-31T12:00:00Z";

/// An instant as RFC 3339 writes it, or a date: midnight UTC, where that day begins.
pub(super) fn parse_moment(text: &str) -> Result<UnixTime, String> {
    let is_date = text.len() == "2030-01-01".len();
    let whole = if is_date {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    };
    let time = OffsetDateTime::parse(&whole, &Rfc3339)
        .map_err(|error| format!("{error}; write 2030-01-31 or 2030-01-31T12:00:00Z"))?;
    let seconds = u64::try_from(time.unix_timestamp()).map_err(|_| "before 1970".to_owned())?;
    Ok(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
}

/// The day of an instant, in UTC.
pub(super) fn date(time: UnixTime) -> String {
    let text = rfc3339(time);
    text.split('T').next().unwrap_or_default().to_owned()
}

/// How much is left from `now` until `until`, in the unit that tells most.
pub(super) fn left(until: UnixTime, now: UnixTime) -> String {
    match until.as_secs().checked_sub(now.as_secs()) {
        None => "expired".to_owned(),
        Some(seconds) => in_words(Duration::from_secs(seconds)),
    }
}

/// Whole days from `now` until `until`.
pub(super) fn days(until: UnixTime, now: UnixTime) -> u64 {
    until.as_secs().saturating_sub(now.as_secs()) / DAY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_rfc_3339_or_a_date_and_not_before_1970() {
        for (text, seconds) in [
            ("1970-01-01T01:00:01+01:00", 1),
            ("1970-01-02", 86_400),
            ("2027-01-31", 1_801_353_600),
            ("2027-01-31T00:00:00Z", 1_801_353_600),
        ] {
            assert_eq!(parse_moment(text).map(|time| time.as_secs()), Ok(seconds), "{text}");
        }
        for text in [
            "yesterday",
            "2030-02-30",
            "31.01.2030",
            "2030-1-1",
            "1969-12-31T23:59:59Z",
            "",
        ] {
            assert!(parse_moment(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_over_has_expired() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        assert_eq!(left(at(10 * DAY), at(0)), "10 days");
        assert_eq!(left(at(0), at(1)), "expired");
    }
}
