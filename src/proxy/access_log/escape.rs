//! Bytes from outside as text of one line. Each format has its own way, and none lets a client write a line, a field or
//! a terminal's control sequence of its own.

use std::borrow::Cow;
use std::fmt;

/// Bytes as ASCII: what could forge a line or steer a terminal, and the backslash, is written as `\xNN`.
pub(in crate::proxy) struct Escaped<'a>(pub(in crate::proxy) &'a [u8]);

impl<'a> Escaped<'a> {
    /// The text, copied only where something has to be escaped.
    pub(in crate::proxy) fn text(&self) -> Cow<'a, str> {
        match str::from_utf8(self.0) {
            Ok(text) if self.0.iter().all(stands_as_it_is) => Cow::Borrowed(text),
            _ => Cow::Owned(self.to_string()),
        }
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for run in self
            .0
            .chunk_by(|one, next| stands_as_it_is(one) == stands_as_it_is(next))
        {
            match str::from_utf8(run) {
                Ok(text) if run.iter().all(stands_as_it_is) => formatter.write_str(text)?,
                _ => run.iter().try_for_each(|byte| write!(formatter, "\\x{byte:02x}"))?,
            }
        }
        Ok(())
    }
}

/// Puts `bytes` into a JSON string (RFC 8259 section 7), escaped as [`Escaped`] before, so that bytes which are no
/// UTF-8 can be told from text.
pub(super) fn json(line: &mut Vec<u8>, bytes: &[u8]) {
    each_run(
        line,
        bytes,
        |byte| stands_as_it_is(byte) && *byte != b'"',
        |line, byte| match byte {
            b'"' => line.extend_from_slice(b"\\\""),
            _ => {
                line.extend_from_slice(b"\\\\x");
                line.extend_from_slice(&hexadecimal(byte, b"0123456789abcdef"));
            }
        },
    );
}

/// As nginx escapes variables in a log: `"`, `\`, control bytes and whatever is no ASCII become `\xNN`
/// (`ngx_http_log_escape`).
pub(super) fn nginx(line: &mut Vec<u8>, bytes: &[u8]) {
    each_run(
        line,
        bytes,
        |byte| stands_as_it_is(byte) && *byte != b'"',
        |line, byte| {
            line.extend_from_slice(b"\\x");
            line.extend_from_slice(&hexadecimal(byte, b"0123456789ABCDEF"));
        },
    );
}

/// As a field of the W3C extended format: `+` for a blank, as IIS has it, and what could end a field or a line, or is
/// no ASCII, percent-encoded. The backslash of `DOMAIN\user` stays.
pub(super) fn w3c(line: &mut Vec<u8>, bytes: &[u8]) {
    each_run(
        line,
        bytes,
        |byte| matches!(byte, b'!' | b'#'..=b'~'),
        |line, byte| match byte {
            b' ' => line.push(b'+'),
            _ => {
                line.push(b'%');
                line.extend_from_slice(&hexadecimal(byte, b"0123456789ABCDEF"));
            }
        },
    );
}

/// Copies `bytes`, run by run where they stand as they are and byte by byte where not: nearly all are one whole run.
fn each_run(line: &mut Vec<u8>, bytes: &[u8], stands: impl Fn(&u8) -> bool, escape: impl Fn(&mut Vec<u8>, u8)) {
    for run in bytes.chunk_by(|one, next| stands(one) == stands(next)) {
        match run.first().is_some_and(&stands) {
            true => line.extend_from_slice(run),
            false => run.iter().for_each(|byte| escape(line, *byte)),
        }
    }
}

fn hexadecimal(byte: u8, digits: &[u8; 16]) -> [u8; 2] {
    let digit = |nibble: u8| digits.get(usize::from(nibble)).copied().unwrap_or(b'?');
    [digit(byte >> 4), digit(byte & 15)]
}

fn stands_as_it_is(byte: &u8) -> bool {
    matches!(byte, b' '..=b'~') && *byte != b'\\'
}

#[cfg(test)]
mod tests {
    use super::*;

    const ODD: &[u8] = b"/a b+c\r\n\t\0\x1b[2J\\\"\x7f\xff";

    #[test]
    fn bytes_that_could_forge_a_line_are_escaped() {
        assert_eq!(
            Escaped(b"/a b\r\n\x1b[2J\\\xff\"").to_string(),
            "/a b\\x0d\\x0a\\x1b[2J\\x5c\\xff\""
        );
        assert_eq!(Escaped(b"\r\n").text(), "\\x0d\\x0a");
        assert_eq!(Escaped("a\u{9b}".as_bytes()).text(), "a\\xc2\\x9b");
    }

    #[test]
    fn what_needs_no_escape_is_not_copied() {
        assert!(matches!(
            Escaped(b"Mozilla/5.0 (X11)").text(),
            Cow::Borrowed("Mozilla/5.0 (X11)")
        ));
        assert!(matches!(Escaped(b"").text(), Cow::Borrowed("")));
    }

    #[test]
    fn each_format_has_its_own_way_and_none_lets_a_control_byte_through() {
        assert_eq!(
            escaped(json, ODD),
            r#"/a b+c\\x0d\\x0a\\x09\\x00\\x1b[2J\\x5c\"\\x7f\\xff"#
        );
        assert_eq!(escaped(nginx, ODD), r#"/a b+c\x0D\x0A\x09\x00\x1B[2J\x5C\x22\x7F\xFF"#);
        assert_eq!(escaped(w3c, ODD), r#"/a+b+c%0D%0A%09%00%1B[2J\%22%7F%FF"#);
        let every: Vec<u8> = (0..=255).collect();
        for escape in [json, nginx, w3c] {
            let text = escaped(escape, &every);
            assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{text}");
        }
        assert!(!escaped(w3c, &every).contains(' '));
    }

    fn escaped(escape: fn(&mut Vec<u8>, &[u8]), bytes: &[u8]) -> String {
        let mut line = Vec::new();
        escape(&mut line, bytes);
        String::from_utf8(line).unwrap()
    }
}
