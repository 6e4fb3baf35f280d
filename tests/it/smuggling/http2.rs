//! HTTP/2 into HTTP/1.1: what no library would send, each with what became of it and with what the backend received.

use std::net::TcpStream;

use crate::rig::client::Client;
use crate::rig::frames::{DATA, END_STREAM, Fate, Frames, HEADERS, block};
use crate::rig::proxy::Proxy;
use crate::rig::strict::{self, Fault};
use crate::rig::upstream::Upstream;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

const PROTOCOL_ERROR: u32 = 1;

type Field<'a> = (&'a [u8], &'a [u8]);

/// A GET of `/`.
const GET: [Field<'_>; 4] = [
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"a.test"),
    (b":path", b"/"),
];

/// The proxy answers with 400, or resets, or gives the connection up, and no backend hears of it.
fn refused(fields: &[Field<'_>]) {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let fate = Frames::of(&proxy).open(1, fields, true).fate(1);
    let shown: Vec<(String, String)> = fields.iter().map(shown).collect();
    match fate {
        Fate::Answered(400, _) | Fate::Reset(PROTOCOL_ERROR) | Fate::GoAway(PROTOCOL_ERROR) => {}
        other => panic!("{shown:?}: {other:?}; {}", upstream.received(0)),
    }
    // It serves others as before.
    assert_eq!(
        Frames::of(&proxy).open(1, &GET, true).fate(1),
        Fate::Answered(200, None)
    );
    let (requests, fault) = strict::requests(upstream.received(0).as_bytes());
    assert_eq!((requests.len(), fault), (1, None), "{shown:?}");
}

/// The request arrives as exactly one.
fn passed(fields: &[Field<'_>]) -> strict::Request {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let fate = Frames::of(&proxy).open(1, fields, true).fate(1);
    let shown: Vec<(String, String)> = fields.iter().map(shown).collect();
    assert_eq!(fate, Fate::Answered(200, None), "{shown:?}");
    let (mut requests, fault) = strict::requests(upstream.received(0).as_bytes());
    assert_eq!((requests.len(), fault), (1, None), "{shown:?}");
    requests.remove(0)
}

/// The backend has nothing but starts of requests, if anything, and none that was hidden in another.
#[track_caller]
fn assert_no_whole_request(upstream: &Upstream) {
    for number in 0..upstream.connections() {
        let received = upstream.received(number);
        let (requests, fault) = strict::requests(received.as_bytes());
        assert!(
            requests.is_empty() && fault.is_none_or(|fault| fault == Fault::Unfinished),
            "{received}"
        );
        assert!(!received.contains("hidden"), "{received}");
    }
}

fn shown((name, value): &Field<'_>) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(name), text(value))
}

/// A GET with further fields.
fn with<'a>(fields: &[Field<'a>]) -> Vec<Field<'a>> {
    [&GET, fields].concat()
}

/// A GET with another value for one of its pseudo-header fields.
fn but<'a>(name: &'a [u8], value: &'a [u8]) -> Vec<Field<'a>> {
    let change = |field: &Field<'a>| if field.0 == name { (name, value) } else { *field };
    GET.iter().map(change).collect()
}

/// A GET without one of its pseudo-header fields.
fn without(name: &[u8]) -> Vec<Field<'static>> {
    GET.iter().copied().filter(|field| field.0 != name).collect()
}

/// HTTP/2 says where a field ends without CR and LF, and has carried whole requests to whoever wrote them out again
/// unread (CVE-2026-42926 in nginx among many).
#[test]
fn no_name_and_no_value_carries_a_line_of_http_1_1() {
    for name in [
        &b"x\r\ny"[..],
        b"x\ny",
        b"x\ry",
        b"x\0",
        b"x:y",
        b"x y",
        b"x ",
        b" x",
        b"X",
        b"x: 1\r\ny",
        b"",
        b"x\t",
        b"\x7f",
        b"x\x80",
        b"transfer-encoding: chunked\r\nx",
    ] {
        refused(&with(&[(name, b"1")]));
    }
    for value in [
        &b"1\r\ny: 2"[..],
        b"1\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"1\n",
        b"\n1",
        b"1\r",
        b"1\0",
        b"\x01",
        b"\x7f",
    ] {
        refused(&with(&[(b"x", value)]));
        for name in [&b":method"[..], b":path", b":authority", b":scheme"] {
            refused(&but(name, value));
        }
    }
}

#[test]
fn fields_of_an_http_1_1_connection_are_not_passed_on() {
    for field in [
        (&b"connection"[..], &b"close"[..]),
        (b"connection", b"x-real-ip"),
        (b"keep-alive", b"timeout=5"),
        (b"proxy-connection", b"close"),
        (b"transfer-encoding", b"chunked"),
        (b"transfer-encoding", b"identity"),
        (b"upgrade", b"websocket"),
        (b"te", b"gzip"),
        (b"te", b"trailers, chunked"),
    ] {
        refused(&with(&[field]));
    }
    let request = passed(&with(&[(b"te", b"trailers")]));
    assert_eq!(
        (request.field("te"), request.field("connection")),
        (Some("trailers"), Some("te"))
    );
    let request = passed(&with(&[(b"http2-settings", b"AAMAAABkAAQAoAAAAAIAAAAA")]));
    assert_eq!(request.field("http2-settings"), None);
}

#[test]
fn pseudo_header_fields_come_once_first_and_are_known() {
    for repeated in GET {
        refused(&[&GET[..], &[repeated]].concat());
    }
    for late in GET {
        let fields = [&without(late.0)[..], &[(b"x", b"1"), late]].concat();
        refused(&fields);
    }
    for unknown in [&b":status"[..], b":foo", b":", b":protocol", b":path "] {
        let fields = [&[(unknown, &b"200"[..])], &GET[..]].concat();
        refused(&fields);
    }
    for missing in [&b":method"[..], b":path", b":scheme", b":authority"] {
        refused(&without(missing));
    }
}

#[test]
fn a_path_is_one() {
    for path in [
        &b""[..],
        b"a",
        b"a/b",
        b"*",
        b"?a",
        b"/ /",
        b"/ HTTP/1.1",
        b"/ HTTP/1.1\r\nHost: b.test\r\n\r\n",
        b"/\t",
        b"/\x80",
        b"https://a.test/",
        b"http://b.test/",
        b"//b.test:80@c/ ",
        b"\\",
        b"@b.test/",
    ] {
        refused(&but(b":path", path));
    }
    assert_eq!(
        passed(&but(b":path", b"/a%2f..%00?b=%0d%0a")).target,
        "/a%2f..%00?b=%0d%0a"
    );
    assert_eq!(passed(&but(b":path", b"//b.test/")).target, "//b.test/");
    assert_eq!(passed(&but(b":path", b"/a#b")).target, "/a");
}

#[test]
fn a_method_is_a_token() {
    for method in [
        &b""[..],
        b"GET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\nGET",
        b"GET /x",
        b"GET ",
        b" GET",
        b"G(T",
        b"G\tT",
        b"G\x80",
    ] {
        refused(&but(b":method", method));
    }
    assert_eq!(passed(&but(b":method", b"PROPFIND")).method, "PROPFIND");
}

#[test]
fn connect_and_extended_connect_are_refused() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let connect: [Field<'_>; 2] = [(b":method", b"CONNECT"), (b":authority", b"a.test:443")];
    for fields in [
        connect.to_vec(),
        but(b":method", b"CONNECT"),
        [
            &[(&b":protocol"[..], &b"websocket"[..])],
            &but(b":method", b"CONNECT")[..],
        ]
        .concat(),
    ] {
        let fate = Frames::of(&proxy).open(1, &fields, false).fate(1);
        assert!(
            matches!(fate, Fate::Answered(400, _) | Fate::Reset(_) | Fate::GoAway(_)),
            "{fields:?}: {fate:?}"
        );
    }
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn a_scheme_is_one_that_is_served() {
    for scheme in [
        &b""[..],
        b"https://a.test/?",
        b"ftp",
        b"javascript",
        b"ht tps",
        b"https:",
        b"1",
    ] {
        refused(&but(b":scheme", scheme));
    }
}

#[test]
fn an_authority_is_a_host_and_the_host_field_says_the_same() {
    for authority in [
        &b""[..],
        b"user@a.test",
        b"a.test@b.test",
        b"a.test,b.test",
        b"a.test/path",
        b"a.test?query",
        b"a.test#x",
        b"a.test b.test",
        b"a.test:443junk",
        b"a.test:99999",
        b"a.test:80:80",
        b"[::1",
        b"a.test\\b",
        b"\x80",
    ] {
        refused(&but(b":authority", authority));
    }
    refused(&with(&[(b"host", b"b.test")]));
    refused(&with(&[(b"host", b"a.test"), (b"host", b"a.test")]));
    refused(&with(&[(b"host", b"")]));
    let request = passed(&with(&[(b"host", b"a.test")]));
    assert_eq!(request.field("host"), Some("a.test"));
    let request = passed(&[&without(b":authority")[..], &[(b"host", b"a.test")]].concat());
    assert_eq!(request.field("host"), Some("a.test"));
}

/// HAProxy took the end of a stream for the end of the body that Content-Length had told, and the next request for its
/// rest (CVE-2026-33555 over HTTP/3, and over HTTP/2 where it came with HEADERS).
#[test]
fn a_length_is_the_length_of_the_data() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let post = |length: &'static [u8]| [&but(b":method", b"POST")[..], &[(b"content-length", length)]].concat();
    for (length, data) in [
        // The stream ends before the length does, with and without any data, and the other way round.
        (&b"10"[..], &b"abc"[..]),
        (b"10", b""),
        (b"2", b"abc"),
    ] {
        let fate = Frames::of(&proxy)
            .open(1, &post(length), false)
            .send(DATA, END_STREAM, 1, data)
            .fate(1);
        assert!(
            matches!(fate, Fate::Answered(400, _) | Fate::Reset(PROTOCOL_ERROR)),
            "{length:?}: {fate:?}"
        );
    }
    // Nothing is complete already: what follows is refused, or its answer comes before it and it goes nowhere.
    for data in [&b"abc"[..], b"GET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n"] {
        let upstream = Upstream::answering(OK);
        let proxy = Proxy::of(&upstream);
        let fate = Frames::of(&proxy)
            .open(1, &post(b"0"), false)
            .send(DATA, END_STREAM, 1, data)
            .fate(1);
        assert!(
            matches!(fate, Fate::Answered(200 | 400, _) | Fate::Reset(PROTOCOL_ERROR)),
            "{fate:?}"
        );
        let (requests, fault) = strict::requests(upstream.received(0).as_bytes());
        assert!(requests.len() <= 1 && requests.iter().all(|request| request.body.is_empty()));
        assert_eq!(fault, None);
    }
    // In the HEADERS frame itself, and in one of trailers.
    let fate = Frames::of(&proxy).open(1, &post(b"10"), true).fate(1);
    assert!(matches!(fate, Fate::Reset(PROTOCOL_ERROR)), "{fate:?}");
    let fate = Frames::of(&proxy)
        .open(1, &post(b"10"), false)
        .send(DATA, 0, 1, b"abc")
        .open(1, &[(b"x-trailer", b"1")], true)
        .fate(1);
    assert!(
        matches!(fate, Fate::Answered(400, _) | Fate::Reset(PROTOCOL_ERROR)),
        "{fate:?}"
    );
    for length in [
        &b"+5"[..],
        b"-5",
        b"0x5",
        b"5,5",
        b"5 ",
        b"",
        b"five",
        b"18446744073709551616",
    ] {
        let fate = Frames::of(&proxy)
            .open(1, &post(length), false)
            .send(DATA, END_STREAM, 1, b"hello")
            .fate(1);
        assert!(
            matches!(fate, Fate::Answered(400, _) | Fate::Reset(PROTOCOL_ERROR)),
            "{length:?}: {fate:?}"
        );
    }
    for (one, other) in [(&b"5"[..], &b"6"[..]), (b"6", b"5"), (b"5", b"5"), (b"5", b"")] {
        let fields = [
            &post(b"5")[..4],
            &[(b"content-length", one), (b"content-length", other)],
        ]
        .concat();
        let fate = Frames::of(&proxy)
            .open(1, &fields, false)
            .send(DATA, END_STREAM, 1, b"hello")
            .fate(1);
        assert!(
            matches!(fate, Fate::Answered(400, _) | Fate::Reset(PROTOCOL_ERROR)),
            "{one:?} {other:?}: {fate:?}"
        );
    }
    assert_no_whole_request(&upstream);
}

#[test]
fn a_request_without_a_length_ends_with_its_stream() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let hidden = b"0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n";
    for method in [&b"POST"[..], b"GET"] {
        let fate = Frames::of(&proxy)
            .open(1, &but(b":method", method), false)
            .send(DATA, 0, 1, hidden)
            .send(DATA, END_STREAM, 1, b"")
            .fate(1);
        assert_eq!(fate, Fate::Answered(200, None));
    }
    let received: String = (0..upstream.connections())
        .map(|number| upstream.received(number))
        .collect();
    let (requests, fault) = strict::requests(received.as_bytes());
    assert_eq!((requests.len(), fault), (2, None));
    assert!(requests.iter().all(|request| request.body == hidden));
}

#[test]
fn trailers_are_no_header_fields_and_no_second_head() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    for trailer in [
        (&b"transfer-encoding"[..], &b"chunked"[..]),
        (b"x\r\n", b"1"),
        (b"x", b"1\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    ] {
        let fate = Frames::of(&proxy)
            .open(1, &but(b":method", b"POST"), false)
            .send(DATA, 0, 1, b"hello")
            .open(1, &[trailer], true)
            .fate(1);
        assert!(
            matches!(
                fate,
                Fate::Answered(400, _) | Fate::Reset(PROTOCOL_ERROR) | Fate::GoAway(PROTOCOL_ERROR)
            ),
            "{trailer:?}: {fate:?}"
        );
    }
    // Without END_STREAM they are no trailers.
    let fate = Frames::of(&proxy)
        .open(1, &but(b":method", b"POST"), false)
        .send(DATA, 0, 1, b"hello")
        .open(1, &[(b"x", b"1")], false)
        .fate(1);
    assert!(
        matches!(fate, Fate::Answered(400, _) | Fate::Reset(_) | Fate::GoAway(_)),
        "{fate:?}"
    );
    assert_no_whole_request(&upstream);
    // RFC 9113 section 8.1 calls these malformed; h2 drops them unseen.
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let fate = Frames::of(&proxy)
        .open(1, &but(b":method", b"POST"), false)
        .send(DATA, 0, 1, b"hello")
        .open(1, &[(b":path", b"/hidden"), (b"x-real-ip", b"6.6.6.6")], true)
        .fate(1);
    assert_eq!(fate, Fate::Answered(200, None));
    let (requests, fault) = strict::requests(upstream.received(0).as_bytes());
    assert_eq!((requests.len(), fault), (1, None));
    assert_eq!(
        (requests[0].target.as_str(), requests[0].field("x-real-ip")),
        ("/", Some("127.0.0.1"))
    );
}

#[test]
fn a_header_block_that_is_cut_into_pieces_is_one_head() {
    const CONTINUATION: u8 = 9;
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let block = block(&with(&[(b"x", b"1")]));
    let (one, other) = block.split_at(20);
    let mut frames = Frames::of(&proxy);
    frames.send(HEADERS, END_STREAM, 1, one).send(CONTINUATION, 4, 1, other);
    assert_eq!(frames.fate(1), Fate::Answered(200, None));
    // Another stream's frame in between ends the connection.
    let mut frames = Frames::of(&proxy);
    frames.send(HEADERS, END_STREAM, 1, one).open(3, &GET, true);
    assert_eq!(frames.fate(3), Fate::GoAway(PROTOCOL_ERROR));
    let (requests, fault) = strict::requests(upstream.received(0).as_bytes());
    assert_eq!((requests.len(), fault), (1, None));
}

#[test]
fn http_1_1_on_a_connection_that_agreed_on_http_2_is_given_up() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let mut client = Client::speaking(b"h2", TcpStream::connect(proxy.address).unwrap(), &proxy);
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let (said, _) = client.end();
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
    assert_eq!(upstream.connections(), 0);
}
