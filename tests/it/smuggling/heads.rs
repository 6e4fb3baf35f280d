//! Heads over HTTP/1.1 that two readers could read in two ways.

use super::http1::{OK, refused, targets};
use crate::rig::client::{Client, End};
use crate::rig::proxy::Proxy;
use crate::rig::strict::{self};
use crate::rig::upstream::Upstream;

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
