//! Where HTTP/1.1 requests end: each input with the answer and with what the backend received.

use std::io::Write;

use crate::rig::client::{Client, End};
use crate::rig::eventually;
use crate::rig::proxy::Proxy;
use crate::rig::strict::{self, Fault};
use crate::rig::upstream::Upstream;

pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A second request, hidden where some reader might find it.
pub(super) const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// The input is answered with `status`, the connection ends properly after it, and no backend hears of it.
pub(super) fn refused(status: u16, inputs: &[&str]) {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    for input in inputs {
        // By itself, byte by byte, and behind another request in the same packet.
        let start: String = input.chars().take(100).collect();
        for send in [at_once, byte_by_byte] {
            let mut client = Client::of(&proxy);
            send(&mut client, input);
            let response = client.response();
            assert_eq!(response.status, status, "{start:?}: {}", response.head);
            assert_eq!(client.end(), (Vec::new(), End::Proper), "{start:?}");
            assert_eq!(upstream.connections(), 0, "{start:?}: {}", upstream.received(0));
        }
        let upstream = Upstream::answering(OK);
        let proxy = Proxy::of(&upstream);
        let mut client = Client::of(&proxy);
        client.send(format!("GET /before HTTP/1.1\r\nHost: a.test\r\n\r\n{input}"));
        assert_eq!(client.response().status, 200, "{start:?}");
        assert_eq!(client.response().status, status, "{start:?}");
        assert_eq!(client.end(), (Vec::new(), End::Proper), "{start:?}");
        assert_eq!(targets(&upstream), ["/before"], "{start:?}");
    }
}

pub(super) fn at_once(client: &mut Client, input: &str) {
    client.send(input);
}

/// Each byte in a record and a packet of its own, except the end of what is long for the sake of a limit.
pub(super) fn byte_by_byte(client: &mut Client, input: &str) {
    client.stream.sock.set_nodelay(true).unwrap();
    let (bytes, rest) = input.as_bytes().split_at(input.len().min(1024));
    for byte in bytes {
        client.send([*byte]);
    }
    client.send(rest);
}

/// The targets of the requests that the backend received, all of them whole and well-formed.
pub(super) fn targets(upstream: &Upstream) -> Vec<String> {
    let mut targets = Vec::new();
    for number in 0..upstream.connections() {
        let (requests, fault) = strict::requests(upstream.received(number).as_bytes());
        assert_eq!(fault, None, "{}", upstream.received(number));
        targets.extend(requests.into_iter().map(|request| request.target));
    }
    targets
}

/// CL.TE and TE.CL, the first two forms that were named (2019).
#[test]
fn a_length_and_a_coding_exclude_each_other_in_whatever_order() {
    refused(
        400,
        &[
            &format!(
                "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}"
            ),
            &format!(
                "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{HIDDEN}"
            ),
            &format!(
                "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nX: y\r\nContent-Length: 0\r\n\r\n0\r\n\r\n{HIDDEN}"
            ),
            &format!(
                "GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nTransfer-Encoding: identity\r\n\r\nhello{HIDDEN}"
            ),
        ],
    );
}

/// Each of these is read as chunked by some server and as nothing by another. Whoever forwards the field as it came
/// (`,chunked` and two lines of it, in proxies that leave framing to a library) lets them decide.
#[test]
fn the_coding_is_chunked_once_and_nothing_else() {
    for coding in [
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: x-chunked",
        "Transfer-Encoding: chunkedx",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunked;q=0.5",
        "Transfer-Encoding: chu nked",
        "Transfer-Encoding:",
        "Transfer-Encoding: \u{b}chunked",
        "Transfer-Encoding: chunked\u{c}",
        "Transfer-Encoding: chunked\u{a0}",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\ntransfer-encoding: cow",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        "Transfer-Encoding\u{b}: chunked",
        " Transfer-Encoding: chunked",
        "\tTransfer-Encoding: chunked",
        "X: y\r\n Transfer-Encoding: chunked",
        "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding: chunked\r\n ,identity",
        "X: y\rTransfer-Encoding: chunked",
        "X: y\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\n",
        "\u{feff}Transfer-Encoding: chunked",
    ] {
        refused(
            400,
            &[&format!(
                "POST / HTTP/1.1\r\nHost: a.test\r\n{coding}\r\n\r\n0\r\n\r\n{HIDDEN}"
            )],
        );
    }
}

#[test]
fn a_name_that_a_backend_may_take_for_the_coding_is_no_coding_and_does_not_arrive() {
    // RFC 9112 section 2.2 has a backend see a request without a body, as the proxy does.
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send(format!(
        "POST /one HTTP/1.1\r\nHost: a.test\r\nTransfer_Encoding: chunked\r\nContent_Length: 5\r\n\r\n{HIDDEN}"
    ));
    assert_eq!((client.response().status, client.response().status), (200, 200));
    assert_eq!(targets(&upstream), ["/one", "/hidden"]);
    let received = upstream.received(0).to_ascii_lowercase();
    assert!(!received.contains("chunked") && !received.contains('_'), "{received}");
}

/// Pingora took the body of such a request to end with the connection, its backend did not (CVE-2026-2835).
#[test]
fn an_http_1_0_request_has_no_coding() {
    refused(
        400,
        &[
            &format!("POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}"),
            &format!(
                "POST / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\
                 Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}"
            ),
        ],
    );
}

/// HAProxy passed an empty Content-Length on (2023); others take a list of equal ones, or a sign, for a number.
#[test]
fn a_length_is_digits_and_there_is_one() {
    let zeros = "0".repeat(200);
    for length in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length:",
        "Content-Length: 5, 5",
        "Content-Length: 5,6",
        "Content-Length: 5,",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: -0",
        "Content-Length: 5.0",
        "Content-Length: 5e0",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length: 5;",
        "Content-Length: \"5\"",
        "Content-Length: five",
        "Content-Length:",
        "Content-Length: \u{b}5",
        "Content-Length: 5\u{c}",
        "Content-Length: \u{664}",
        "Content-Length: 18446744073709551616",
        "Content-Length: 99999999999999999999999999",
        "Content-Length : 5",
        "Content-Length\t: 5",
        " Content-Length: 5",
        "X: y\r\n Content-Length: 5",
        "Content-Length:\r\n 5",
        "Content-Length: 5\r\n 5",
        "Content-Length: 5\n",
        "Content-Length: 5\r",
        "X: y\rContent-Length: 5",
        "X: y\nContent-Length: 5",
        &format!("Content-Length: -{zeros}5"),
    ] {
        refused(
            400,
            &[&format!(
                "POST / HTTP/1.1\r\nHost: a.test\r\n{length}\r\n\r\nhello{HIDDEN}"
            )],
        );
    }
}

#[test]
fn a_length_that_no_message_has_is_too_large() {
    refused(
        431,
        &["POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 18446744073709551615\r\n\r\nhello"],
    );
}

/// Only the end of the connection would tell where the body ends, and whoever takes it for empty reads it as the next
/// request (RFC 1945 section 7.2.2).
#[test]
fn an_http_1_0_request_with_a_body_says_how_long_it_is() {
    refused(
        400,
        &[
            "POST / HTTP/1.0\r\nHost: a.test\r\n\r\nhello",
            &format!("PUT / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n{HIDDEN}"),
        ],
    );
}

#[test]
fn a_get_with_a_length_hides_nothing_in_its_body() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
        let mut client = Client::of(&proxy);
        client.send(format!(
            "{method} /first HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n{HIDDEN}",
            HIDDEN.len()
        ));
        assert_eq!(client.head().status, 200);
    }
    let received = upstream.received(0);
    let (requests, fault) = strict::requests(received.as_bytes());
    assert_eq!(fault, None, "{received}");
    assert!(
        requests
            .iter()
            .all(|request| request.target == "/first" && request.body == HIDDEN.as_bytes())
    );
}

#[test]
fn what_follows_a_head_without_a_length_is_the_next_request_whatever_the_method() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send(format!("POST /first HTTP/1.1\r\nHost: a.test\r\n\r\n{HIDDEN}"));
    assert_eq!((client.response().status, client.response().status), (200, 200));
    assert_eq!(targets(&upstream), ["/first", "/hidden"]);
}

#[test]
fn a_body_that_breaks_off_is_no_request() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    for start in [
        "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhel",
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ] {
        let before = upstream.connections();
        let mut client = Client::of(&proxy);
        client.send(start);
        eventually("the backend has it", || upstream.received(before).contains("hel"));
        client.stream.conn.send_close_notify();
        client.stream.flush().unwrap();
        client.end();
        let (requests, fault) = strict::requests(upstream.received(before).as_bytes());
        assert_eq!((requests.len(), fault), (0, Some(Fault::Unfinished)), "{start:?}");
    }
}
