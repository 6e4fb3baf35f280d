//! Instants as text.

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
