//! The combined format, byte for byte as nginx writes it (`log_format combined`):
//! `address - user [22/Nov/2026:15:04:05 +0000] "GET / HTTP/1.1" 200 512 "referer" "user agent"`.
//!
//! Two things differ: the time is UTC, since a process has no business with time zones; and a blank in a user name is
//! escaped, since nothing else keeps a name from passing for the fields after it.

use std::io::Write;

use super::escape;
use super::line::Line;

/// Appends the line.
pub(super) fn write(line: &mut Vec<u8>, of: &Line<'_>) {
    // Writing to memory does not fail.
    let _ = match of.client_address() {
        Some(address) => write!(line, "{address} - "),
        None => write!(line, "unix: - "),
    };
    user(line, of.user);
    let time = of.time;
    let _ = write!(
        line,
        " [{:02}/{}/{:04}:{:02}:{:02}:{:02} +0000] \"{} ",
        time.day(),
        month(time.month()),
        time.year(),
        time.hour(),
        time.minute(),
        time.second(),
        of.method,
    );
    escape::nginx(line, of.target);
    let _ = write!(line, " {}\" {} {} \"", of.protocol, of.status, of.bytes);
    field(line, of.referer);
    line.extend_from_slice(b"\" \"");
    field(line, of.user_agent);
    line.extend_from_slice(b"\"\n");
}

fn user(line: &mut Vec<u8>, user: Option<&[u8]>) {
    let start = line.len();
    field(line, user);
    if line.iter().skip(start).any(|byte| *byte == b' ') {
        let name = line.split_off(start);
        for byte in name {
            match byte {
                b' ' => line.extend_from_slice(b"\\x20"),
                _ => line.push(byte),
            }
        }
    }
}

/// A field that the request does not have is `-`, one that is empty stays empty.
fn field(line: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        Some(value) => escape::nginx(line, value),
        None => line.push(b'-'),
    }
}

fn month(month: time::Month) -> &'static str {
    match month {
        time::Month::January => "Jan",
        time::Month::February => "Feb",
        time::Month::March => "Mar",
        time::Month::April => "Apr",
        time::Month::May => "May",
        time::Month::June => "Jun",
        time::Month::July => "Jul",
        time::Month::August => "Aug",
        time::Month::September => "Sep",
        time::Month::October => "Oct",
        time::Month::November => "Nov",
        time::Month::December => "Dec",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::access_log::line::tests::{bare, hostile, plain};

    #[test]
    fn a_line_is_that_of_nginx() {
        assert_eq!(
            written(&plain()),
            "192.0.2.1 - alice [22/Nov/2026:15:04:05 +0000] \"GET /docs/a.html?lang=en HTTP/1.1\" 200 512 \
             \"https://b.test/start\" \"Mozilla/5.0 (X11)\"\n"
        );
    }

    #[test]
    fn what_is_not_there_is_a_hyphen_and_what_is_empty_is_empty() {
        assert_eq!(
            written(&bare()),
            "2001:db8::1 - - [22/Nov/2026:15:04:05 +0000] \"OPTIONS * HTTP/2.0\" 499 0 \"\" \"-\"\n"
        );
    }

    #[test]
    fn a_client_on_a_unix_socket_is_written_as_nginx_does() {
        let peer = crate::proxy::peer::Peer::Unix;
        assert!(written(&Line { peer, ..bare() }).starts_with("unix: - - ["));
    }

    #[test]
    fn whatever_comes_stays_in_its_field() {
        assert_eq!(
            written(&hostile()),
            "192.0.2.1 - mallory\\x22\\x20200\\x201\\x0D\\x0A\\x1B]0;owned\\x07\\x20\\xFF [22/Nov/2026:15:04:05 +0000] \
             \"GET /a b\\x0D\\x0Ac\\x22\\x5C\\x00\\x1B[2J?q=\\x22 \\xC2\\x9B\\x09# HTTP/1.1\" 502 512 \
             \"https://b.test/?a=b c\\x0A\" \"x\\x22 \\x22\\x0D\\x0AGET /forged\\x1B[31m\\x7F\\x85\"\n"
        );
    }

    #[test]
    fn days_have_two_digits_and_months_their_names() {
        let time = time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(31);
        assert!(written(&Line { time, ..bare() }).contains("[01/Feb/1970:00:00:00 +0000]"));
    }

    fn written(of: &Line<'_>) -> String {
        let mut line = Vec::new();
        write(&mut line, of);
        String::from_utf8(line).unwrap()
    }
}
