//! Clients that come through a balancer.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use fullchain::proxy::settings::{ListenAddress, Listener, Peers, Service};

use crate::rig::client::Client;
use crate::rig::plain::{connect, connect_unix, exchange, get};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::Upstream;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const LINE: &str = "PROXY TCP4 192.0.2.1 198.51.100.2 4711 443\r\n";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

#[test]
fn behind_a_balancer_the_client_is_whom_the_header_names() {
    for (header, client) in [
        (LINE.as_bytes().to_vec(), "192.0.2.1"),
        (b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n".to_vec(), "2001:db8::1"),
        (
            block(0x21, 0x11, &[192, 0, 2, 9, 198, 51, 100, 2, 0, 1, 0, 2]),
            "192.0.2.9",
        ),
        (block(0x21, 0x21, &[&[0; 15][..], &[7], &[0; 20]].concat()), "::7"),
        // A field of some type that nobody knows.
        (
            block(0x21, 0x11, &[192, 0, 2, 9, 198, 51, 100, 2, 0, 1, 0, 2, 0xe0, 0, 1, 9]),
            "192.0.2.9",
        ),
        // The balancer speaks for itself, or does not know.
        (block(0x20, 0x00, b""), "127.0.0.1"),
        (
            block(0x20, 0x11, &[192, 0, 2, 9, 198, 51, 100, 2, 0, 1, 0, 2]),
            "127.0.0.1",
        ),
        (block(0x21, 0x00, b""), "127.0.0.1"),
        (block(0x21, 0x31, &[b'x'; 216]), "127.0.0.1"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (b"PROXY UNKNOWN 192.0.2.1 192.0.2.2 1 2\r\n".to_vec(), "127.0.0.1"),
    ] {
        let upstream = Upstream::answering(OK);
        let proxy = behind_balancers(&upstream, "127.0.0.0/8");
        let mut client_side = Client::on(introduced(&proxy, &header), &proxy);
        assert_eq!(client_side.send(get("/")).response().status, 200);
        let told = upstream.was_told(&format!("x-forwarded-for: {client}"));
        assert!(told, "{client}: {:?}", upstream.first_head());
    }
}

#[test]
fn a_header_that_comes_byte_by_byte_or_with_the_request_is_read() {
    let upstream = Upstream::answering(OK);
    let proxy = plain_behind_balancers(&upstream);
    let mut socket = connect(proxy.listener(2));
    socket.set_nodelay(true).unwrap();
    for byte in LINE.as_bytes() {
        socket.write_all(&[*byte]).unwrap();
    }
    assert!(exchange(&socket, get("/")).ends_with("ok"));
    assert!(exchange(connect(proxy.listener(2)), format!("{LINE}{}", get("/"))).ends_with("ok"));
    let large = block(0x21, 0x11, &[&[0; 12][..], &[4, 0x0f, 0x00], &[0; 0x0f00]].concat());
    let request = [large.as_slice(), get("/").as_bytes()].concat();
    assert!(exchange(connect(proxy.listener(2)), request).ends_with("ok"));
}

#[test]
fn a_balancer_without_a_good_header_gets_nothing() {
    let upstream = Upstream::answering(OK);
    let proxy = plain_behind_balancers(&upstream);
    let too_long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
    for header in [
        b"".to_vec(),
        b"PROXY TCP4 192.0.2.1 198.51.100.2 4711\r\n".to_vec(),
        too_long.into_bytes(),
        b"PROXY TCP4 192.0.2.1 198.51.100.2 4711 443\n".to_vec(),
        // Shorter than the addresses; a field that ends beyond the header; a length beyond what anybody needs.
        block(0x21, 0x11, &[192, 0, 2, 1]),
        block(0x21, 0x11, &[192, 0, 2, 9, 198, 51, 100, 2, 0, 1, 0, 2, 4, 0, 9]),
        [SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat(),
        // Version 3; an unknown command; an unknown family.
        block(0x31, 0x11, &[0; 12]),
        block(0x22, 0x11, &[0; 12]),
        block(0x21, 0x51, &[0; 12]),
    ] {
        let request = [header.as_slice(), get("/").as_bytes()].concat();
        let received = exchange(connect(proxy.listener(2)), request);
        assert_eq!(received, "", "{:?}", String::from_utf8_lossy(&header));
    }
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn a_balancer_that_sends_no_header_is_given_up() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.timeouts.header = Duration::from_millis(50);
        for listener in &mut settings.listeners {
            listener.balancers = from("127.0.0.1");
        }
    });
    for address in [proxy.address, proxy.redirect] {
        assert_eq!(exchange(connect(address), ""), "");
        assert_eq!(exchange(connect(address), "PROXY TCP4 1"), "");
    }
}

#[test]
fn nobody_else_is_believed() {
    let upstream = Upstream::answering(OK);
    let proxy = behind_balancers(&upstream, "192.0.2.0/24");
    // To TLS it is plain text.
    assert!(exchange(connect(proxy.address), LINE).starts_with("HTTP/1.1 400 "));
    let version_2 = block(0x21, 0x11, &[0; 12]);
    let answer = exchange(connect(proxy.address), version_2);
    assert!(!answer.contains("200"), "{answer}");
    // To HTTP it is a malformed request.
    assert!(exchange(connect(proxy.redirect), format!("{LINE}{}", get("/"))).starts_with("HTTP/1.1 400 "));
    // Without one all is well.
    let mut client = Client::of(&proxy);
    assert_eq!(client.send(get("/")).response().status, 200);
    assert!(upstream.was_told("x-forwarded-for: 127.0.0.1"));
}

#[test]
fn whoever_connects_to_a_unix_socket_is_a_balancer_if_that_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("http");
    for unix in [true, false] {
        let upstream = Upstream::answering(OK);
        let proxy = Proxy::with(&[upstream.address], |settings| {
            let mut listener = Listener::new(ListenAddress::Unix(path.clone()), Service::Http);
            listener.balancers.unix = unix;
            settings.listeners.push(listener);
        });
        let answer = exchange(connect_unix(&path), format!("{LINE}{}", get("/")));
        match unix {
            true => assert!(upstream.was_told("x-forwarded-for: 192.0.2.1")),
            false => assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}"),
        }
        drop(proxy);
    }
}

/// A proxy whose listeners have balancers in this network.
fn behind_balancers(upstream: &Upstream, network: &str) -> Proxy {
    Proxy::with(&[upstream.address], |settings| {
        for listener in &mut settings.listeners {
            listener.balancers = from(network);
        }
    })
}

/// A proxy whose third listener is a plain one behind balancers on this machine.
fn plain_behind_balancers(upstream: &Upstream) -> Proxy {
    Proxy::with(&[upstream.address], |settings| {
        let mut listener = Listener::new(SocketAddr::from(([127, 0, 0, 1], 0)), Service::Http);
        listener.balancers = from("127.0.0.1");
        settings.listeners.push(listener);
    })
}

fn from(network: &str) -> Peers {
    Peers {
        networks: vec![network.parse().unwrap()],
        unix: false,
    }
}

/// A connection that begins with `header`.
fn introduced(proxy: &Proxy, header: &[u8]) -> TcpStream {
    let mut socket = connect(proxy.address);
    socket.write_all(header).unwrap();
    socket
}

/// A header of version 2.
fn block(command: u8, family: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, content].concat()
}
