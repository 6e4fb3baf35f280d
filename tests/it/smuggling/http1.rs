//! HTTP/1.1: each input with the answer and with what the backend received.

use std::io::Write;

use crate::rig::client::{Client, End};
use crate::rig::eventually;
use crate::rig::proxy::Proxy;
use crate::rig::strict::{self, Fault};
use crate::rig::upstream::Upstream;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A second request, hidden where some reader might find it.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// The input is answered with `status`, the connection ends properly after it, and no backend hears of it.
fn refused(status: u16, inputs: &[&str]) {
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

fn at_once(client: &mut Client, input: &str) {
    client.send(input);
}

/// Each byte in a record and a packet of its own, except the end of what is long for the sake of a limit.
fn byte_by_byte(client: &mut Client, input: &str) {
    client.stream.sock.set_nodelay(true).unwrap();
    let (bytes, rest) = input.as_bytes().split_at(input.len().min(1024));
    for byte in bytes {
        client.send([*byte]);
    }
    client.send(rest);
}

/// The targets of the requests that the backend received, all of them whole and well-formed.
fn targets(upstream: &Upstream) -> Vec<String> {
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

#[test]
fn lines_end_with_cr_and_lf_and_neither_comes_alone() {
    refused(
        400,
        &[
            "GET / HTTP/1.1\nHost: a.test\n\n",
            "GET / HTTP/1.1\nHost: a.test\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\n\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\nX: y\n\r\n",
            "\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "\r\n\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\rb\r\n\r\n",
            "GET / HTTP/1.1\r\r\nHost: a.test\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\r\n\r\n",
            "GET /\r HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "\rGET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            &format!("GET / HTTP/1.1\r\nHost: a.test\r\nX: {}\n\r\n", "y".repeat(1000)),
        ],
    );
}

#[test]
fn control_characters_are_nowhere_in_a_head() {
    refused(
        400,
        &[
            "GET / HTTP/1.1\r\nHost: a.test\r\nX\0: y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\nX: y\0z\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\0\r\n\r\n",
            "GET /\0 HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET /\u{1} HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET /\u{7f} HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "G\0T / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\nX: \u{1}\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\nX: \u{7f}\r\n\r\n",
            "\0GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        ],
    );
}

/// HAProxy lost the fields after one with an empty name, Content-Length among them (CVE-2023-25725).
#[test]
fn a_field_is_a_name_a_colon_and_a_value_on_one_line() {
    refused(
        400,
        &[
            "GET / HTTP/1.1\r\nHost: a.test\r\nwithout a colon\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\nX\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\n: empty\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\n:\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a.test\r\n\r\n",
            "GET / HTTP/1.1\r\n Host: a.test\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\nX: y\r\n folded\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\nX: y\r\n\tfolded\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\nX: y\r\n \r\nZ: y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\nX(y): z\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\nX y: z\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\n\u{e4}: z\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\nX;: z\r\n\r\n",
        ],
    );
}

#[test]
fn a_request_line_is_three_words_with_one_space_between() {
    refused(
        400,
        &[
            "GET  / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET /  HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET\t/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET /\tHTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET / HTTP/1.1 \r\nHost: a.test\r\n\r\n",
            "GET / HTTP/1.1\t\r\nHost: a.test\r\n\r\n",
            " GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET / x HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET / HTTP/1.1 HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "G(T / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET: / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            " / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "nonsense\r\n\r\n",
        ],
    );
}

#[test]
fn a_version_is_http_1_0_or_1_1() {
    refused(
        400,
        &[
            "GET / HTTP/1.2\r\nHost: a.test\r\n\r\n",
            "GET / HTTP/2.0\r\nHost: a.test\r\n\r\n",
            "GET / HTTP/3\r\nHost: a.test\r\n\r\n",
            "GET / HTTP/0.9\r\nHost: a.test\r\n\r\n",
            "GET / HTTP/1.10\r\nHost: a.test\r\n\r\n",
            "GET / HTTP/01.1\r\nHost: a.test\r\n\r\n",
            "GET / HTTP/1,1\r\nHost: a.test\r\n\r\n",
            "GET / http/1.1\r\nHost: a.test\r\n\r\n",
            "GET / HTTP /1.1\r\nHost: a.test\r\n\r\n",
            "GET / HTTPS/1.1\r\nHost: a.test\r\n\r\n",
            "GET /\r\nHost: a.test\r\n\r\n",
            "GET /\r\n\r\n",
        ],
    );
}

#[test]
fn the_preface_of_http_2_is_no_http_1_1_request() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    let (said, end) = client.end();
    assert_eq!(end, End::Proper);
    assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 400"), "{said:?}");
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn a_target_is_a_path_or_names_the_host_of_the_request() {
    refused(
        400,
        &[
            "GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET https://a.test@b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET http://a.test:80@b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET https://user:word@a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET https:///a HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET https:a.test HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET a.test HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET a HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET ?a HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET * HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET @b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET :80/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET \\a HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET /a\u{e4} HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "GET ftp://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        ],
    );
}

#[test]
fn a_fragment_goes_no_further() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send("GET /path#fragment HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.response().status, 200);
    assert_eq!(targets(&upstream), ["/path"]);
}

/// HAProxy read a comma in an authority as two (2026); a port with something behind it passed in most proxies.
#[test]
fn there_is_one_host_and_it_is_one() {
    refused(
        400,
        &[
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n",
            "GET / HTTP/1.1\r\nHost:\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test b.test\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test,b.test\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test@b.test\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test/b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test:80:80\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test:80b.test\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.test#\r\n\r\n",
        ],
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

/// What comes with a request to upgrade is in the new protocol for whoever thinks that it was agreed to, and the next
/// request for everybody else (Pingora CVE-2026-2833).
#[test]
fn nothing_comes_with_a_request_to_upgrade() {
    let ask = "GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    refused(
        400,
        &[
            &format!("{ask}\r\n{HIDDEN}"),
            &format!("{ask}Content-Length: 0\r\n\r\n{HIDDEN}"),
            &format!("{ask}\r\n\u{1}\u{5}frame"),
        ],
    );
}

/// Pingora switched CONNECT off for good in 0.8; TRACE shows the fields that were added to whoever asks.
#[test]
fn connect_is_refused_in_each_of_its_forms() {
    refused(
        400,
        &[
            "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n",
            "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n\
             GET /tunnelled HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "CONNECT / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "CONNECT https://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
            "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            "CONNECT a.test:443 HTTP/1.0\r\nHost: a.test:443\r\n\r\n",
            "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\nContent-Length: 40\r\n\r\n",
        ],
    );
    refused(405, &["TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n"]);
    // A method is case-sensitive: this one is somebody's own and means nothing to us.
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    assert_eq!(
        client
            .send("connect / HTTP/1.1\r\nHost: a.test\r\n\r\n")
            .response()
            .status,
        200
    );
    assert_eq!(targets(&upstream), ["/"]);
}

/// Kestrel took LF for the end of a chunk extension (CVE-2025-55315), Go read extensions without end (CVE-2023-39326).
#[test]
fn malformed_chunks_are_answered_with_400_and_the_backend_never_has_a_whole_request() {
    let long = "x".repeat(17 * 1024);
    for chunks in [
        // Sizes
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5x\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\t\r\nhello\r\n0\r\n\r\n",
        "5_0\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        ";a\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffe\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "100000000000000000000000000000005\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0x0\r\n\r\n",
        // Extensions
        "5;\r\nhello\r\n0\r\n\r\n",
        "5;a=\r\nhello\r\n0\r\n\r\n",
        "5;a=\"\r\nhello\r\n0\r\n\r\n",
        "5;a=\"b\"c\r\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5;a\nhello\r\n0\r\n\r\n",
        "5;a\n\r\nhello\r\n0\r\n\r\n",
        "5;\0\r\nhello\r\n0\r\n\r\n",
        "5; a\r\nhello\r\n0\r\n\r\n",
        &format!("5;a={long}\r\nhello\r\n0\r\n\r\n"),
        // Ends of lines
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\r\n",
        "5\r\nhello\r\n0\r\n\n",
        // Trailers
        "5\r\nhello\r\n0\r\nX: y\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\r\n\n",
        "5\r\nhello\r\n0\r\nwithout a colon\r\n\r\n",
        "5\r\nhello\r\n0\r\n: y\r\n\r\n",
        "5\r\nhello\r\n0\r\nX : y\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: \0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\r\n folded\r\n\r\n",
        &format!("5\r\nhello\r\n0\r\nX: {long}\r\n\r\n"),
    ] {
        let upstream = Upstream::answering(OK);
        let proxy = Proxy::of(&upstream);
        let start: String = chunks.chars().take(60).collect();
        let input =
            format!("POST /chunked HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{HIDDEN}");
        for send in [at_once, byte_by_byte] {
            let mut client = Client::of(&proxy);
            send(&mut client, &input);
            let response = client.response();
            assert_eq!(response.status, 400, "{start:?}: {}", response.head);
            assert_eq!(client.end(), (Vec::new(), End::Proper), "{start:?}");
        }
        for number in 0..upstream.connections() {
            let received = upstream.received(number);
            let (requests, fault) = strict::requests(received.as_bytes());
            assert!(
                requests.is_empty() && !received.contains("hidden"),
                "{start:?}: {received}"
            );
            assert!(
                received.is_empty() || fault == Some(Fault::Unfinished),
                "{start:?}: {fault:?}"
            );
        }
    }
}

#[test]
fn chunks_that_are_well_formed_arrive_without_extensions_and_trailers() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    let long = "x".repeat(8 * 1024);
    for chunks in [
        "5\r\nhello\r\n0\r\n\r\n",
        "0005\r\nhello\r\n000\r\n\r\n",
        "5;a=b;c=\"d;e\\\"\";f\r\nhello\r\n0;g\r\n\r\n",
        "2\r\nhe\r\n3\r\nllo\r\n0\r\nX-Trailer: y\r\nContent-Length: 7\r\nHost: b.test\r\n\r\n",
        &format!("5;a={long}\r\nhello\r\n0\r\n\r\n"),
    ] {
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"
        ));
        assert_eq!(client.response().status, 200);
    }
    let (requests, fault) = strict::requests(upstream.received(0).as_bytes());
    assert_eq!((requests.len(), fault), (5, None));
    assert!(requests.iter().all(|request| request.body == b"hello"));
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
fn an_upgrade_to_h2c_is_not_passed_on_and_what_follows_is_http_1_1() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send(
        "GET /first HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
         HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n",
    );
    assert_eq!(client.response().status, 200);
    assert_eq!(client.send(HIDDEN).response().status, 200);
    assert_eq!(targets(&upstream), ["/first", "/hidden"]);
    let received = upstream.received(0).to_ascii_lowercase();
    assert!(
        !received.contains("upgrade") && !received.contains("http2-settings"),
        "{received}"
    );
    // Connection and Upgrade in disguise.
    for fields in [
        "Connection: upgrade\r\nUpgrade: websocket, h2c",
        "Connection: upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket",
        "Connection: upgrade\r\nUpgrade: H2C",
    ] {
        client.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n\r\n"));
        assert_eq!(client.response().status, 200);
    }
    let received = upstream.received(0).to_ascii_lowercase();
    assert!(!received.contains("upgrade") && !received.contains("h2c"), "{received}");
}

#[test]
fn an_upgrade_with_a_body_is_an_ordinary_request() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send(format!(
        "POST /first HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
         Content-Length: {}\r\n\r\n{HIDDEN}",
        HIDDEN.len()
    ));
    assert_eq!(client.response().status, 200);
    let (requests, fault) = strict::requests(upstream.received(0).as_bytes());
    assert_eq!((requests.len(), fault), (1, None));
    assert_eq!(requests[0].body, HIDDEN.as_bytes());
    assert_eq!(requests[0].field("upgrade"), None);
}

#[test]
fn what_connection_lists_cannot_remove_what_is_ours() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send(
        "POST /first HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\
         Connection: Host, Content-Length, Transfer-Encoding, X-Forwarded-For, X-Real-IP\r\n\r\nhello",
    );
    assert_eq!(client.response().status, 200);
    let (requests, fault) = strict::requests(upstream.received(0).as_bytes());
    assert_eq!((requests.len(), fault), (1, None));
    assert_eq!(requests[0].body, b"hello");
    assert_eq!(requests[0].field("host"), Some("a.test"));
    assert_eq!(requests[0].field("x-forwarded-for"), Some("127.0.0.1"));
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
