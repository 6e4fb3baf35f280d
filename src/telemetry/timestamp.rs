//! The time at the start of a log line: RFC 3339, UTC, milliseconds.

use std::fmt;

use time::OffsetDateTime;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// Writes the present as `2026-11-22T15:04:05.123Z`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timestamp;

impl FormatTime for Timestamp {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", Moment(OffsetDateTime::now_utc()))
    }
}

/// A moment in UTC, as it stands in a log line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment(pub(crate) OffsetDateTime);

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(moment) = self;
        write!(
            formatter,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            moment.year(),
            u8::from(moment.month()),
            moment.day(),
            moment.hour(),
            moment.minute(),
            moment.second(),
            moment.millisecond(),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_moment_has_always_the_same_width() {
        let moment = OffsetDateTime::UNIX_EPOCH + Duration::from_millis(1_795_359_845_007);
        assert_eq!(Moment(moment).to_string(), "2026-11-22T15:04:05.007Z");
    }
}
