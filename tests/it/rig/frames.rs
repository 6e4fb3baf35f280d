//! HTTP/2 written by hand: frames and header fields as they come, right or wrong. Libraries refuse to send what is
//! wrong.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::PATIENCE;
use super::client::config;
use super::proxy::{NAME, Proxy};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// The head of a POST of `/`.
pub(crate) const POST: [(&[u8], &[u8]); 4] = [
    (b":method", b"POST"),
    (b":scheme", b"https"),
    (b":authority", b"a.test"),
    (b":path", b"/"),
];

/// An HTTP/2 connection on which any frame may be sent.
pub(crate) struct Frames {
    stream: StreamOwned<ClientConnection, TcpStream>,
    unread: Vec<u8>,
}

/// A frame as it came.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// What became of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// A response with this status, which ended; and whether the stream was reset after it, with what.
    Answered(u16, Option<u32>),
    /// Reset without a complete response.
    Reset(u32),
    /// The connection was given up.
    GoAway(u32),
    /// The connection ended without a word.
    Closed,
}

impl Frames {
    /// A connection to `proxy` with preface and settings exchanged.
    pub(crate) fn of(proxy: &Proxy) -> Self {
        Self::at(proxy.address, config(proxy, &[b"h2"]))
    }

    /// The same with whoever is at `address`; `config` offers HTTP/2.
    pub(crate) fn at(address: SocketAddr, config: Arc<ClientConfig>) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let name = ServerName::try_from(NAME).unwrap();
        let connection = ClientConnection::new(config, name).unwrap();
        let mut frames = Self {
            stream: StreamOwned::new(connection, socket),
            unread: Vec::new(),
        };
        frames.stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        // SETTINGS_HEADER_TABLE_SIZE 0: every field of a response is to be written out.
        frames.send(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]);
        frames
    }

    /// Sends a frame. That nobody takes it any more is no failure of the test.
    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> &mut Self {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        let _ = self.stream.write_all(&frame);
        let _ = self.stream.flush();
        self
    }

    /// Opens `stream` with `fields`, each written as a literal.
    pub(crate) fn open(&mut self, stream: u32, fields: &[(&[u8], &[u8])], ends: bool) -> &mut Self {
        let flags = END_HEADERS | if ends { END_STREAM } else { 0 };
        self.send(HEADERS, flags, stream, &block(fields))
    }

    /// Waits until the proxy has read all that was sent. Nothing else may come meanwhile.
    pub(crate) fn settle(&mut self) -> &mut Self {
        self.send(PING, 0, 0, b"settling");
        loop {
            let frame = self.frame().expect("the connection goes on");
            if frame.kind == PING && frame.flags & ACK != 0 {
                return self;
            }
            assert!(!matches!(frame.kind, DATA | HEADERS | RST_STREAM | GOAWAY), "{frame:?}");
            self.answer(&frame);
        }
    }

    /// The next frame; `None` at the end of the connection. Settings and pings are answered on the way.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        loop {
            let frame = self.frame()?;
            if matches!(frame.kind, DATA | HEADERS | RST_STREAM | GOAWAY | CONTINUATION) {
                return Some(frame);
            }
            self.answer(&frame);
        }
    }

    fn frame(&mut self) -> Option<Frame> {
        let head = self.bytes(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload: self.bytes(usize::try_from(length).unwrap())?,
        })
    }

    /// Answers settings and pings.
    fn answer(&mut self, frame: &Frame) {
        if frame.flags & ACK == 0 && matches!(frame.kind, SETTINGS | PING) {
            let payload = if frame.kind == PING { &frame.payload[..] } else { &[] };
            self.send(frame.kind, ACK, 0, payload);
        }
    }

    /// The status of the response that begins on `stream`.
    pub(crate) fn status(&mut self, stream: u32) -> u16 {
        loop {
            let frame = self.next().expect("the connection goes on");
            if frame.stream == stream {
                assert_eq!(frame.kind, HEADERS, "{frame:?}");
                return status(&frame.payload);
            }
        }
    }

    /// The next `count` bytes of the response's body on `stream`, which has begun.
    pub(crate) fn piece(&mut self, stream: u32, count: usize) -> Vec<u8> {
        let mut piece = Vec::new();
        while piece.len() < count {
            let frame = self.next().expect("the connection goes on");
            if frame.stream == stream {
                assert_eq!(frame.kind, DATA, "{frame:?}");
                piece.extend(frame.payload);
            }
        }
        assert_eq!(piece.len(), count, "{piece:?}");
        piece
    }

    /// The body of the response on `stream`, as far as it comes.
    pub(crate) fn body(&mut self, stream: u32) -> Vec<u8> {
        let mut body = Vec::new();
        while let Some(frame) = self.next() {
            match frame.kind {
                DATA if frame.stream == stream => body.extend(frame.payload),
                HEADERS if frame.stream == stream => {}
                _ => break,
            }
            if frame.flags & END_STREAM != 0 {
                break;
            }
        }
        body
    }

    /// Reads until `stream` is over.
    pub(crate) fn fate(&mut self, stream: u32) -> Fate {
        let mut status = 0;
        while let Some(frame) = self.next() {
            let mut ended = frame.flags & END_STREAM != 0;
            match frame.kind {
                GOAWAY => return Fate::GoAway(code(&frame.payload[4..])),
                RST_STREAM if frame.stream == stream => return Fate::Reset(code(&frame.payload)),
                HEADERS if frame.stream == stream && status == 0 => status = self::status(&frame.payload),
                DATA if frame.stream == stream => {}
                _ => ended = false,
            }
            if ended {
                return Fate::Answered(status, self.reset_after(stream));
            }
        }
        Fate::Closed
    }

    /// Whether the stream, whose response has ended, is reset too: what comes before the answer to a ping.
    fn reset_after(&mut self, stream: u32) -> Option<u32> {
        self.send(PING, 0, 0, b"ordering");
        loop {
            let frame = self.frame()?;
            match frame.kind {
                RST_STREAM if frame.stream == stream => return Some(code(&frame.payload)),
                PING if frame.payload == b"ordering" => return None,
                GOAWAY => return None,
                _ => {}
            }
        }
    }

    fn bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.unread.len() < count {
            let mut buffer = [0; 16 * 1024];
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => self.unread.extend_from_slice(&buffer[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                    return None;
                }
                Err(error) => panic!("the proxy sends nothing: {error}"),
            }
        }
        Some(self.unread.drain(..count).collect())
    }
}

/// Fields as HPACK literals without indexing and without Huffman (RFC 7541 section 6.2.2).
pub(crate) fn block(fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            integer(&mut block, text.len());
            block.extend_from_slice(text);
        }
    }
    block
}

/// A string's length: an integer with a prefix of seven bits (RFC 7541 section 5.1).
fn integer(block: &mut Vec<u8>, value: usize) {
    let Some(mut left) = value.checked_sub(127) else {
        block.push(u8::try_from(value).unwrap());
        return;
    };
    block.push(127);
    while left >= 128 {
        block.push(u8::try_from(left % 128).unwrap() | 128);
        left /= 128;
    }
    block.push(u8::try_from(left).unwrap());
}

fn code(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload[..4].try_into().unwrap())
}

/// The status that a header block begins with: indexed for the usual ones (RFC 7541 appendix A), else a literal whose
/// name is one of those.
fn status(block: &[u8]) -> u16 {
    // h2 may begin with a change of the table's size.
    let block = &block[block.iter().take_while(|byte| **byte & 0xe0 == 0x20).count()..];
    match block[0] {
        indexed @ 0x88..=0x8e => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
        _ => {
            let (huffman, length) = (block[1] & 0x80 != 0, usize::from(block[1] & 0x7f));
            let text = &block[2..2 + length];
            if huffman {
                digits(text)
            } else {
                std::str::from_utf8(text).unwrap().parse().unwrap()
            }
        }
    }
}

/// Three digits of Huffman code (RFC 7541 appendix B): 0, 1 and 2 have five bits, the others six.
fn digits(text: &[u8]) -> u16 {
    let bits = text.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
    let (mut left, mut number) = (text.len() * 8, 0);
    for _ in 0..3 {
        let five = bits >> (left - 5) & 0x1f;
        let digit = if five <= 2 {
            left -= 5;
            five
        } else {
            left -= 6;
            (bits >> left & 0x3f) - 0x19 + 3
        };
        number = number * 10 + digit;
    }
    u16::try_from(number).unwrap()
}
