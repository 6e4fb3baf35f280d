//! Each way in which a backend fails has its status and its word.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use fullchain::proxy::AccessFormat;
use fullchain::proxy::settings::{BackendTimeouts, ServerAddress};
use http_body_util::Full;
use serde_json::{Value, json};
use socket2::{Domain, SockRef, Socket, Type};

use crate::rig::access::{AccessFile, documented};
use crate::rig::client::{Client, http2};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::{Connection, Upstream, absent};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// Closes with a reset.
pub(super) fn reset(connection: &mut Connection) {
    SockRef::from(&*connection.stream())
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}

/// What the log says of a request to a backend that does as `script` says.
fn told_of(script: impl Fn(&mut Connection) + Send + Sync + 'static) -> (u64, Value, Value) {
    told_of_servers(&[Upstream::scripted(script).address])
}

fn told_of_servers(servers: &[SocketAddr]) -> (u64, Value, Value) {
    told_with(servers, |_| ())
}

/// The same with timeouts that `alter` makes short: only those that are to run out, since a machine may be slow.
fn told_with(servers: &[SocketAddr], alter: impl FnOnce(&mut BackendTimeouts)) -> (u64, Value, Value) {
    let file = AccessFile::new();
    let proxy = Proxy::with(servers, |settings| {
        settings.access_log = file.settings(AccessFormat::Json);
        alter(&mut settings.backends[0].timeouts);
    });
    told(&proxy, &file)
}

const SHORT: Duration = Duration::from_millis(50);

fn told(proxy: &Proxy, file: &AccessFile) -> (u64, Value, Value) {
    let mut client = Client::of(proxy);
    client.send(GET).response();
    let mut line = file.object();
    let status = line["status"].as_u64().unwrap();
    (status, line["cause"].take(), line["end"].take())
}

/// What the log says of a response that is ours and complete.
fn failure(status: u64, cause: &str) -> (u64, Value, Value) {
    assert!(documented("Causes").iter().any(|known| known == cause), "{cause}");
    (status, json!(cause), json!("complete"))
}

#[test]
fn a_connection_that_ends_before_an_answer() {
    assert_eq!(told_of(|connection| connection.end()), failure(502, "closed"));
    let after_the_request = |connection: &mut Connection| drop(connection.head());
    assert_eq!(told_of(after_the_request), failure(502, "closed"));
    let with_a_reset = |connection: &mut Connection| {
        connection.head();
        reset(connection);
    };
    assert_eq!(told_of(with_a_reset), failure(502, "reset"));
}

#[test]
fn an_answer_that_is_none() {
    for (answer, cause) in [
        ("banana\r\n\r\n".to_owned(), "invalid-response"),
        ("HTTP/1.1 200 OK\r\nA\0: b\r\n\r\n".to_owned(), "invalid-response"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_owned(),
            "invalid-response",
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n".to_owned(),
            "invalid-response",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Le".to_owned(), "incomplete-header"),
        (
            format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "a".repeat(300_000)),
            "oversized-header",
        ),
    ] {
        let start: String = answer.chars().take(60).collect();
        let told = told_of(move |connection| {
            connection.head();
            connection.send(&answer);
            connection.end();
            connection.rest();
        });
        assert_eq!(told, failure(502, cause), "{start}");
    }
}

#[test]
fn no_answer_in_time() {
    let silent = |connection: &mut Connection| drop(connection.rest());
    let servers = [Upstream::scripted(silent).address];
    assert_eq!(
        told_with(&servers, |timeouts| timeouts.first_byte = SHORT),
        failure(504, "first-byte-timeout")
    );
}

#[test]
fn no_connection() {
    assert_eq!(told_of_servers(&[absent()]), failure(502, "refused"));
    // The kernel has no way to a broadcast address for TCP.
    let broadcast = SocketAddr::from(([255, 255, 255, 255], 80));
    assert_eq!(told_of_servers(&[broadcast]), failure(502, "unreachable"));
}

#[test]
fn no_connection_in_time() {
    // A full queue: the kernel answers no further connection.
    let full = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap();
    let _waiting: Vec<Socket> = (0..4)
        .map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&address);
            socket
        })
        .collect();
    assert_eq!(
        told_with(&[address.as_socket().unwrap()], |timeouts| timeouts.connect = SHORT),
        failure(504, "connect-timeout")
    );
}

#[test]
fn no_address() {
    let file = AccessFile::new();
    let proxy = Proxy::with(&[], |settings| {
        settings.access_log = file.settings(AccessFormat::Json);
        settings.backends[0].servers = vec![ServerAddress::http("does-not-exist.invalid", 80)];
    });
    assert_eq!(told(&proxy, &file), failure(502, "resolve"));
}

#[test]
fn no_server() {
    assert_eq!(told_of_servers(&[]), failure(503, "no-server"));
}

#[test]
fn a_response_that_breaks_off() {
    for (rest, cause) in [
        ("Content-Length: 10\r\n\r\nhello", "closed"),
        (
            "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
            "invalid-response",
        ),
    ] {
        let told = told_of(move |connection| {
            connection.head();
            connection.send(format!("HTTP/1.1 200 OK\r\n{rest}"));
            connection.end();
            connection.rest();
        });
        assert_eq!(told, (200, json!(cause), json!("cut")), "{rest}");
    }
    let stalls = Upstream::scripted(|connection| {
        connection.head();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
        connection.rest();
    });
    let stalled = told_with(&[stalls.address], |timeouts| timeouts.progress = SHORT);
    assert_eq!(stalled, (200, json!("idle-timeout"), json!("cut")));
}

#[test]
fn a_request_that_is_refused() {
    for (request, status, cause) in [
        ("GET / HTTP/1.1\r\n\r\n", 400, "host"),
        ("TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n", 405, "method"),
        (
            "GET / HTTP/1.1\r\nHost: a.test\r\nExpect: banana\r\n\r\n",
            417,
            "expectation",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            400,
            "framing",
        ),
    ] {
        let (file, upstream) = (
            AccessFile::new(),
            Upstream::answering("HTTP/1.1 204 No Content\r\n\r\n"),
        );
        let proxy = Proxy::with(&[upstream.address], |settings| {
            settings.access_log = file.settings(AccessFormat::Json);
        });
        Client::of(&proxy).send(request).response();
        let line = file.object();
        assert_eq!(
            (&line["status"], &line["cause"]),
            (&json!(status), &json!(cause)),
            "{request}"
        );
        assert_eq!(line["server"], Value::Null);
    }
}

#[test]
fn a_header_that_is_too_large_over_http_2() {
    let file = AccessFile::new();
    let upstream = Upstream::answering("HTTP/1.1 204 No Content\r\n\r\n");
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.access_log = file.settings(AccessFormat::Json);
    });
    let token = "x".repeat(140 * 1024);
    let status = http2(&proxy, async |mut sender| {
        let request = http::Request::get("https://a.test/").header("authorization", format!("Negotiate {token}"));
        let request = request.body(Full::<Bytes>::default()).unwrap();
        sender.send_request(request).await.unwrap().status()
    });
    let line = file.object();
    assert_eq!(
        (status.as_u16(), &line["status"], &line["cause"]),
        (431, &json!(431), &json!("header-too-large"))
    );
    assert_eq!(upstream.connections(), 0);
}
