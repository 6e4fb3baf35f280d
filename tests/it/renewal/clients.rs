//! What clients that are there during a reload notice of it: nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, StreamOwned};

use crate::rig::PATIENCE;
use crate::rig::family::{Family, NAME};
use crate::rig::house::{House, Running};
use crate::rig::upstream::Upstream;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

fn connect(house: &Running, config: &Arc<ClientConfig>) -> StreamOwned<ClientConnection, TcpStream> {
    let socket = TcpStream::connect(house.address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let name = ServerName::try_from(NAME).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), socket)
}

#[test]
fn sessions_are_resumed_across_a_reload() {
    for version in [&TLS12, &TLS13] {
        let family = Family::new();
        let house = House::of(&family, &family.leaf()).start();
        let config = house.client_config(&[version]);
        assert_eq!(house.ask(&config).0, HandshakeKind::Full, "{version:?}");
        assert_eq!(house.ask(&config).0, HandshakeKind::Resumed, "{version:?}");
        let after = family.leaf();
        house.directory().replace("tls.key", after.key_pem());
        house.directory().replace("tls.crt", after.pem());
        house.wait_until_served([&after, &family.issuing]);
        let (kind, response) = house.ask(&config);
        assert_eq!(kind, HandshakeKind::Resumed, "{version:?}");
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    }
}

#[test]
fn a_request_in_flight_and_an_open_connection_survive_a_reload() {
    let (arrived, has_arrived) = channel();
    let (go, may_go) = channel::<()>();
    let may_go = Mutex::new(may_go);
    let upstream = Upstream::scripted(move |connection| {
        while connection.head().is_some() {
            arrived.send(()).unwrap();
            may_go.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let family = Family::new();
    let house = House::of(&family, &family.leaf()).upstream(upstream).start();
    let mut stream = connect(&house, &house.client_config(&[&TLS13]));
    stream
        .write_all(b"GET /first HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .unwrap();
    has_arrived.recv_timeout(PATIENCE).unwrap();

    let after = family.leaf();
    house.directory().replace("tls.key", after.key_pem());
    house.directory().replace("tls.crt", after.pem());
    house.wait_until_served([&after, &family.issuing]);

    go.send(()).unwrap();
    let mut first = Vec::new();
    while !first.ends_with(b"\r\n\r\nok") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        first.extend(byte);
    }
    stream.write_all(GET).unwrap();
    has_arrived.recv_timeout(PATIENCE).unwrap();
    go.send(()).unwrap();
    let mut second = String::new();
    stream.read_to_string(&mut second).unwrap();
    assert!(second.starts_with("HTTP/1.1 200 "), "{second}");
}
