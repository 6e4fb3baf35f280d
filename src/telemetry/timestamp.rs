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
        write(writer, OffsetDateTime::now_utc())
    }
}

/// `moment` is in UTC.
fn write(writer: &mut impl fmt::Write, moment: OffsetDateTime) -> fmt::Result {
    write!(
        writer,
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_moment_has_always_the_same_width() {
        let mut text = String::new();
        let moment = OffsetDateTime::UNIX_EPOCH + Duration::from_millis(1_795_359_845_007);
        write(&mut text, moment).unwrap();
        assert_eq!(text, "2026-11-22T15:04:05.007Z");
    }
}
