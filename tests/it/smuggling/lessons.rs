//! What others had to learn, each once more. Those that are a form of malformed input stand with the inputs, and what a
//! backend sends unasked with the ways of backends.

use std::io::Write;

use crate::rig::client::{Client, End};
use crate::rig::proxy::Proxy;
use crate::rig::strict;
use crate::rig::upstream::Upstream;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Every request that the backend received, all of them whole and well-formed.
fn requests(upstream: &Upstream) -> Vec<strict::Request> {
    let mut all = Vec::new();
    for number in 0..upstream.connections() {
        let (requests, fault) = strict::requests(upstream.received(number).as_bytes());
        assert_eq!(fault, None, "{}", upstream.received(number));
        all.extend(requests);
    }
    all
}

/// Pingora answered from its cache, or by itself, left the body of the request unread on the connection, and read it
/// as the next request (CVE-2025-4366). Whoever answers early has to drain or to close.
#[test]
fn the_body_of_a_request_that_was_answered_early_is_never_read_as_a_request() {
    let hidden = "GET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    // By the proxy itself: nothing of these goes to a backend.
    for head in [
        "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: banana",
        "POST / HTTP/1.1\r\nHost: a/b",
        "OPTIONS * HTTP/1.1\r\nHost: a.test",
    ] {
        let mut client = Client::of(&proxy);
        client.send(format!("{head}\r\nContent-Length: {}\r\n\r\n{hidden}", hidden.len()));
        assert!(matches!(client.response().status, 204 | 400 | 417), "{head}");
        client.stream.conn.send_close_notify();
        let _ = client.stream.flush();
        let (rest, _) = client.end();
        assert_eq!(String::from_utf8_lossy(&rest), "", "{head}");
    }
    assert_eq!(upstream.connections(), 0);
    // By the backend: what comes after its answer is still the body.
    let upstream = Upstream::scripted(|connection| {
        connection.head();
        connection.send(OK);
        connection.rest();
    });
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send(format!(
        "POST /first HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n",
        hidden.len()
    ));
    assert_eq!(client.response().status, 200);
    client.send(hidden);
    client.stream.conn.send_close_notify();
    client.stream.flush().unwrap();
    let (rest, _) = client.end();
    assert_eq!(String::from_utf8_lossy(&rest), "");
    let requests = requests(&upstream);
    assert_eq!((requests.len(), requests[0].body.as_slice()), (1, hidden.as_bytes()));
}

/// Pingora took a connection for switched as soon as the client had asked for it, and passed on what followed unread
/// (CVE-2026-2833); Envoy did so with what followed a CONNECT (CVE-2025-64763). A backend that says no then reads it as
/// a request nobody has checked.
#[test]
fn what_follows_an_upgrade_that_the_backend_declines_is_checked_like_any_request() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let ask = "GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let mut client = Client::of(&proxy);
    assert_eq!(client.send(ask).response().status, 200);
    client.send("GET /hidden HTTP/1.1\r\nHost: a.test\r\nX-Real-IP: 6.6.6.6\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let requests = requests(&upstream);
    assert_eq!(requests[1].field("x-real-ip"), Some("127.0.0.1"));
    let mut client = Client::of(&proxy);
    assert_eq!(client.send(ask).response().status, 200);
    client.send("GET /hidden HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n");
    assert_eq!(client.response().status, 400);
    assert_eq!(client.end(), (Vec::new(), End::Proper));
}

/// Pingora cached by path alone, so that one host's page was served to another's visitors (CVE-2026-2836). There is no
/// cache here.
#[test]
fn the_same_path_on_two_hosts_is_asked_for_twice() {
    let upstream =
        Upstream::answering("HTTP/1.1 200 OK\r\nCache-Control: public, max-age=1000\r\nContent-Length: 2\r\n\r\nok");
    let proxy = Proxy::of(&upstream);
    for host in ["a.test", "b.test", "a.test"] {
        let mut client = Client::of(&proxy);
        client.send(format!("GET /page HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.response().status, 200);
    }
    let hosts: Vec<_> = requests(&upstream)
        .iter()
        .map(|request| request.field("host").unwrap_or_default().to_owned())
        .collect();
    assert_eq!(hosts, ["a.test", "b.test", "a.test"]);
}

/// "HTTP/1.1 must die" (2025): servers that answer an expectation at once, or take one with blanks for something else,
/// leave a body behind that the next one reads as a request (0.CL; Akamai, CVE-2025-32094).
#[test]
fn an_expectation_does_not_part_a_request_from_its_body() {
    let hidden = "GET /hidden HTTP/1.1\r\nHost: a.test\r\n\r\n";
    for expect in [
        "Expect: 100-continue",
        "Expect:100-continue",
        "Expect: \t100-continue\t ",
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            let upstream = Upstream::answering(OK);
            let proxy = Proxy::of(&upstream);
            let mut client = Client::of(&proxy);
            client.send(format!(
                "{method} /first HTTP/1.1\r\nHost: a.test\r\n{expect}\r\nContent-Length: {}\r\n\r\n{hidden}",
                hidden.len()
            ));
            // The body was there already; whoever is asked for it anyway has nothing more to send.
            let mut response = client.head();
            if response.status == 100 {
                response = client.head();
            }
            assert_eq!(response.status, 200, "{expect}");
            let requests = requests(&upstream);
            assert_eq!(requests.len(), 1, "{expect} {method}");
            assert_eq!(requests[0].body, hidden.as_bytes(), "{expect} {method}");
            assert_eq!(requests[0].field("expect"), None, "{expect} {method}");
        }
    }
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    for expect in [
        "Expect: y 100-continue",
        "Expect: 100-continue;q=1",
        "Expect: \"100-continue\"",
    ] {
        let mut client = Client::of(&proxy);
        client.send(format!(
            "POST /first HTTP/1.1\r\nHost: a.test\r\n{expect}\r\nContent-Length: 5\r\n\r\n"
        ));
        assert_eq!(client.response().status, 417, "{expect}");
        assert_eq!(client.end(), (Vec::new(), End::Proper), "{expect}");
    }
    assert_eq!(upstream.connections(), 0);
}

/// Envoy and nginx decided by one form of a path and passed on another. Where nothing is decided by the path it goes on
/// as it came, whatever is in it, and otherwise what could be read in two ways is refused (see the routes).
#[test]
fn a_path_goes_on_as_it_came() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let paths = [
        "/a/../b",
        "/a/./b",
        "/..",
        "/%2e%2e/b",
        "/a%2F..%2fb",
        "/a\\..\\b",
        "/a..;/b",
        "//a//b/",
        "/a%00b",
        "/%ff%c0%af",
        "/a%",
        "/a%zz",
        "/;a=b?c;d",
        "/a?b?c=%0d%0a&d=../../e",
        "/a|b{c}d^e\"f",
        "/%u002e",
    ];
    for path in paths {
        let mut client = Client::of(&proxy);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        assert_eq!(client.response().status, 200, "{path}");
    }
    let received: Vec<String> = requests(&upstream).into_iter().map(|request| request.target).collect();
    assert_eq!(received, paths);
}
