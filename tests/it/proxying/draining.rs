//! The end of the process, as clients see it.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::rig::client::{Client, End};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::Upstream;
use crate::rig::{PATIENCE, eventually};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

#[test]
fn a_request_in_progress_is_finished_and_the_last_on_its_connection() {
    let (arrived, has_arrived) = channel();
    let (go, may_go) = channel::<()>();
    let may_go = Mutex::new(may_go);
    let upstream = Upstream::scripted(move |connection| {
        connection.head();
        arrived.send(()).unwrap();
        may_go.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        connection.send(OK);
    });
    let mut proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send(GET);
    has_arrived.recv_timeout(PATIENCE).unwrap();
    proxy.drain();
    eventually("the listener is closed", || TcpStream::connect(proxy.address).is_err());
    go.send(()).unwrap();
    let response = client.response();
    assert!(
        response.status == 200 && response.has("connection: close"),
        "{}",
        response.head
    );
    assert_eq!(client.end(), (Vec::new(), End::Proper));
    drop(client);
    assert_eq!(proxy.finish(PATIENCE), 0);
}

#[test]
fn a_client_that_goes_on_is_served_once_more_and_one_that_is_idle_is_not_waited_for() {
    let mut proxy = Proxy::of(&Upstream::answering(OK));
    let mut client = Client::of(&proxy);
    let mut idle = Client::of(&proxy);
    for client in [&mut client, &mut idle] {
        assert_eq!(client.send(GET).response().status, 200);
    }
    proxy.drain();
    eventually("the listener is closed", || TcpStream::connect(proxy.address).is_err());
    let response = client.send(GET).response();
    assert!(
        response.status == 200 && response.has("connection: close"),
        "{}",
        response.head
    );
    for mut client in [client, idle] {
        assert_eq!(client.end(), (Vec::new(), End::Proper));
    }
    assert_eq!(proxy.finish(PATIENCE), 0);
}

#[test]
fn a_client_whose_response_had_begun_is_told_with_the_next_one() {
    let (go, may_go) = channel::<()>();
    let may_go = Mutex::new(may_go);
    let upstream = Upstream::scripted(move |connection| {
        connection.head();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
        may_go.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        connection.send("k");
        connection.head();
        connection.send(OK);
    });
    let mut proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    let head = client.send(GET).head();
    assert!(!head.has("connection: close"), "{}", head.head);
    proxy.drain();
    eventually("the listener is closed", || TcpStream::connect(proxy.address).is_err());
    go.send(()).unwrap();
    assert_eq!(client.bytes(2), b"ok");
    let response = client.send(GET).response();
    assert!(
        response.status == 200 && response.has("connection: close"),
        "{}",
        response.head
    );
    drop(client);
    assert_eq!(proxy.finish(PATIENCE), 0);
}

#[test]
fn a_client_that_was_let_in_may_still_ask_once() {
    let mut proxy = Proxy::of(&Upstream::answering(OK));
    let mut client = Client::of(&proxy);
    client.stream.conn.complete_io(&mut client.stream.sock).unwrap();
    proxy.drain();
    eventually("the listener is closed", || TcpStream::connect(proxy.address).is_err());
    let response = client.send(GET).response();
    assert!(
        response.status == 200 && response.has("connection: close"),
        "{}",
        response.head
    );
    drop(client);
    assert_eq!(proxy.finish(PATIENCE), 0);
}

#[test]
fn an_http2_connection_ends_with_goaway() {
    use bytes::Bytes;
    use http::Request;
    use http_body_util::{BodyExt, Full};

    let mut proxy = Proxy::of(&Upstream::answering(OK));
    crate::rig::client::http2(&proxy, async |mut sender| {
        let request = Request::get("https://a.test/").body(Full::<Bytes>::default()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        response.into_body().collect().await.unwrap();
        proxy.drain();
        while !sender.is_closed() {
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(proxy.finish(PATIENCE), 0);
}

#[test]
fn what_is_left_after_the_grace_is_cut_and_counted() {
    let upstream = Upstream::scripted(|connection| {
        connection.head();
        connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
        connection.rest();
    });
    let mut proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(client.response().status, 101);
    assert_eq!(proxy.finish(Duration::from_millis(50)), 1);
    assert_eq!(client.end().1, End::Cut);
}

#[test]
fn the_listener_closes_at_the_connection_limit_too() {
    let upstream = Upstream::answering(OK);
    let mut proxy = Proxy::with(&[upstream.address], |settings| settings.limits.connections = 1);
    let mut first = Client::of(&proxy);
    assert_eq!(first.send(GET).response().status, 200);
    // One that waits for the first to leave; the drain makes it, and this one is served still.
    let mut second = Client::of(&proxy);
    let sent = second.stream.conn.writer().write(GET.as_bytes()).unwrap();
    assert_eq!(sent, GET.len());
    second.stream.conn.write_tls(&mut second.stream.sock).unwrap();
    proxy.drain();
    eventually("the listener is closed", || TcpStream::connect(proxy.address).is_err());
    drop(first);
    assert_eq!(second.response().status, 200);
    drop(second);
    assert_eq!(proxy.finish(PATIENCE), 0);
}
