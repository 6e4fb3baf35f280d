//! Sockets that systemd listens on and hands over.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use rustix::process::Signal;

use crate::rig::family::Family;
use crate::rig::house::{House, Running};
use crate::rig::plain::{connect, connect_unix, exchange, get};

#[test]
fn a_socket_of_systemd_is_served_and_outlives_the_process() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut first = activated(&socket, "web");
    first.address = address;
    first.wait_for_log(&["serving TLS", &address.to_string()]);
    assert!(first.served().is_ok());
    first.signal(Signal::TERM);
    assert_eq!(first.ended().code, Some(0));
    // Nobody accepts now; whoever connects waits for the next process.
    let mut waiting = connect(address);
    waiting.write_all(get("/").as_bytes()).unwrap();
    let mut second = activated(&socket, "web");
    second.address = address;
    assert!(
        exchange(waiting, "").starts_with("HTTP/1.1 400 "),
        "plain HTTP on the TLS port"
    );
    assert!(second.served().is_ok());
}

#[test]
fn a_unix_socket_of_systemd_is_served_and_its_file_is_left_to_systemd() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf())
        .flag("--listener-address", "systemd:plain")
        .flag("--listener-service", "http");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plain");
    let socket = UnixListener::bind(&path).unwrap();
    let house = house.spawn_activated(socket.into(), "plain");
    house.wait_for_log(&["serving plain HTTP", &path.display().to_string()]);
    assert!(exchange(connect_unix(&path), get("/")).ends_with("ok"));
    house.signal(Signal::TERM);
    assert_eq!(house.ended().code, Some(0));
    assert!(path.exists());
}

#[test]
fn a_name_that_systemd_did_not_hand_over_is_an_error_that_tells_those_it_did() {
    let family = Family::new();
    let house = || House::of(&family, &family.leaf()).flag("--listen", "systemd:web");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let ended = house().spawn_activated(socket.into(), "wbe").ended();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for part in ["cannot listen on systemd:web", "systemd handed over other sockets: wbe"] {
        assert!(ended.err.contains(part), "{ended:?}");
    }
    let ended = house().fail();
    assert!(ended.err.contains("systemd handed over no sockets"), "{ended:?}");
}

#[test]
fn a_socket_that_nobody_can_connect_to_is_an_error() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf()).flag("--listen", "systemd:web");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connection = connect(listener.local_addr().unwrap());
    let ended = house.spawn_activated(connection.into(), "web").ended();
    assert!(ended.err.contains("Accept=no"), "{ended:?}");
}

fn activated(socket: &TcpListener, name: &str) -> Running {
    let family = Family::new();
    let house = House::of(&family, &family.leaf()).flag("--listen", &format!("systemd:{name}"));
    house.spawn_activated(socket.try_clone().unwrap().into(), name)
}
