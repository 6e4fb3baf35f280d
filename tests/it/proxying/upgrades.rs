//! From HTTP to another protocol.

use std::io::Write;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};

use crate::rig::PATIENCE;
use crate::rig::client::{Client, End, http2};
use crate::rig::proxy::Proxy;
use crate::rig::strict;
use crate::rig::upstream::Upstream;

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const AGREE: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// What is passed on at all is passed on at once.
const A_WHILE: Duration = Duration::from_millis(100);

#[test]
fn bytes_pass_both_ways_after_the_101_and_each_way_ends_on_its_own() {
    let upstream = Upstream::scripted(|connection| {
        connection.head();
        connection.send(format!("{AGREE}hello"));
        let said = connection.bytes(4).unwrap();
        connection.send([b"echo ", said.as_slice()].concat());
        // The client has ended; this way is still open.
        let rest = connection.rest();
        connection.send(format!(" and {} more", rest.len()));
    });
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    let response = client.send(ASK).response();
    assert!(response.status == 101 && response.has("upgrade: websocket") && response.has("connection: upgrade"));
    assert!(response.has("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(client.bytes(5), b"hello");
    client.send("ping");
    assert_eq!(client.bytes(9), b"echo ping");
    client.send("more");
    client.stream.conn.send_close_notify();
    client.stream.flush().unwrap();
    let (rest, end) = client.end();
    assert_eq!(
        (String::from_utf8(rest).unwrap().as_str(), end),
        (" and 4 more", End::Proper)
    );
    let head = upstream.first_head();
    for line in [
        "Connection: upgrade",
        "Upgrade: websocket",
        "Sec-Websocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ] {
        assert!(head.iter().any(|have| have == line), "{line}: {head:?}");
    }
}

#[test]
fn bytes_that_come_before_the_101_wait_for_it() {
    let ((tell, told), (heard, hear)) = (channel(), channel());
    let told = Mutex::new(told);
    let upstream = Upstream::scripted(move |connection| {
        connection.head();
        heard.send(false).unwrap();
        told.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        heard.send(connection.has_more(A_WHILE)).unwrap();
        connection.send(AGREE);
        let early = connection.bytes(5).unwrap();
        connection.send(early);
    });
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send(ASK);
    hear.recv_timeout(PATIENCE).unwrap();
    client.send("early");
    tell.send(()).unwrap();
    assert!(!hear.recv_timeout(PATIENCE).unwrap());
    assert_eq!(client.response().status, 101);
    assert_eq!(client.bytes(5), b"early");
}

#[test]
fn a_101_for_another_protocol_is_a_502() {
    let upstream = Upstream::answering("HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\n\r\n");
    let proxy = Proxy::of(&upstream);
    assert_eq!(Client::of(&proxy).send(ASK).response().status, 502);
}

#[test]
fn a_tunnel_outlives_the_idle_timeout() {
    let upstream = Upstream::scripted(|connection| {
        connection.head();
        connection.send(AGREE);
        while let Some(byte) = connection.bytes(1) {
            connection.send(byte);
        }
    });
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.timeouts.idle = Duration::from_millis(50);
    });
    let mut client = Client::of(&proxy);
    assert_eq!(client.send(ASK).response().status, 101);
    // Another connection shows that the timeout has passed.
    let mut other = Client::of(&proxy);
    other.send("OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n").response();
    assert_eq!(other.end().1, End::Proper);
    client.send("x");
    assert_eq!(client.bytes(1), b"x");
}

#[test]
fn a_tunnel_that_is_half_closed_and_silent_is_cut() {
    let (told, heard) = channel();
    let upstream = Upstream::scripted(move |connection| {
        connection.head();
        connection.send(AGREE);
        connection.end();
        connection.rest();
        told.send(()).unwrap();
    });
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.timeouts.idle = Duration::from_millis(50);
    });
    let mut client = Client::of(&proxy);
    assert_eq!(client.send(ASK).response().status, 101);
    heard.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn a_101_without_a_connection_field_is_one_where_it_was_asked_for() {
    for said in ["websocket", "WebSocket"] {
        let upstream = Upstream::scripted(move |connection| {
            connection.head();
            connection.send(format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: {said}\r\n\r\n"));
            while let Some(byte) = connection.bytes(1) {
                connection.send(byte);
            }
        });
        let proxy = Proxy::of(&upstream);
        let mut client = Client::of(&proxy);
        let response = client.send(ASK).response();
        assert_eq!(response.status, 101);
        assert!(response.has("connection: upgrade") && response.has(&format!("upgrade: {said}")));
        client.send("x");
        assert_eq!(client.bytes(1), b"x");
    }
}

#[test]
fn a_101_that_was_not_asked_for_properly_is_a_502_and_opens_no_tunnel() {
    let get = |version: &str, fields: &str| format!("GET / HTTP/{version}\r\nHost: a.test\r\n{fields}\r\n");
    let asked = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    for request in [
        get("1.1", ""),
        get("1.1", "Upgrade: websocket\r\n"),
        get("1.1", "Connection: Upgrade\r\n"),
        get(
            "1.1",
            "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
        ),
        get(
            "1.1",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n",
        ),
        get("1.0", asked),
        get("1.1", &format!("{asked}Content-Length: 4\r\n")) + "body",
        get("1.1", &format!("{asked}Transfer-Encoding: chunked\r\n")) + "0\r\n\r\n",
    ] {
        let upstream = Upstream::answering(format!("{AGREE}bytes of another protocol"));
        let proxy = Proxy::of(&upstream);
        let mut client = Client::of(&proxy);
        let response = client.send(&request).response();
        assert_eq!(response.status, 502, "{request}");
        assert!(
            !response.has_field("upgrade") && !response.text().contains("bytes"),
            "{request}"
        );
        let received = upstream.received(0).to_ascii_lowercase();
        assert!(!received.contains("upgrade"), "{request}: {received}");
    }
}

#[test]
fn a_101_to_an_http2_client_is_a_502() {
    let upstream = Upstream::answering(AGREE);
    let proxy = Proxy::of(&upstream);
    http2(&proxy, async |mut sender| {
        let request = Request::get("https://a.test/chat").body(Full::<Bytes>::default());
        let response = sender.send_request(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), 502);
        response.into_body().collect().await.unwrap();
    });
}

#[test]
fn nothing_that_follows_an_upgrade_reaches_a_backend_that_takes_it_for_a_request() {
    let smuggled = "GET /admin HTTP/1.1\r\nHost: a.test\r\nX-Real-IP: 6.6.6.6\r\n\r\n";
    let with_a_body = format!(
        "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: {}\r\n\r\n\
         {smuggled}",
        smuggled.len()
    );
    // Behind a head it is a request like any other, as soon as it is known that there is no tunnel.
    for (asked, then, paths, bodies) in [
        (ASK, smuggled, &["/chat", "/admin"][..], &["", ""][..]),
        (&with_a_body, "", &["/"], &[smuggled]),
    ] {
        let ((tell, told), (heard, hear)) = (channel(), channel());
        let told = Mutex::new(told);
        let upstream = Upstream::scripted(move |connection| {
            while connection.request().is_some() {
                heard.send(false).unwrap();
                told.lock().unwrap().recv_timeout(PATIENCE).unwrap();
                // Whatever comes before the answer was passed on without one.
                heard.send(connection.has_more(A_WHILE)).unwrap();
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            }
        });
        let proxy = Proxy::of(&upstream);
        let mut client = Client::of(&proxy);
        client.send(asked);
        for (path, then) in paths.iter().zip([then, ""]) {
            hear.recv_timeout(PATIENCE).unwrap();
            client.send(then);
            tell.send(()).unwrap();
            assert!(!hear.recv_timeout(PATIENCE).unwrap(), "{path}");
            assert_eq!(client.response().text(), "ok", "{path}");
        }
        let (requests, fault) = strict::requests(upstream.received(0).as_bytes());
        assert_eq!((upstream.connections(), fault), (1, None));
        let seen: Vec<_> = requests.iter().map(|request| request.target.as_str()).collect();
        assert_eq!(seen, paths);
        for (request, body) in requests.iter().zip(bodies) {
            assert_eq!(request.body, body.as_bytes(), "{}", request.target);
            assert_eq!(request.field("x-real-ip"), Some("127.0.0.1"), "{}", request.target);
        }
    }
}
