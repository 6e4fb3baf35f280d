//! GeneralizedTime as RFC 5280 section 4.1.2.5.2 restricts it: `YYYYMMDDHHMMSSZ`.

use std::time::Duration;

use rustls_pki_types::UnixTime;
use time::{Date, Month, PrimitiveDateTime, Time};

use super::Error;

/// The instant that `content` names.
pub(super) fn generalized_time(content: &[u8], name: &'static str) -> Result<UnixTime, Error> {
    read(content).ok_or(Error::Malformed(name))
}

fn read(content: &[u8]) -> Option<UnixTime> {
    let digits = content.strip_suffix(b"Z")?;
    if digits.len() != 14 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |from: usize, to: usize| std::str::from_utf8(digits.get(from..to)?).ok()?.parse::<u16>().ok();
    let small = |from: usize| u8::try_from(number(from, from + 2)?).ok();
    let month = Month::try_from(small(4)?).ok()?;
    let date = Date::from_calendar_date(i32::from(number(0, 4)?), month, small(6)?).ok()?;
    let time = Time::from_hms(small(8)?, small(10)?, small(12)?).ok()?;
    let seconds = PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp();
    Some(UnixTime::since_unix_epoch(Duration::from_secs(
        u64::try_from(seconds).ok()?,
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_read_to_the_second() {
        let read = generalized_time(b"20260601000130Z", "x").unwrap();
        assert_eq!(read.as_secs(), 1_780_272_090);
    }

    #[test]
    fn other_forms_and_dates_that_do_not_exist_are_refused() {
        for text in [
            "",
            "Z",
            "20260601000000",
            "202606010000Z",
            "20260601000000.5Z",
            "20260601000000+0100",
            "20260631000000Z",
            "20260601240000Z",
            "19691231235959Z",
            "2026060100000+Z",
        ] {
            assert!(generalized_time(text.as_bytes(), "x").is_err(), "{text}");
        }
    }
}
