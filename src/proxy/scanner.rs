//! Where HTTP/1.1 requests begin and end, found a second time and strictly.
//!
//! hyper reads chunk extensions leniently, takes LF for CRLF, and hides that a request had Content-Length beside
//! Transfer-Encoding or twice: all are how requests are smuggled. Nor does it tell what came with a request for another
//! protocol. The scanner looks at nothing else, since hyper refuses the rest, and keeps at most a line: bodies of known
//! length are counted off, chunks too.

use std::mem::take;

use super::headers::framing::Doubt;

/// Bytes of a line of a header section that are kept when it comes in parts: the names and values that matter fit.
const HEADER_LINE: usize = 64;

/// Bytes of a line of chunked coding: hyper's own limit for all extensions, and for all trailers, of a message.
const CHUNK_LINE: usize = 16 * 1024;

/// Follows what one client sends.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    state: State,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    /// The last byte of what has come of that line, which may be more than is kept.
    last: u8,
    head: Head,
    /// Header sections that are complete.
    heads: u64,
    /// What was scanned last is a header section that asks for another protocol.
    asks_for_upgrade: bool,
    doubt: Option<(u64, Doubt)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Empty lines may come before a request (RFC 9112 section 2.2).
    #[default]
    Between,
    Header,
    /// So many bytes, and then the next request.
    Body(u64),
    ChunkSize,
    /// So many bytes with the end of their line, and then the next chunk.
    Chunk(u64),
    Trailers,
    /// Whatever comes is not going to be read as a request.
    Over,
}

/// What a header section says of its body.
#[derive(Debug, Default)]
struct Head {
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
    unreadable: bool,
}

/// Malformed chunked coding.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// How many bytes of those scanned come before the malformed line.
    pub(super) good: usize,
}

/// A line that must not be.
struct Malformed;

impl Scanner {
    /// Goes through the next bytes.
    ///
    /// # Errors
    ///
    /// [`Fault`] where the chunked coding is not what RFC 9112 section 7.1 says; nothing may be scanned after it.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut rest = bytes;
        // What comes later may be what the new protocol begins with.
        self.asks_for_upgrade = false;
        while !rest.is_empty() {
            if take(&mut self.asks_for_upgrade) {
                self.doubt = Some((self.heads - 1, Doubt::Upgrade));
                self.state = State::Over;
            }
            let good = bytes.len() - rest.len();
            rest = match self.state {
                State::Over => return Ok(()),
                State::Body(left) => self.count_off(left, rest, State::Body, State::Between),
                State::Chunk(left) => self.count_off(left, rest, State::Chunk, State::ChunkSize),
                State::Between | State::Header | State::ChunkSize | State::Trailers => {
                    self.take_line(rest).map_err(|Malformed| Fault { good })?
                }
            };
        }
        Ok(())
    }

    /// Whether what has come ends within a header section.
    pub(super) fn is_in_header(&self) -> bool {
        match self.state {
            State::Header => true,
            State::Between => self.line.first().is_some_and(|byte| *byte != b'\r'),
            _ => false,
        }
    }

    /// The number of the request, from 0, about which there is a doubt; the last that is scanned.
    pub(super) fn doubt(&self) -> Option<(u64, Doubt)> {
        self.doubt
    }

    fn count_off<'a>(&mut self, left: u64, bytes: &'a [u8], more: fn(u64) -> State, then: State) -> &'a [u8] {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let left = left - count as u64;
        self.state = if left == 0 { then } else { more(left) };
        bytes.get(count..).unwrap_or_default()
    }

    /// Takes a line, or as much of it as there is; the bytes after it.
    fn take_line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Malformed> {
        let end = bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        if end.is_some() && matches!(self.state, State::Between | State::Header) {
            let before = part.iter().rev().nth(1);
            // RFC 9112 section 2.2 lets a recipient take LF alone; readers who do and who do not see different heads.
            self.head.unreadable |= *before.unwrap_or(&self.last) != b'\r';
        }
        self.last = part.last().copied().unwrap_or_default();
        if end.is_some() && self.line.is_empty() {
            self.end_line(part)?;
            return Ok(rest);
        }
        if matches!(self.state, State::Between | State::Header) {
            let room = HEADER_LINE.saturating_sub(self.line.len());
            self.line.extend_from_slice(part.get(..room).unwrap_or(part));
        } else if self.line.len() + part.len() > CHUNK_LINE {
            return Err(Malformed);
        } else {
            self.line.extend_from_slice(part);
        }
        if end.is_some() {
            let line = take(&mut self.line);
            self.end_line(&line)?;
        }
        Ok(rest)
    }

    /// `line` is whole but for what is too long in a header section.
    fn end_line(&mut self, line: &[u8]) -> Result<(), Malformed> {
        let empty = matches!(line, b"\r\n" | b"\n");
        match self.state {
            State::Between if empty => {}
            State::Between => self.state = State::Header,
            State::Header if empty => self.end_head(),
            State::Header => self.head.read(line),
            State::ChunkSize => {
                self.state = match chunk_size(line).ok_or(Malformed)? {
                    0 => State::Trailers,
                    size => State::Chunk(size.checked_add(2).ok_or(Malformed)?),
                }
            }
            State::Trailers if line == b"\r\n" => self.state = State::Between,
            // hyper takes a lone LF for a part of the trailer.
            State::Trailers if line.ends_with(b"\r\n") => {}
            State::Trailers => return Err(Malformed),
            State::Body(_) | State::Chunk(_) | State::Over => {}
        }
        Ok(())
    }

    fn end_head(&mut self) {
        let head = take(&mut self.head);
        self.state = match (head.length, head.chunked) {
            _ if head.unreadable => State::Over,
            (Some(_), true) => State::Over,
            (None, true) => State::ChunkSize,
            (None | Some(0), false) => State::Between,
            (Some(length), false) => State::Body(length),
        };
        if self.state == State::Over {
            self.doubt = Some((self.heads, Doubt::End));
        }
        self.asks_for_upgrade = head.upgrade && self.state == State::Between;
        self.heads += 1;
    }
}

impl Head {
    /// Reads a field, if it is one of the three.
    fn read(&mut self, line: &[u8]) {
        if value(line, b"upgrade:").is_some() {
            self.upgrade = true;
        } else if value(line, b"transfer-encoding:").is_some() {
            // Anything but `chunked` is refused and closes the connection.
            self.chunked = true;
        } else if let Some(value) = value(line, b"content-length:") {
            let digits = line.ends_with(b"\n").then(|| value.trim_ascii());
            match digits.and_then(|digits| number(digits, 10)) {
                Some(length) if self.length.is_none() => self.length = Some(length),
                _ => self.unreadable = true,
            }
        }
    }
}

/// The value of the field on `line`, where it has this name, given in lower case and with its colon.
fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(value)
}

/// The size that a chunk's first line tells. RFC 9112 section 7.1.1 has blanks around `;` and `=` removed; here they
/// are malformed, since implementations disagree about them and nobody is known to send them.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"\r\n")?;
    let end = line.iter().position(|byte| *byte == b';').unwrap_or(line.len());
    let (size, mut extensions) = line.split_at(end);
    while let Some(extension) = extensions.strip_prefix(b";") {
        extensions = after_token(extension)?;
        if let Some(value) = extensions.strip_prefix(b"=") {
            extensions = match value.strip_prefix(b"\"") {
                Some(quoted) => after_quoted(quoted)?,
                None => after_token(value)?,
            };
        }
    }
    if extensions.is_empty() { number(size, 16) } else { None }
}

/// What comes after a token (RFC 9110 section 5.6.2).
fn after_token(bytes: &[u8]) -> Option<&[u8]> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let length = bytes.iter().take_while(|byte| is_token(byte)).count();
    if length == 0 { None } else { bytes.get(length..) }
}

/// What comes after a quoted string whose first quote is gone (RFC 9110 section 5.6.4).
fn after_quoted(mut bytes: &[u8]) -> Option<&[u8]> {
    let is_text = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
    loop {
        bytes = match bytes {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', escaped, rest @ ..] if is_text(*escaped) => rest,
            [byte, rest @ ..] if is_text(*byte) && *byte != b'\\' => rest,
            _ => return None,
        };
    }
}

/// Digits and nothing else.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let add = |number: u64, byte: &u8| {
        let digit = char::from(*byte).to_digit(radix)?;
        number.checked_mul(u64::from(radix))?.checked_add(u64::from(digit))
    };
    let value = digits.iter().try_fold(0, add)?;
    (!digits.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    #[test]
    fn requests_are_followed_one_after_the_other_however_they_are_cut() {
        let text = format!(
            "\r\n{GET}POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello{CHUNKED}5;a=b;c=\"d\\\"\"\r\nhello\r\n0\r\nX: y\r\n\r\n{GET}"
        );
        for size in [1, 2, 7, 64, text.len()] {
            let mut scanner = Scanner::default();
            for part in text.as_bytes().chunks(size) {
                assert_eq!(scanner.scan(part), Ok(()));
            }
            assert_eq!((scanner.heads, scanner.state), (4, State::Between), "{size}");
            assert_eq!(scanner.doubt(), None);
        }
    }

    #[test]
    fn both_framing_fields_are_ambiguous_whatever_came_before() {
        let zeros = "0".repeat(100);
        for fields in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "TRANSFER-ENCODING:chunked\r\nX: y\r\ncontent-length:5",
            "Content-Length: 5, 5",
            "Content-Length: +5",
            "Content-Length: 5\r\nContent-Length: 5",
            "X: y\nZ: y",
            &format!("X: {zeros}\nZ: y"),
            &format!("Content-Length: {zeros}"),
        ] {
            for size in [1, 1000] {
                let text = format!("{GET}POST / HTTP/1.1\r\n{fields}\r\n\r\n");
                let mut scanner = Scanner::default();
                for part in text.as_bytes().chunks(size) {
                    scanner.scan(part).unwrap();
                }
                // Zeros in one go are a number.
                let expected = (!fields.ends_with(&zeros) || size == 1).then_some(1);
                assert_eq!(
                    scanner.doubt(),
                    expected.map(|number| (number, Doubt::End)),
                    "{fields} by {size}"
                );
            }
        }
    }

    #[test]
    fn each_line_of_a_head_and_those_before_it_end_with_cr_and_lf() {
        for (text, ambiguous) in [
            ("\r\nGET / HTTP/1.1\r\n\r\n", None),
            ("\nGET / HTTP/1.1\r\n\r\n", Some(0)),
            ("GET / HTTP/1.1\n\r\n", Some(0)),
            ("GET / HTTP/1.1\r\n\n", Some(0)),
            ("GET / HTTP/1.1\r\n\r\n\nGET / HTTP/1.1\r\n\r\n", Some(1)),
        ] {
            for size in [1, 2, 3, 1000] {
                let mut scanner = Scanner::default();
                for part in text.as_bytes().chunks(size) {
                    scanner.scan(part).unwrap();
                }
                assert_eq!(
                    scanner.doubt(),
                    ambiguous.map(|number| (number, Doubt::End)),
                    "{text:?} by {size}"
                );
            }
        }
    }

    #[test]
    fn chunk_lines_that_leave_room_for_opinions_are_faults() {
        for line in [
            "5;\r\n",
            "5 \r\n",
            "5\t;a\r\n",
            "5; a\r\n",
            "5;a=\r\n",
            "5;a=\"b\r\n",
            "5;\x01\r\n",
            "5;a=\"\0\"\r\n",
            "5;a\rb\r\n",
            "5;a\n",
            "5\n",
            " 5\r\n",
            "\r\n",
            "0x5\r\n",
            "+5\r\n",
            "5_\r\n",
            "10000000000000000\r\n",
            "ffffffffffffffff\r\n",
        ] {
            let mut scanner = Scanner::default();
            let text = format!("{CHUNKED}{line}");
            assert_eq!(
                scanner.scan(text.as_bytes()),
                Err(Fault { good: CHUNKED.len() }),
                "{line:?}"
            );
        }
    }

    #[test]
    fn a_trailer_ends_with_crlf() {
        let text = format!("{CHUNKED}0\r\nX: y\n\n");
        assert!(Scanner::default().scan(text.as_bytes()).is_err());
    }

    #[test]
    fn a_line_of_chunked_coding_is_kept_up_to_a_limit_only() {
        let mut scanner = Scanner::default();
        scanner.scan(CHUNKED.as_bytes()).unwrap();
        let endless = [b'0'; CHUNK_LINE];
        assert_eq!(scanner.scan(&endless), Ok(()));
        assert_eq!(scanner.scan(b"0"), Err(Fault { good: 0 }));
    }

    #[test]
    fn a_header_section_begins_with_its_first_byte_and_ends_with_its_empty_line() {
        let mut scanner = Scanner::default();
        for (bytes, within) in [
            ("\r\n", false),
            ("G", true),
            ("ET / HTTP/1.1\r\n", true),
            ("Host: a\r\n", true),
            ("\r\n", false),
            ("GET / HTTP/1.1\r\n\r\nG", true),
        ] {
            scanner.scan(bytes.as_bytes()).unwrap();
            assert_eq!(scanner.is_in_header(), within, "{bytes:?}");
        }
    }
}
