//! Bodies pass as they come, and no faster than they are taken.

use std::io::{self, ErrorKind, Write};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::rig::PATIENCE;
use crate::rig::client::{Client, End};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::Upstream;

#[test]
fn a_download_arrives_while_the_upstream_is_still_sending() {
    let (go, went) = channel();
    let upstream = Upstream::scripted(waiting(went, |connection, went| {
        connection.head();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
        went.recv_timeout(PATIENCE).unwrap();
        connection.send("after");
    }));
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    assert_eq!(client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").head().status, 200);
    assert_eq!(client.bytes(5), b"first");
    go.send(()).unwrap();
    assert_eq!(client.bytes(5), b"after");
}

#[test]
fn an_upload_arrives_while_the_client_is_still_sending() {
    let (told, heard) = channel();
    let upstream = Upstream::scripted(move |connection| {
        connection.head();
        told.send(connection.bytes(5).unwrap()).unwrap();
        told.send(connection.bytes(5).unwrap()).unwrap();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nfirst");
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), b"first");
    client.send("after");
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), b"after");
    assert_eq!(client.response().status, 200);
}

/// More than every buffer on the way holds, the kernel's included.
const LARGE: usize = 64 * 1024 * 1024;

#[test]
fn an_upstream_is_held_back_by_a_client_that_does_not_read() {
    let (told, held_back) = channel();
    let upstream = Upstream::scripted(move |connection| {
        connection.head();
        connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"));
        connection
            .stream()
            .set_write_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        write_large(|bytes| connection.stream().write(bytes), || told.send(()).unwrap());
    });
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    held_back.recv_timeout(PATIENCE).unwrap();
    let response = client.response();
    assert_eq!((response.body.len(), response.complete), (LARGE, true));
}

#[test]
fn a_client_is_held_back_by_an_upstream_that_does_not_read() {
    let (go, may_go) = channel();
    let upstream = Upstream::scripted(waiting(may_go, |connection, may_go| {
        connection.head();
        may_go.recv_timeout(PATIENCE).unwrap();
        let mut left = LARGE;
        while left > 0 {
            left -= connection.bytes(left.min(64 * 1024)).unwrap().len();
        }
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }));
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send(format!(
        "PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {LARGE}\r\n\r\n"
    ));
    client
        .stream
        .sock
        .set_write_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    write_large(|bytes| client.write(bytes), || go.send(()).unwrap());
    client.stream.sock.set_write_timeout(None).unwrap();
    client.send("");
    assert_eq!(client.response().status, 200);
}

/// Writes [`LARGE`] bytes; `when_held_back` is told once that the other side takes no more for now.
fn write_large(mut write: impl FnMut(&[u8]) -> io::Result<usize>, when_held_back: impl Fn()) {
    let chunk = vec![b'x'; 16 * 1024];
    let (mut left, mut told) = (LARGE, false);
    while left > 0 {
        match write(&chunk[..left.min(chunk.len())]) {
            Ok(count) => left -= count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if !told {
                    when_held_back();
                }
                told = true;
            }
            Err(error) => panic!("{left} bytes left: {error}"),
        }
    }
    assert!(told, "nothing held the writer back");
}

#[test]
fn an_early_response_is_relayed_and_the_rest_of_the_upload_is_no_request() {
    let upstream = Upstream::scripted(|connection| {
        connection.head();
        connection.send("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig");
        connection.end();
        connection.rest();
    });
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000\r\n\r\n");
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (413, "big"));
    // What follows is body, whatever it looks like: the connection ends without an answer to it.
    let _ = client
        .stream
        .write_all(b"GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let (rest, _) = client.end();
    assert_eq!(String::from_utf8_lossy(&rest), "");
    let received: String = (0..upstream.connections())
        .map(|number| upstream.received(number))
        .collect();
    assert_eq!(
        received.matches(" HTTP/1.1\r\n").count(),
        1 + received.matches("smuggled").count()
    );
    assert!(upstream.connections() == 1);
}

#[test]
fn a_request_refused_before_its_body_was_read_ends_its_connection() {
    let proxy = Proxy::with(&[], |_| ());
    let mut client = Client::of(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\nsome");
    let response = client.response();
    assert!(
        response.status == 503 && response.has("connection: close"),
        "{}",
        response.head
    );
    assert_eq!(client.end(), (Vec::new(), End::Proper));
}

/// A script that waits for a channel: scripts are shared between threads, receivers are not.
fn waiting<T: Send + 'static>(
    receiver: Receiver<T>,
    script: impl Fn(&mut crate::rig::upstream::Connection, &Receiver<T>) + Send + Sync + 'static,
) -> impl Fn(&mut crate::rig::upstream::Connection) + Send + Sync + 'static {
    let receiver = Mutex::new(receiver);
    move |connection| script(connection, &receiver.lock().unwrap())
}
