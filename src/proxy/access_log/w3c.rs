//! The W3C extended format (W3C working draft WD-logfile-960323), with the fields that IIS writes by default in the
//! order of IIS, so that what reads IIS' logs reads these; then some that IIS has too, and the cause of a failure.
//!
//! Times are UTC, `time-taken` is in milliseconds. The bytes are those of bodies: what headers take once HTTP/2 has
//! compressed them is not known. `sc-win32-status` is 64 (the network name is no longer available) where the client or
//! the server left in the middle, as IIS has it, else 0.

use std::io::Write;

use time::OffsetDateTime;

use super::escape;
use super::line::{End, Line, milliseconds};

/// `ERROR_NETNAME_DELETED`
const LEFT: u8 = 64;

/// The directives that tell what the lines after them hold, as of `now` in UTC.
pub(in crate::proxy) fn header(now: OffsetDateTime) -> Vec<u8> {
    let mut text = concat!(
        "#Software: fullchain ",
        env!("CARGO_PKG_VERSION"),
        "\n#Version: 1.0\n#Date: "
    )
    .as_bytes()
    .to_vec();
    instant(&mut text, now);
    text.extend_from_slice(
        b"\n#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) \
          cs(Referer) sc-status sc-substatus sc-win32-status time-taken sc-bytes cs-bytes cs-host cs-version x-cause\n",
    );
    text
}

/// Appends the line.
pub(super) fn write(line: &mut Vec<u8>, of: &Line<'_>) {
    instant(line, of.time);
    address(line, of.local.map(|local| local.ip()));
    field(line, Some(of.method.as_bytes()));
    field(line, Some(of.path()));
    field(line, of.query());
    // Writing to memory does not fail.
    let _ = match of.local {
        Some(local) => write!(line, " {}", local.port()),
        None => write!(line, " -"),
    };
    field(line, of.user);
    address(line, of.client_address());
    field(line, of.user_agent);
    field(line, of.referer);
    let win32 = if of.end == End::Complete { 0 } else { LEFT };
    let time_taken = milliseconds(of.duration);
    let _ = write!(
        line,
        " {} 0 {win32} {time_taken} {} {}",
        of.status, of.bytes, of.bytes_in
    );
    field(line, of.host);
    field(line, Some(of.protocol.as_bytes()));
    field(line, of.cause.map(str::as_bytes));
    line.push(b'\n');
}

/// A date and a time.
fn instant(line: &mut Vec<u8>, time: OffsetDateTime) {
    let _ = write!(
        line,
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
    );
}

fn address(line: &mut Vec<u8>, address: Option<std::net::IpAddr>) {
    let _ = match address {
        Some(address) => write!(line, " {}", address.to_canonical()),
        None => write!(line, " -"),
    };
}

/// What is not there, or empty, is `-`.
fn field(line: &mut Vec<u8>, value: Option<&[u8]>) {
    line.push(b' ');
    match value {
        Some(value) if !value.is_empty() => escape::w3c(line, value),
        _ => line.push(b'-'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::access_log::line::tests::{bare, hostile, plain};

    #[test]
    fn the_header_names_every_field_that_a_line_has() {
        let text = String::from_utf8(header(plain().time)).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("#Software: fullchain "));
        assert_eq!(lines[1..3], ["#Version: 1.0", "#Date: 2026-11-22 15:04:05"]);
        let fields = lines[3].strip_prefix("#Fields: ").unwrap();
        assert!(fields.starts_with(
            "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) \
             sc-status sc-substatus sc-win32-status time-taken "
        ));
        for of in [plain(), bare(), hostile()] {
            assert_eq!(written(&of).split(' ').count(), fields.split(' ').count());
        }
    }

    #[test]
    fn a_line_is_that_of_iis() {
        assert_eq!(
            written(&plain()),
            "2026-11-22 15:04:05 198.51.100.7 GET /docs/a.html lang=en 8443 alice 192.0.2.1 Mozilla/5.0+(X11) \
             https://b.test/start 200 0 0 12 512 3 a.test HTTP/1.1 -\n"
        );
    }

    #[test]
    fn what_is_not_there_is_a_hyphen() {
        assert_eq!(
            written(&bare()),
            "2026-11-22 15:04:05 - OPTIONS * - - - 2001:db8::1 - - 499 0 64 0 0 0 - HTTP/2.0 -\n"
        );
    }

    #[test]
    fn whatever_comes_stays_in_its_field() {
        assert_eq!(
            written(&hostile()),
            "2026-11-22 15:04:05 198.51.100.7 GET /a+b%0D%0Ac%22\\%00%1B[2J q=%22+%C2%9B%09# 8443 \
             mallory%22+200+1%0D%0A%1B]0;owned%07+%FF 192.0.2.1 x%22+%22%0D%0AGET+/forged%1B[31m%7F%85 \
             https://b.test/?a=b+c%0A 502 0 64 12 512 3 a.test%22+x%0D%0A%FF HTTP/1.1 refused\n"
        );
    }

    #[test]
    fn the_account_of_a_domain_reads_as_in_iis() {
        let user = Some(&b"CONTOSO\\alice"[..]);
        assert!(written(&Line { user, ..plain() }).contains(" CONTOSO\\alice "));
    }

    fn written(of: &Line<'_>) -> String {
        let mut line = Vec::new();
        write(&mut line, of);
        String::from_utf8(line).unwrap()
    }
}
