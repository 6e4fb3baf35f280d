//! What there is to say of one request, whatever the format.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use time::OffsetDateTime;

use crate::proxy::peer::Peer;

/// What there is to say of one request. Bytes are as they came, but for the values that are not for the log.
#[derive(Clone, Debug)]
pub(super) struct Line<'a> {
    /// When the request ended, in UTC.
    pub(super) time: OffsetDateTime,
    /// From the end of its header section to the end of its response, or of its tunnel.
    pub(super) duration: Duration,
    /// Who is connected.
    pub(super) peer: Peer,
    /// Whom the peer speaks for, where it is a trusted proxy.
    pub(super) client: Option<IpAddr>,
    /// The address it came to, where that is known.
    pub(super) local: Option<SocketAddr>,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    /// The TLS version.
    pub(super) tls: Option<&'static str>,
    /// Whether the TLS session was resumed.
    pub(super) resumed: Option<bool>,
    /// The name that the client asked for in TLS.
    pub(super) server_name: Option<&'a str>,
    /// The name of the user, if the request says one.
    pub(super) user: Option<&'a [u8]>,
    /// The method.
    pub(super) method: &'a str,
    /// The host as the request names it.
    pub(super) host: Option<&'a [u8]>,
    /// Path and query.
    pub(super) target: &'a [u8],
    /// `HTTP/1.1`, `HTTP/2.0`
    pub(super) protocol: &'static str,
    /// What the client was told.
    pub(super) status: u16,
    /// Bytes of the request's body, or from the client through a tunnel.
    pub(super) bytes_in: u64,
    /// Bytes of the response's body, or to the client through a tunnel.
    pub(super) bytes: u64,
    /// How it ended.
    pub(super) end: End,
    /// Why it failed, in a word.
    pub(super) cause: Option<&'static str>,
    /// The server that answered, or failed.
    pub(super) server: Option<&'a str>,
    /// From the end of the request's header section to that of the server's response.
    pub(super) server_time: Option<Duration>,
    /// The request's X-Request-ID, as the server got it.
    pub(super) request_id: Option<&'a [u8]>,
    /// The User-Agent field.
    pub(super) user_agent: Option<&'a [u8]>,
    /// The Referer field.
    pub(super) referer: Option<&'a [u8]>,
}

/// How a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The client left, or was given up, before the whole response was handed over.
    Abandoned,
    /// The server did not finish its response.
    Cut,
    /// As it should.
    Complete,
}

impl<'a> Line<'a> {
    /// The address of the client: the peer's, unless that speaks for another. None on a Unix socket.
    pub(super) fn client_address(&self) -> Option<IpAddr> {
        self.client.or_else(|| self.peer.ip())
    }

    /// The path.
    pub(super) fn path(&self) -> &'a [u8] {
        self.parts().0
    }

    /// The query without its question mark.
    pub(super) fn query(&self) -> Option<&'a [u8]> {
        self.parts().1
    }

    fn parts(&self) -> (&'a [u8], Option<&'a [u8]>) {
        let mut parts = self.target.splitn(2, |byte| *byte == b'?');
        (parts.next().unwrap_or_default(), parts.next())
    }
}

impl End {
    /// The word for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Abandoned => "abandoned",
            Self::Cut => "cut",
            Self::Complete => "complete",
        }
    }
}

/// Whole milliseconds.
pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::proxy::access_log::{combined, json, w3c};

    proptest! {
        #[test]
        fn whatever_comes_is_one_line_of_printable_ascii(
            [target, user, host, user_agent, referer] in [vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..40)],
        ) {
            let of = Line {
                target: &target,
                user: Some(&user),
                host: Some(&host),
                user_agent: Some(&user_agent),
                referer: Some(&referer),
                ..plain()
            };
            for write in [json::write, combined::write, w3c::write] {
                let mut line = Vec::new();
                write(&mut line, &of);
                prop_assert_eq!(line.pop(), Some(b'\n'));
                prop_assert!(line.iter().all(|byte| matches!(byte, b' '..=b'~')));
                let text = String::from_utf8(line).unwrap();
                match text.chars().next() {
                    Some('{') => prop_assert!(serde_json::from_str::<Value>(&text).is_ok()),
                    // Six quotes, and as many blanks as there are fields.
                    Some('1') => prop_assert_eq!(text.matches('"').count(), 6),
                    _ => prop_assert_eq!(text.matches(' ').count(), 19),
                }
            }
        }
    }

    /// A plain request.
    pub(in crate::proxy::access_log) fn plain() -> Line<'static> {
        Line {
            time: OffsetDateTime::UNIX_EPOCH + Duration::from_millis(1_795_359_845_007),
            duration: Duration::from_micros(12_345),
            peer: "[::ffff:192.0.2.1]:4711".parse::<SocketAddr>().unwrap().into(),
            client: None,
            local: Some("198.51.100.7:8443".parse().unwrap()),
            scheme: "https",
            tls: Some("TLSv1.3"),
            resumed: Some(false),
            server_name: Some("a.test"),
            user: Some(b"alice"),
            method: "GET",
            host: Some(b"a.test"),
            target: b"/docs/a.html?lang=en",
            protocol: "HTTP/1.1",
            status: 200,
            bytes_in: 3,
            bytes: 512,
            end: End::Complete,
            cause: None,
            server: Some("backend:80"),
            server_time: Some(Duration::from_millis(9)),
            request_id: Some(b"0a1b"),
            user_agent: Some(b"Mozilla/5.0 (X11)"),
            referer: Some(b"https://b.test/start"),
        }
    }

    /// A request of which nothing is known that need not be, and which nobody waited for.
    pub(in crate::proxy::access_log) fn bare() -> Line<'static> {
        Line {
            duration: Duration::ZERO,
            peer: "[2001:db8::1]:1".parse::<SocketAddr>().unwrap().into(),
            local: None,
            scheme: "http",
            tls: None,
            resumed: None,
            server_name: None,
            user: None,
            method: "OPTIONS",
            host: None,
            target: b"*",
            protocol: "HTTP/2.0",
            status: 499,
            bytes_in: 0,
            bytes: 0,
            end: End::Abandoned,
            server: None,
            server_time: None,
            request_id: None,
            user_agent: None,
            referer: Some(b""),
            ..plain()
        }
    }

    /// A request that tries to write lines of its own.
    pub(in crate::proxy::access_log) fn hostile() -> Line<'static> {
        Line {
            user: Some(b"mallory\" 200 1\r\n\x1b]0;owned\x07 \xff"),
            method: "GET",
            host: Some(b"a.test\" x\r\n\xff"),
            target: b"/a b\r\nc\"\\\0\x1b[2J?q=\" \xc2\x9b\t#",
            status: 502,
            end: End::Cut,
            cause: Some("refused"),
            user_agent: Some(b"x\" \"\r\nGET /forged\x1b[31m\x7f\x85"),
            referer: Some(b"https://b.test/?a=b c\n"),
            request_id: Some(b"\"},{\""),
            ..plain()
        }
    }
}
