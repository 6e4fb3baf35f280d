//! Servers that are told who the client is by the PROXY protocol.

use std::net::SocketAddr;

use bytes::Bytes;
use fullchain::proxy::settings::{Limit, ProxyProtocol};
use http::Request;
use http_body_util::Full;

use crate::rig::PATIENCE;
use crate::rig::client::{Client, http2};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::Upstream;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// A server that reads a line of version 1 before the first request of each connection.
fn told_by_line() -> Upstream {
    Upstream::scripted(|connection| {
        while connection.head().is_some() {
            connection.send(OK);
        }
    })
}

fn local_address(client: &Client) -> SocketAddr {
    client.stream.sock.local_addr().unwrap()
}

#[test]
fn a_connection_begins_with_the_client_and_serves_nobody_else() {
    let upstream = told_by_line();
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.backends[0].protocol.proxy_protocol = Some(ProxyProtocol::Version1);
    });
    let mut clients = [Client::of(&proxy), Client::of(&proxy)];
    for _ in 0..3 {
        for client in &mut clients {
            assert_eq!(client.send(GET).response().text(), "ok");
        }
    }
    // One connection for each client, used again by the same one alone.
    assert_eq!(upstream.connections(), 2);
    for (number, client) in clients.iter().enumerate() {
        let (source, destination) = (local_address(client), proxy.address);
        let line = format!(
            "PROXY TCP4 {} {} {} {}\r\nGET / HTTP/1.1\r\n",
            source.ip(),
            destination.ip(),
            source.port(),
            destination.port()
        );
        let received = upstream.received(number);
        assert!(received.starts_with(&line), "{received}");
        assert_eq!(received.matches("PROXY ").count(), 1);
        assert_eq!(received.matches("GET / ").count(), 3);
    }
}

#[test]
fn version_2_says_what_is_known_of_the_clients_tls() {
    let upstream = Upstream::scripted(|connection| {
        let fixed = connection.bytes(16).unwrap();
        let length = usize::from(fixed[14]) << 8 | usize::from(fixed[15]);
        connection.bytes(length).unwrap();
        while connection.head().is_some() {
            connection.send(OK);
        }
    });
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.backends[0].protocol.proxy_protocol = Some(ProxyProtocol::Version2);
    });
    let mut client = Client::of(&proxy);
    assert_eq!(client.send(GET).response().text(), "ok");
    http2(&proxy, async |mut sender| {
        let request = Request::get("https://a.test/").body(Full::<Bytes>::default()).unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
    });
    for (number, protocol) in ["http/1.1", "h2"].into_iter().enumerate() {
        let received = upstream.received(number);
        assert!(received.starts_with("\r\n\r\n\0\r\nQUIT\n!\u{11}"), "{received:?}");
        let (block, _) = received.split_once("GET / ").unwrap();
        for known in [protocol, "a.test", "TLSv1.3"] {
            assert!(block.contains(known), "{known} in {block:?}");
        }
    }
}

#[test]
fn connections_of_clients_that_have_gone_keep_no_other_from_being_kept() {
    let upstream = told_by_line();
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.backends[0].protocol.proxy_protocol = Some(ProxyProtocol::Version1);
    });
    // As many as are kept.
    for _ in 0..256 {
        assert_eq!(Client::of(&proxy).send(GET).response().text(), "ok");
    }
    let mut client = Client::of(&proxy);
    for _ in 0..3 {
        assert_eq!(client.send(GET).response().text(), "ok");
    }
    assert_eq!(upstream.connections(), 257);
}

#[test]
fn for_one_that_finds_no_place_at_the_server_one_idle_connection_is_closed_the_oldest() {
    let upstream = told_by_line();
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.backends[0].protocol.proxy_protocol = Some(ProxyProtocol::Version1);
        settings.backends[0].choice.limit = Some(Limit {
            connections: 3.try_into().unwrap(),
            queue: 10,
            queue_timeout: PATIENCE,
        });
    });
    let mut clients = [(); 4].map(|()| Client::of(&proxy));
    for client in &mut clients {
        assert_eq!(client.send(GET).response().text(), "ok");
    }
    // The first has made room for the last, and the others are where they were.
    for client in &mut clients[1..] {
        assert_eq!(client.send(GET).response().text(), "ok");
    }
    assert_eq!(upstream.connections(), 4);
    assert_eq!(clients[0].send(GET).response().text(), "ok");
    assert_eq!(upstream.connections(), 5);
}
