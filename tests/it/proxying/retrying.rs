//! Requests that are tried again, and those that are not.

use std::net::{Shutdown, TcpListener};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use socket2::SockRef;

use crate::rig::PATIENCE;
use crate::rig::client::{Client, http2};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::{Absent, Upstream, absent};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Takes a request and ends the connection without an answer, in one way or the other.
fn dying(with_reset: bool) -> Upstream {
    Upstream::scripted(move |connection| {
        if connection.request().is_some() && with_reset {
            connection.reset();
        }
    })
}

fn request(method: &str, body: &str) -> String {
    let length = match (body, method) {
        ("", "GET" | "HEAD" | "OPTIONS" | "DELETE") => String::new(),
        _ => format!("Content-Length: {}\r\n", body.len()),
    };
    format!("{method} / HTTP/1.1\r\nHost: a.test\r\n{length}\r\n{body}")
}

fn requests(upstream: &Upstream) -> usize {
    (0..upstream.connections())
        .map(|number| upstream.received(number).matches(" HTTP/1.1\r\n").count())
        .sum()
}

#[test]
fn what_was_sent_and_not_answered_goes_to_another_server_only_if_it_may_be_said_twice() {
    for (method, body, again) in [
        ("GET", "", true),
        ("HEAD", "", true),
        ("OPTIONS", "", true),
        ("PUT", "", true),
        ("DELETE", "", true),
        ("GET", "x", false),
        ("PUT", "x", false),
        ("POST", "", false),
        ("POST", "x", false),
        ("PATCH", "", false),
        ("LOCK", "", false),
    ] {
        for with_reset in [false, true] {
            let (one, two) = (dying(with_reset), Upstream::answering(OK));
            let proxy = Proxy::with(&[one.address, two.address], |_| ());
            let mut client = Client::of(&proxy);
            let status = client.send(request(method, body)).head().status;
            assert_eq!(status, if again { 200 } else { 502 }, "{method} {body:?}");
            assert_eq!((requests(&one), requests(&two)), (1, usize::from(again)), "{method}");
        }
    }
}

/// RFC 9112 section 9.3.1: a server may close an idle connection at the moment at which a request is on its way.
#[test]
fn a_kept_connection_that_dies_under_a_request_costs_only_what_cannot_be_said_twice() {
    for (method, again) in [("GET", true), ("DELETE", true), ("POST", false), ("PATCH", false)] {
        for with_reset in [false, true] {
            let upstream = Upstream::scripted(move |connection| {
                while connection.request().is_some() {
                    connection.send(OK);
                    if connection.number == 0 {
                        connection.request();
                        if with_reset {
                            connection.reset();
                        }
                        return;
                    }
                }
            });
            let proxy = Proxy::of(&upstream);
            let statuses = http2(&proxy, async |mut sender| {
                let mut statuses = Vec::new();
                for method in ["GET", method] {
                    let request = Request::builder()
                        .method(Method::from_bytes(method.as_bytes()).unwrap())
                        .uri("https://a.test/")
                        .body(Full::<Bytes>::default())
                        .unwrap();
                    statuses.push(sender.send_request(request).await.unwrap().status().as_u16());
                }
                statuses
            });
            assert_eq!(statuses, [200, if again { 200 } else { 502 }], "{method}");
            assert_eq!(upstream.connections(), if again { 2 } else { 1 }, "{method}");
        }
    }
}

#[test]
fn a_kept_connection_that_dies_sends_the_request_to_another_server_where_its_own_is_gone() {
    // It answers once, takes the next request, and is gone for good.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        // Nobody listens there any more, and nobody else may: the port stays taken.
        SockRef::from(&listener).shutdown(Shutdown::Both).unwrap();
        let mut buffer = [0; 4096];
        assert!(stream.read(&mut buffer).unwrap() > 0);
        stream.write_all(OK.as_bytes()).unwrap();
        assert!(stream.read(&mut buffer).unwrap() > 0);
        listener
    });
    let other = Upstream::answering(OK);
    let proxy = Proxy::with(&[address, other.address], |_| ());
    let mut client = Client::of(&proxy);
    for _ in 0..4 {
        assert_eq!(client.send(GET).response().status, 200);
    }
    server.join().unwrap();
}

#[test]
fn nothing_is_sent_a_third_time() {
    let servers = [(); 3].map(|()| dying(false));
    let addresses = servers.each_ref().map(|server| server.address);
    let proxy = Proxy::with(&addresses, |_| ());
    assert_eq!(Client::of(&proxy).send(GET).response().status, 502);
    assert_eq!(servers.iter().map(requests).sum::<usize>(), 2);
}

#[test]
fn what_was_not_sent_goes_to_as_many_servers_as_allowed_whatever_it_is() {
    let well = Upstream::answering(OK);
    for (retries, status) in [(0, 502), (1, 502), (2, 200)] {
        for (method, body) in [("GET", ""), ("POST", "x"), ("LOCK", "x")] {
            let proxy = Proxy::with(&[absent(), absent(), well.address], |settings| {
                settings.backends[0].choice.retries.most = retries;
            });
            let response = Client::of(&proxy).send(request(method, body)).response();
            assert_eq!(response.status, status, "{method} with {retries} retries");
        }
    }
}

#[test]
fn where_nothing_is_tried_again_a_connection_known_to_be_closed_is_still_not_used() {
    let (tell, closed) = std::sync::mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let upstream = Upstream::scripted(move |connection| {
        connection.request();
        connection.send(OK);
        connection.end();
        tell.lock().unwrap().send(()).unwrap();
        connection.rest();
    });
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.backends[0].choice.retries.most = 0;
    });
    let mut client = Client::of(&proxy);
    for _ in 0..3 {
        assert_eq!(client.send(GET).response().status, 200);
        // What the server says before the client does is heard before it.
        closed.recv_timeout(PATIENCE).unwrap();
    }
    assert_eq!(upstream.connections(), 3);
}

#[test]
fn requests_wait_for_a_server_that_starts_later() {
    let absent = Absent::new();
    let proxy = Proxy::with(&[absent.address()], |settings| {
        settings.backends[0].choice.retries.connect_for = PATIENCE;
    });
    let mut client = Client::of(&proxy);
    client.send(request("POST", "hello"));
    let upstream = absent.appears(|connection| {
        while connection.request().is_some() {
            connection.send(OK);
        }
    });
    assert_eq!(client.response().status, 200);
    assert!(upstream.received(0).ends_with("\r\n\r\nhello"));
}

#[test]
fn requests_do_not_wait_for_longer_than_they_should() {
    let proxy = Proxy::with(&[absent()], |settings| {
        settings.backends[0].choice.retries.connect_for = Duration::from_millis(200);
    });
    let response = Client::of(&proxy).send(GET).response();
    assert_eq!((response.status, response.has("Retry-After: 1")), (503, true));
}
