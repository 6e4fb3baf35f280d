//! Durations and sizes as they are written: a whole number and its unit, such as `10s` or `128KiB`.
//!
//! A plain number is refused: half of the peers read `timeout = 30` as seconds, the other half as milliseconds.

use std::time::Duration;

use schemars::{Schema, json_schema};

use super::error::Problem;
use super::value::Value;

/// Milliseconds in each unit.
const DURATION_UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// A year: no timeout is meant to be longer, and adding it to a point in time never overflows.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// Roots live for decades; nothing that is looked ahead for lives longer.
const LONGEST_AHEAD: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Bytes in each unit.
const SIZE_UNITS: [(&str, usize); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads a duration: a whole number and one of `ms`, `s`, `m`, `h`, `d`.
///
/// # Errors
///
/// [`Problem`] with a hint of what to write.
pub fn parse_duration(text: &str) -> Result<Duration, Problem> {
    parse_up_to(LONGEST, "a year", text)
}

/// The same for a time to look ahead, which may be as long as certificates live.
///
/// # Errors
///
/// [`Problem`] with a hint of what to write.
pub fn parse_time_ahead(text: &str) -> Result<Duration, Problem> {
    parse_up_to(LONGEST_AHEAD, "a hundred years", text)
}

fn parse_up_to(longest: Duration, in_words: &str, text: &str) -> Result<Duration, Problem> {
    let mismatch = || Problem::mismatch(Duration::EXPECTED, format_args!("{text:?}"));
    let Some((number, unit)) = number_and_unit(text) else {
        return Err(mismatch().hint("a whole number and one of ms, s, m, h, d"));
    };
    if unit.is_empty() {
        return Err(Problem::new(format!("{text} of what?"))
            .hint(format!("write \"{text}s\" for seconds; the units are ms, s, m, h, d")));
    }
    let Some((_, milliseconds)) = DURATION_UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(mismatch().hint("the units are ms, s, m, h, d"));
    };
    number
        .checked_mul(*milliseconds)
        .map(Duration::from_millis)
        .filter(|duration| *duration <= longest)
        .ok_or_else(|| Problem::new(format!("{text} is longer than {in_words}")))
}

/// The shortest text that [`parse_duration`] reads as `duration`, to the millisecond.
pub(super) fn duration_text(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let (unit, size) = DURATION_UNITS
        .iter()
        .find(|(_, size)| milliseconds != 0 && milliseconds.is_multiple_of(u128::from(*size)))
        .unwrap_or(&("s", 1_000));
    format!("{}{unit}", milliseconds / u128::from(*size))
}

impl Value for Duration {
    const NAME: &'static str = "DURATION";
    const EXPECTED: &'static str = "a duration such as \"10s\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        parse_duration(text)
    }

    fn of_number(number: i64) -> Result<Self, Problem> {
        parse_duration(&number.to_string())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+ ?(ms|s|m|h|d)$" })
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ByteSize(pub(super) usize);

impl ByteSize {
    /// The shortest text that reads as this size.
    pub(super) fn text(self) -> String {
        let (unit, size) = SIZE_UNITS
            .iter()
            .find(|(_, size)| self.0 != 0 && self.0.is_multiple_of(*size))
            .unwrap_or(&("B", 1));
        format!("{}{unit}", self.0 / size)
    }
}

impl Value for ByteSize {
    const NAME: &'static str = "SIZE";
    const EXPECTED: &'static str = "a size such as \"128KiB\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        const UNITS: &str = "the units are B, KiB, MiB, GiB (1KiB is 1024 bytes)";
        let mismatch = || Problem::mismatch(Self::EXPECTED, format_args!("{text:?}")).hint(UNITS);
        let (number, unit) = number_and_unit(text).ok_or_else(mismatch)?;
        if unit.is_empty() {
            return Err(Problem::new(format!("{text} of what?")).hint(format!("write \"{text}B\" for bytes; {UNITS}")));
        }
        let (_, bytes) = SIZE_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(mismatch)?;
        usize::try_from(number)
            .ok()
            .and_then(|number| number.checked_mul(*bytes))
            .map(Self)
            .ok_or_else(|| Problem::new(format!("{text} is more than this machine can address")))
    }

    fn of_number(number: i64) -> Result<Self, Problem> {
        Self::parse(&number.to_string())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+ ?(B|KiB|MiB|GiB)$" })
    }
}

/// A number of bytes that a body may have, or any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BodyLimit(pub(super) Option<u64>);

impl Value for BodyLimit {
    const NAME: &'static str = "off|SIZE";
    const EXPECTED: &'static str = "\"off\" or a size such as \"10MiB\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "off" => Ok(Self(None)),
            _ if number_and_unit(text).is_none() => Err(Self::mismatch(text)),
            _ => ByteSize::parse(text).map(|ByteSize(bytes)| Self(Some(bytes as u64))),
        }
    }

    fn of_number(number: i64) -> Result<Self, Problem> {
        Self::parse(&number.to_string())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^(off|[0-9]+ ?(B|KiB|MiB|GiB))$" })
    }
}

/// `10 s` -> 10 and `s`.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    Some((digits.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_limit_is_a_size_or_off() {
        assert_eq!(BodyLimit::parse("off"), Ok(BodyLimit(None)));
        assert_eq!(BodyLimit::parse("2KiB"), Ok(BodyLimit(Some(2048))));
        assert_eq!(BodyLimit::parse("0B"), Ok(BodyLimit(Some(0))));
        assert!(BodyLimit::parse("none").is_err() && BodyLimit::of_number(5).is_err());
    }

    #[test]
    fn a_duration_reads_back_from_its_own_text() {
        for text in ["500ms", "1500ms", "10s", "2m", "90s", "36h", "7d", "0s"] {
            assert_eq!(duration_text(parse_duration(text).unwrap()), text);
        }
        assert_eq!(parse_duration(" 10 s "), Ok(Duration::from_secs(10)));
        assert_eq!(duration_text(Duration::from_secs(60)), "1m");
    }

    #[test]
    fn what_is_looked_ahead_for_may_be_as_far_away_as_the_end_of_a_root() {
        assert_eq!(parse_time_ahead("7300d"), Ok(Duration::from_secs(7300 * 86_400)));
        assert!(parse_time_ahead("36500d").is_ok());
        assert!(parse_time_ahead("36501d").is_err());
        assert!(parse_duration("366d").is_err());
    }

    #[test]
    fn a_duration_without_a_unit_is_refused_with_a_hint() {
        let problem = Duration::of_number(10).unwrap_err();
        assert_eq!(problem.message, "10 of what?");
        assert!(problem.hint.unwrap().contains("\"10s\""));
    }

    #[test]
    fn whatever_is_not_a_whole_number_and_a_unit_is_refused() {
        for text in [
            "",
            "s",
            "-1s",
            "1.5s",
            "10 seconds",
            "1m30s",
            "99999999999999999999s",
            "366d",
            "18446744073709551615d",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        for text in [
            "",
            "KiB",
            "128KB",
            "128k",
            "-1B",
            "99999999999999999999B",
            "18446744073709551615GiB",
            "128",
        ] {
            assert!(ByteSize::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_size_reads_back_from_its_own_text() {
        for text in ["0B", "1B", "1023B", "128KiB", "1MiB", "3GiB"] {
            assert_eq!(ByteSize::parse(text).unwrap().text(), text);
        }
    }
}
