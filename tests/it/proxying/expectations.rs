//! `Expect: 100-continue`: who is asked, who answers, and when.

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use fullchain::proxy::settings::HttpVersion;
use fullchain::proxy::{Delivery, Expect};

use crate::rig::client::{Client, End};
use crate::rig::frames::{DATA, END_STREAM, Fate, Frames};
use crate::rig::hyper_upstream::{HyperUpstream, Speech};
use crate::rig::proxy::Proxy;
use crate::rig::strict::{self, Fault};
use crate::rig::upstream::{Upstream, absent};
use crate::rig::{PATIENCE, eventually};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const ASK: &str = "PUT /up HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";

fn forwarding(upstream: &Upstream) -> Proxy {
    Proxy::with(&[upstream.address], |settings| {
        settings.backends[0].delivery = Delivery {
            expect: Expect::Forward,
            ..Delivery::default()
        };
    })
}

/// A backend that answers everything with 417 that expects something.
fn knowing_no_expectation() -> Upstream {
    Upstream::scripted(|connection| {
        while let Some(head) = connection.head() {
            if head.to_ascii_lowercase().contains("expect:") {
                connection.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
                continue;
            }
            connection.bytes(5);
            connection.send(OK);
        }
    })
}

#[test]
fn nobody_is_asked_for_a_body_that_has_nowhere_to_go() {
    let closed = absent();
    let proxy = Proxy::with(&[closed], |_| ());
    let mut client = Client::of(&proxy);
    let response = client.send(ASK).response();
    assert!(
        response.status == 502 && response.has("connection: close"),
        "{}",
        response.head
    );
    assert_eq!(client.end(), (Vec::new(), End::Proper));
}

#[test]
fn an_expectation_of_http_1_0_is_ignored() {
    let upstream = Upstream::answering(OK);
    let proxy = forwarding(&upstream);
    let mut client = Client::of(&proxy);
    client.send("PUT / HTTP/1.0\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello");
    assert_eq!(client.response().status, 200);
    let (requests, fault) = strict::requests(upstream.received(0).as_bytes());
    assert_eq!((requests[0].field("expect"), fault), (None, None));
}

#[test]
fn expectations_that_are_not_quite_the_known_one_are_a_417() {
    let upstream = Upstream::answering(OK);
    let proxy = forwarding(&upstream);
    for value in [
        "100-continu",
        "x 100-continue",
        "100-continue, x",
        "y\r\nExpect: 100-continue",
        "",
        "100",
    ] {
        let mut client = Client::of(&proxy);
        client.send(format!(
            "PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nExpect: {value}\r\n\r\n"
        ));
        let response = client.response();
        assert!(
            response.status == 417 && response.has("connection: close"),
            "{value}: {}",
            response.head
        );
        assert_eq!(client.end(), (Vec::new(), End::Proper), "{value}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn the_backend_is_asked_and_its_100_asks_the_client() {
    let upstream = Upstream::scripted(|connection| {
        let head = connection.head().unwrap();
        assert!(head.contains("\r\nExpect: 100-continue\r\n") && head.contains("\r\nContent-Length: 5\r\n"));
        connection.send("HTTP/1.1 100 Continue\r\n\r\n");
        connection.bytes(5);
        connection.send(OK);
        connection.rest();
    });
    let proxy = forwarding(&upstream);
    let mut client = Client::of(&proxy);
    assert_eq!(client.send(ASK).head().status, 100);
    assert_eq!(client.send("hello").response().status, 200);
    assert!(upstream.received(0).ends_with("\r\n\r\nhello"));
}

#[test]
fn a_backend_that_refuses_and_closes_spares_the_client_the_upload() {
    let upstream = Upstream::scripted(|connection| {
        connection.head();
        connection.send("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig");
        connection.end();
        connection.rest();
    });
    let proxy = forwarding(&upstream);
    let mut client = Client::of(&proxy);
    let response = client.send(ASK).response();
    assert_eq!((response.status, response.text().as_str()), (413, "big"));
    assert!(response.has("connection: close"), "{}", response.head);
    assert_eq!(client.end(), (Vec::new(), End::Proper));
    let (requests, fault) = strict::requests(upstream.received(0).as_bytes());
    assert_eq!((requests.len(), fault), (0, Some(Fault::Unfinished)));
    assert!(upstream.received(0).ends_with("\r\n\r\n"));
}

#[test]
fn a_backend_that_refuses_and_stays_gets_the_body_that_it_was_told_of_and_both_connections_go_on() {
    // NTLM: the first leg is a 401, and the connection is what is being authenticated.
    let upstream = Upstream::scripted(|connection| {
        connection.head();
        connection.send("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n");
        connection.bytes(5);
        while connection.request().is_some() {
            connection.send(OK);
        }
    });
    let proxy = forwarding(&upstream);
    let mut client = Client::of(&proxy);
    assert_eq!(client.send(ASK).response().status, 401);
    client.send("helloGET /next HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.response().text(), "ok");
    assert_eq!(upstream.connections(), 1);
    let received = upstream.received(0);
    let (requests, fault) = strict::requests(received.as_bytes());
    assert_eq!((requests.len(), fault), (2, None), "{received}");
    assert_eq!(
        (requests[0].body.as_slice(), requests[1].target.as_str()),
        (&b"hello"[..], "/next")
    );
}

#[test]
fn a_backend_that_knows_no_expectation_is_sent_the_request_without() {
    let upstream = knowing_no_expectation();
    let proxy = forwarding(&upstream);
    let mut client = Client::of(&proxy);
    assert_eq!(client.send(ASK).head().status, 100);
    assert_eq!(client.send("hello").response().status, 200);
    let last = upstream.received(upstream.connections() - 1);
    let (requests, fault) = strict::requests(last.as_bytes());
    assert_eq!((requests.len(), fault), (1, None), "{last}");
    assert_eq!(
        (requests[0].field("expect"), requests[0].body.as_slice()),
        (None, &b"hello"[..])
    );
}

#[test]
fn a_backend_that_does_not_answer_an_expectation_gets_the_body_after_a_while() {
    let upstream = Upstream::answering(OK);
    let proxy = forwarding(&upstream);
    let mut client = Client::of(&proxy);
    assert_eq!(client.send(ASK).head().status, 100);
    assert_eq!(client.send("hello").response().status, 200);
    assert!(upstream.received(0).contains("\r\nExpect: 100-continue\r\n"));
}

/// The head of [`ASK`] over HTTP/2.
const ASK_OVER_HTTP2: [(&[u8], &[u8]); 6] = [
    (b":method", b"PUT"),
    (b":scheme", b"https"),
    (b":authority", b"a.test"),
    (b":path", b"/up"),
    (b"content-length", b"5"),
    (b"expect", b"100-continue"),
];

#[test]
fn over_http_2_clients_go_on_by_themselves_and_an_expectation_that_is_met_here_goes_no_further() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let mut frames = Frames::of(&proxy);
    frames
        .open(1, &ASK_OVER_HTTP2, false)
        .send(DATA, END_STREAM, 1, b"hello");
    assert_eq!(frames.fate(1), Fate::Answered(200, None));
    let (requests, fault) = strict::requests(upstream.received(0).as_bytes());
    assert_eq!((requests.len(), fault), (1, None));
    assert_eq!(
        (requests[0].field("expect"), requests[0].body.as_slice()),
        (None, &b"hello"[..])
    );
}

#[test]
fn over_http_2_expectations_that_are_not_quite_the_known_one_are_a_417() {
    let upstream = Upstream::answering(OK);
    let proxy = forwarding(&upstream);
    let mut frames = Frames::of(&proxy);
    for (stream, value) in [(1, &b"100-continu"[..]), (3, b"x 100-continue"), (5, b"")] {
        let mut head = ASK_OVER_HTTP2;
        head[5].1 = value;
        frames.open(stream, &head, false);
        assert_eq!(frames.status(stream), 417, "{value:?}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn over_http_2_the_backend_is_asked_before_it_is_sent_anything_of_the_body() {
    let (refuse, refused) = channel::<()>();
    let refused = Mutex::new(refused);
    let upstream = Upstream::scripted(move |connection| {
        let head = connection.head().unwrap();
        assert!(head.contains("\r\nExpect: 100-continue\r\n") && head.contains("\r\nContent-Length: 5\r\n"));
        refused.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        connection.send("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig");
        connection.end();
        connection.rest();
    });
    let proxy = forwarding(&upstream);
    let mut frames = Frames::of(&proxy);
    frames
        .open(1, &ASK_OVER_HTTP2, false)
        .send(DATA, END_STREAM, 1, b"hello")
        .settle();
    eventually("the backend is asked", || upstream.received(0).contains("\r\n\r\n"));
    refuse.send(()).unwrap();
    assert_eq!(frames.fate(1), Fate::Answered(413, None));
    assert!(upstream.received(0).ends_with("\r\n\r\n"), "{}", upstream.received(0));
}

#[test]
fn over_http_2_the_100_of_the_backend_lets_the_body_go_at_once() {
    let (took, taken) = channel();
    let upstream = Upstream::scripted(move |connection| {
        while connection.head().is_some() {
            let asked = Instant::now();
            connection.send("HTTP/1.1 100 Continue\r\n\r\n");
            assert_eq!(connection.bytes(5).unwrap(), b"hello");
            took.send(asked.elapsed()).unwrap();
            connection.send(OK);
        }
    });
    let proxy = forwarding(&upstream);
    let mut frames = Frames::of(&proxy);
    // Without it the body would go after a second; a busy machine may need a second attempt.
    let mut streams = (1..).step_by(2);
    eventually("the body comes within half a second", || {
        let stream = streams.next().unwrap();
        frames
            .open(stream, &ASK_OVER_HTTP2, false)
            .send(DATA, END_STREAM, stream, b"hello");
        assert_eq!(frames.fate(stream), Fate::Answered(200, None));
        taken.recv().unwrap() < Duration::from_millis(500)
    });
}

#[test]
fn over_http_2_a_backend_that_knows_no_expectation_is_sent_the_request_without() {
    let upstream = knowing_no_expectation();
    let proxy = forwarding(&upstream);
    let mut frames = Frames::of(&proxy);
    frames
        .open(1, &ASK_OVER_HTTP2, false)
        .send(DATA, END_STREAM, 1, b"hello");
    assert_eq!(frames.fate(1), Fate::Answered(200, None));
    let (requests, fault) = strict::requests(upstream.received(upstream.connections() - 1).as_bytes());
    assert_eq!((requests.len(), fault), (1, None));
    assert_eq!(
        (requests[0].field("expect"), requests[0].body.as_slice()),
        (None, &b"hello"[..])
    );
}

/// hyper's client hears no 100 over HTTP/2: nothing would be gained by waiting for it.
#[test]
fn a_backend_of_http_2_gets_the_body_with_the_question() {
    let upstream = HyperUpstream::answering_ok(Speech::h2c());
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.backends[0].protocol.http = HttpVersion::Http2;
        settings.backends[0].delivery.expect = Expect::Forward;
    });
    let mut client = Client::of(&proxy);
    // It would go after a second; a busy machine may need a second attempt.
    eventually("the body comes within half a second", || {
        let asked = Instant::now();
        client.send(ASK).send("hello");
        while client.head().status == 100 {}
        assert_eq!(client.bytes(2), b"ok");
        asked.elapsed() < Duration::from_millis(500)
    });
}
