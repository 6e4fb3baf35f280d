//! Requests that are not passed on.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use crate::rig::client::{Client, End, http2};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::Upstream;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn ambiguous_and_malformed_heads_are_refused_at_once_and_close_the_connection() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let long = "x".repeat(130 * 1024);
    let many = "X-Field: 1\r\n".repeat(201);
    for (request, status) in [
        // Hosts
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: user@a.test\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test/path\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test,b.test\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test:8443junk\r\n\r\n", 400),
        ("GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        // Methods, targets and expectations
        ("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n", 400),
        ("TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n", 405),
        ("GET * HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        ("GET a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        ("GET /\u{e4} HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        (
            "PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\nExpect: banana\r\n\r\n",
            417,
        ),
        // Framing
        (
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: identity\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5, 5\r\n\r\nhello",
            400,
        ),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: -1\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length:\r\n\r\n", 400),
        // Syntax and size
        ("GET / HTTP/1.1\r\nHost: a.test\r\nBad Name: 1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test\r\n folded\r\n\r\n", 400),
        ("nonsense\r\n\r\n", 400),
        (
            &format!("GET / HTTP/1.1\r\nHost: a.test\r\nX-Long: {long}\r\n\r\n"),
            431,
        ),
        (&format!("GET / HTTP/1.1\r\nHost: a.test\r\n{many}\r\n"), 431),
    ] {
        let mut client = Client::of(&proxy);
        let response = client.send(request).response();
        let start: String = request.chars().take(80).collect();
        assert_eq!(response.status, status, "{start:?}: {}", response.head);
        assert_eq!(client.end(), (Vec::new(), End::Proper), "{start:?}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn a_request_with_both_framing_fields_is_refused_even_behind_another_in_the_same_read() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let both = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
                GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";
    for before in ["", "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"] {
        let mut client = Client::of(&proxy);
        client.send(format!("{before}{both}"));
        if !before.is_empty() {
            assert_eq!(client.response().status, 200);
        }
        assert_eq!(client.response().status, 400);
        assert_eq!(client.end(), (Vec::new(), End::Proper));
    }
    assert_eq!(upstream.received(0).matches("HTTP/1.1").count(), 1);
}

#[test]
fn a_malformed_body_is_the_clients_fault_and_ends_both_connections() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    for body in [
        "zz\r\n",
        "-1\r\n",
        "5;x\nhello\r\n0\r\n\r\n",
        "3\r\nabcd\r\n",
        "5;\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5;\x01\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0;\r\n\r\n",
    ] {
        let mut client = Client::of(&proxy);
        let response = client
            .send(format!(
                "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
            ))
            .response();
        assert_eq!(response.status, 400, "{body:?}: {}", response.head);
        assert_eq!(client.end(), (Vec::new(), End::Proper), "{body:?}");
    }
}

#[test]
fn over_http2_the_same_is_refused() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let refused = |request: http::request::Builder| {
        http2(&proxy, async |mut sender| {
            let request = request.body(Full::<Bytes>::default()).unwrap();
            sender.send_request(request).await.unwrap().status().as_u16()
        })
    };
    assert_eq!(refused(Request::get("https://a.test/").header("host", "b.test")), 400);
    assert_eq!(refused(Request::get("https://user@a.test/")), 400);
    assert_eq!(refused(Request::trace("https://a.test/")), 405);
    assert_eq!(refused(Request::put("https://a.test/").header("expect", "banana")), 417);
    let many = (0..201).fold(Request::get("https://a.test/"), |request, number| {
        request.header(format!("x-{number}"), "1")
    });
    assert_eq!(refused(many), 431);
    let long = Request::get("https://a.test/").header("x-long", "x".repeat(140 * 1024));
    assert_eq!(refused(long), 431);
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn large_heads_below_the_limit_pass_over_either_protocol() {
    let proxy = Proxy::of(&Upstream::answering(OK));
    let token = "x".repeat(64 * 1024);
    let mut client = Client::of(&proxy);
    client.send(format!(
        "GET / HTTP/1.1\r\nHost: a.test\r\nAuthorization: Negotiate {token}\r\n\r\n"
    ));
    assert_eq!(client.response().status, 200);
    let status = http2(&proxy, async |mut sender| {
        let request = Request::get("https://a.test/")
            .header("authorization", format!("Negotiate {token}"))
            .body(Full::<Bytes>::default())
            .unwrap();
        sender.send_request(request).await.unwrap().status()
    });
    assert_eq!(status, 200);
}
