//! `Expect: 100-continue`: who is asked, who answers, and when.

use fullchain::proxy::{Delivery, Expect};

use crate::rig::client::{Client, End};
use crate::rig::proxy::Proxy;
use crate::rig::strict::{self, Fault};
use crate::rig::upstream::{Upstream, absent};

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
