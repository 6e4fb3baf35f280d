//! Upstreams that break or are not there.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use crate::rig::client::{Client, End, http2};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::{Upstream, absent};
use crate::rig::{PATIENCE, eventually};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

#[test]
fn an_upstream_that_is_not_there_is_a_502_that_says_nothing_about_it() {
    let closed = absent();
    let proxy = Proxy::with(&[closed], |_| ());
    let mut client = Client::of(&proxy);
    for _ in 0..2 {
        let response = client.send(GET).response();
        assert_eq!(response.status, 502);
        assert!(!response.text().contains(&closed.port().to_string()) && !response.text().contains("127.0.0.1"));
    }
}

#[test]
fn the_next_upstream_is_tried_where_one_does_not_accept() {
    let closed = absent();
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::with(&[closed, upstream.address], |_| ());
    let mut client = Client::of(&proxy);
    for _ in 0..4 {
        assert_eq!(
            client
                .send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx")
                .response()
                .status,
            200
        );
    }
}

#[test]
fn no_upstream_at_all_is_a_503() {
    let proxy = Proxy::with(&[], |_| ());
    assert_eq!(Client::of(&proxy).send(GET).response().status, 503);
}

#[test]
fn a_stale_connection_is_replaced_for_a_request_that_may_be_repeated_only() {
    for (request, status) in [
        (GET, 200),
        ("DELETE /x HTTP/1.1\r\nHost: a.test\r\n\r\n", 200),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n", 502),
        ("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx", 502),
    ] {
        // The first connection answers once and dies when it is used again.
        let upstream = Upstream::scripted(|connection| {
            while connection.request().is_some() {
                connection.send(OK);
                if connection.number == 0 {
                    connection.request();
                    return;
                }
            }
        });
        let proxy = Proxy::of(&upstream);
        let mut client = Client::of(&proxy);
        assert_eq!(client.send(GET).response().status, 200);
        assert_eq!(client.send(request).response().status, status, "{request}");
        assert_eq!(upstream.connections(), if status == 200 { 2 } else { 1 });
    }
}

#[test]
fn a_new_connection_that_dies_is_not_tried_twice() {
    let upstream = Upstream::scripted(|connection| {
        connection.request();
    });
    let proxy = Proxy::of(&upstream);
    assert_eq!(Client::of(&proxy).send(GET).response().status, 502);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_connection_that_was_closed_while_idle_is_not_used() {
    let upstream = Upstream::scripted(|connection| {
        connection.request();
        connection.send(OK);
    });
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    for _ in 0..5 {
        // Nothing of a request is sent on a connection known to be closed, so that even POST is safe.
        let response = client.send(GET).response();
        assert_eq!(response.status, 200);
    }
    assert_eq!(upstream.connections(), 5);
}

#[test]
fn a_reset_in_the_middle_is_a_cut_for_an_http_1_0_client_too() {
    let upstream = Upstream::scripted(|connection| {
        connection.head();
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    });
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.end().1, End::Cut);
}

#[test]
fn a_client_that_leaves_ends_the_upstreams_work() {
    let (told, ended) = std::sync::mpsc::channel();
    let upstream = Upstream::scripted(move |connection| {
        connection.head();
        connection.rest();
        told.send(()).unwrap();
    });
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send(GET);
    eventually("the request has arrived", || !upstream.received(0).is_empty());
    drop(client);
    ended.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn a_final_response_before_the_end_of_the_request_is_passed_on() {
    let upstream = Upstream::scripted(|connection| {
        connection.head();
        // Closing with bytes unread resets the connection while more of them are on their way.
        connection.send("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig");
    });
    let proxy = Proxy::of(&upstream);
    for _ in 0..20 {
        let mut client = Client::of(&proxy);
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\n");
        client.send(vec![b'x'; 1_000_000]);
        let response = client.response();
        assert_eq!((response.status, response.text().as_str()), (413, "big"));
    }
}

#[test]
fn upstream_connections_are_limited_and_the_next_request_gets_a_503() {
    let upstream = Upstream::scripted(|connection| {
        connection.head();
        connection.rest();
    });
    let proxy = Proxy::with(&[upstream.address], |settings| settings.limits.connections = 2);
    let mut clients = [Client::of(&proxy), Client::of(&proxy)];
    for client in &mut clients {
        client.send(GET);
    }
    eventually("both have a connection", || upstream.connections() == 2);
    drop(clients);
    let status = http2(&proxy, async |sender| {
        let request = || Request::get("https://a.test/").body(Full::<Bytes>::default()).unwrap();
        let (mut one, mut two, mut three) = (sender.clone(), sender.clone(), sender);
        tokio::select! {
            answer = one.send_request(request()) => answer,
            answer = two.send_request(request()) => answer,
            answer = three.send_request(request()) => answer,
        }
        .unwrap()
        .status()
    });
    assert_eq!(status, 503);
}
