//! Requests through the real binary: what the log says of them, and several workers.

use std::io::{Read, Write};
use std::net::TcpStream;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::rig::PATIENCE;
use crate::rig::family::{Family, NAME};
use crate::rig::house::{House, Running};
use crate::rig::upstream::Upstream;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A request over a connection of its own; the whole response.
fn answer_to(house: &Running, request: &str) -> String {
    answer_on(TcpStream::connect(house.address).unwrap(), house, request)
}

/// The same on a connection that there is already.
fn answer_on(socket: TcpStream, house: &Running, request: &str) -> String {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let config = house.client_config(rustls::ALL_VERSIONS);
    let connection = ClientConnection::new(config, ServerName::try_from(NAME).unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, socket);
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

const GET: &str = "GET /path?query HTTP/1.1\r\nHost: a.test\r\nUser-Agent: tester\r\nConnection: close\r\n\r\n";

#[test]
fn each_request_is_a_line_with_who_what_and_how_it_ended() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf())
        .upstream(Upstream::answering(OK))
        .start();
    assert!(answer_to(&house, GET).starts_with("HTTP/1.1 200 "));
    house.wait_for_log(&[
        "fullchain::access",
        "\"method\":\"GET\"",
        "\"path\":\"/path?query\"",
        "\"status\":200",
        "\"bytes\":2",
        "\"end\":\"complete\"",
        "\"tls\":\"TLSv1.3\"",
        "\"user_agent\":\"tester\"",
    ]);
}

#[test]
fn a_dead_upstream_is_a_502_and_a_line_that_says_why() {
    let family = Family::new();
    let upstream = Upstream::scripted(|connection| connection.end());
    let address = upstream.address.to_string();
    let house = House::of(&family, &family.leaf()).upstream(upstream).start();
    assert!(answer_to(&house, GET).starts_with("HTTP/1.1 502 "));
    house.wait_for_log(&["WARN", "502", &address]);
}

#[test]
fn a_silent_upstream_is_a_504_and_a_line_that_says_why() {
    let family = Family::new();
    let upstream = Upstream::scripted(|connection| {
        connection.head();
        connection.rest();
    });
    let address = upstream.address.to_string();
    let house = House::of(&family, &family.leaf())
        .upstream(upstream)
        .flag("--timeouts-first-byte", "50ms")
        .start();
    assert!(answer_to(&house, GET).starts_with("HTTP/1.1 504 "));
    house.wait_for_log(&["WARN", "504", &address]);
}

#[test]
fn a_handshake_that_fails_is_a_line_with_the_name_that_was_asked_for() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf()).switch("--strict-sni").start();
    let config = house.client_config(rustls::ALL_VERSIONS);
    let mut connection = ClientConnection::new(config, ServerName::try_from("unknown.test").unwrap()).unwrap();
    let mut socket = TcpStream::connect(house.address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(connection.complete_io(&mut socket).is_err());
    house.wait_for_log(&["unknown-name", "unknown.test"]);
}

#[test]
fn behind_a_balancer_the_log_names_the_client() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf())
        .upstream(Upstream::answering(OK))
        .flag("--proxy-protocol-from", "127.0.0.1")
        .start();
    let mut socket = TcpStream::connect(house.address).unwrap();
    socket
        .write_all(b"PROXY TCP4 192.0.2.1 198.51.100.2 4711 443\r\n")
        .unwrap();
    assert!(answer_on(socket, &house, GET).starts_with("HTTP/1.1 200 "));
    house.wait_for_log(&["fullchain::access", "192.0.2.1:4711"]);
    let mut socket = TcpStream::connect(house.address).unwrap();
    socket.write_all(b"\x16\x03\x01").unwrap();
    house.wait_for_log(&["no PROXY header", "127.0.0.1"]);
}

#[test]
fn several_workers_share_the_connections_and_end_together() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf())
        .upstream(Upstream::answering(OK))
        .flag("--workers", "3")
        .start();
    for _ in 0..30 {
        assert!(answer_to(&house, GET).ends_with("ok"));
    }
    house.signal(rustix::process::Signal::TERM);
    let ended = house.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(
        ended.err.contains("every connection was served to its end"),
        "{}",
        ended.err
    );
}
