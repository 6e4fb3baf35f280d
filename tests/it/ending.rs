//! How the process ends, and why it does not start.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use fullchain::admin::client;
use rustix::process::Signal;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::rig::command::fullchain;
use crate::rig::family::{Family, NAME};
use crate::rig::house::{House, Running};
use crate::rig::upstream::Upstream;
use crate::rig::{PATIENCE, eventually};

/// A backend that says when a request has arrived and answers when told to.
fn held_back() -> (Upstream, Receiver<()>, Sender<()>) {
    let (arrived, has_arrived) = channel();
    let (go, may_go) = channel::<()>();
    let may_go = Mutex::new(may_go);
    let upstream = Upstream::scripted(move |connection| {
        connection.head();
        arrived.send(()).unwrap();
        // Nobody says so where the test is about a request that is cut.
        let _ = may_go.lock().unwrap().recv_timeout(PATIENCE);
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    (upstream, has_arrived, go)
}

/// A client that has sent a request.
fn request(house: &Running) -> StreamOwned<ClientConnection, TcpStream> {
    let socket = TcpStream::connect(house.address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let config = house.client_config(rustls::ALL_VERSIONS);
    let connection = ClientConnection::new(config, ServerName::try_from(NAME).unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, socket);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").unwrap();
    stream.flush().unwrap();
    stream
}

#[test]
fn sigterm_and_sigint_finish_the_request_in_flight_and_end_with_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let family = Family::new();
        let (upstream, has_arrived, go) = held_back();
        let house = House::of(&family, &family.leaf()).upstream(upstream).start();
        let mut client = request(&house);
        has_arrived.recv_timeout(PATIENCE).unwrap();
        let admin = house.admin();
        assert_eq!(client::get(admin, "/readyz", PATIENCE).unwrap().status, 200);

        house.signal(signal);
        eventually("new connections are refused", || {
            TcpStream::connect(house.address).is_err()
        });
        let readyz = client::get(admin, "/readyz", PATIENCE).unwrap();
        assert_eq!((readyz.status, readyz.body.as_str()), (503, "draining\n"));
        assert_eq!(client::get(admin, "/livez", PATIENCE).unwrap().status, 200);

        go.send(()).unwrap();
        let mut response = String::new();
        client.read_to_string(&mut response).unwrap();
        assert!(
            response.starts_with("HTTP/1.1 200 ") && response.ends_with("ok"),
            "{response}"
        );
        // Otherwise the proxy waits a while for the client's close.
        drop(client);
        let ended = house.ended();
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert!(
            ended.err.contains("every connection was served to its end"),
            "{}",
            ended.err
        );
    }
}

#[test]
fn readyz_fails_while_connections_are_still_taken_during_the_delay() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf()).flag("--drain-delay", "1h").start();
    let admin = house.admin();
    house.signal(Signal::TERM);
    eventually("readyz fails", || {
        client::get(admin, "/readyz", PATIENCE).unwrap().status == 503
    });
    assert!(house.served().is_ok());
    house.signal(Signal::TERM);
    assert_eq!(house.ended().code, Some(0));
}

#[test]
fn told_twice_it_ends_at_once() {
    let family = Family::new();
    let (upstream, has_arrived, _go) = held_back();
    let house = House::of(&family, &family.leaf()).upstream(upstream).start();
    let mut client = request(&house);
    has_arrived.recv_timeout(PATIENCE).unwrap();
    house.signal(Signal::TERM);
    house.wait_for_log(&["draining"]);
    house.signal(Signal::TERM);
    let ended = house.ended();
    assert_eq!(ended.code, Some(0));
    assert!(ended.err.contains("told twice"), "{}", ended.err);
    let mut response = Vec::new();
    assert!(client.read_to_end(&mut response).is_err() && response.is_empty());
}

#[test]
fn what_does_not_end_within_the_grace_is_cut_and_said() {
    let family = Family::new();
    let (upstream, has_arrived, _go) = held_back();
    let house = House::of(&family, &family.leaf())
        .upstream(upstream)
        .flag("--drain-grace", "50ms")
        .start();
    let _client = request(&house);
    has_arrived.recv_timeout(PATIENCE).unwrap();
    house.signal(Signal::TERM);
    let ended = house.ended();
    assert_eq!(ended.code, Some(0));
    assert!(ended.err.contains("\"cut\":1"), "{}", ended.err);
}

#[test]
fn a_second_instance_on_the_same_address_fails_and_names_it() {
    let family = Family::new();
    let first = House::of(&family, &family.leaf()).start();
    let address = first.address.to_string();
    let second = House::of(&family, &family.leaf()).flag("--listen", &address).fail();
    assert_eq!(second.code, Some(1));
    assert!(
        second.err.contains(&format!("cannot listen on {address}: ")),
        "{}",
        second.err
    );
    assert!(first.served().is_ok());

    let heir = House::of(&family, &family.leaf())
        .flag("--listen", &address)
        .switch("--takeover")
        .start();
    first.signal(Signal::TERM);
    assert_eq!(first.ended().code, Some(0));
    assert!(heir.served().is_ok());
}

#[test]
fn an_admin_address_that_was_asked_for_and_is_taken_is_fatal() {
    let family = Family::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = House::of(&family, &family.leaf()).flag("--admin", &address).fail();
    assert_eq!(ended.code, Some(1));
    assert!(
        ended
            .err
            .contains(&format!("the admin listener cannot bind {address}: ")),
        "{}",
        ended.err
    );
}

#[test]
fn the_default_admin_address_is_done_without_where_it_is_taken() {
    let family = Family::new();
    // Where this fails somebody else has it: just as well.
    let _taken = TcpListener::bind("127.0.0.1:9180");
    let house = House::of(&family, &family.leaf()).with_default_admin().start();
    house.wait_for_log(&["WARN", "no admin listener", "127.0.0.1:9180"]);
    assert!(house.served().is_ok());
}

#[test]
fn a_key_that_does_not_fit_is_fatal_at_start_and_both_files_are_named() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf());
    house.directory.write("tls.key", family.leaf().key_pem());
    let (cert, key) = (house.directory.text("tls.crt"), house.directory.text("tls.key"));
    let ended = house.fail();
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
    assert!(ended.err.contains(&cert) && ended.err.contains(&key), "{}", ended.err);
}

#[test]
fn strict_refuses_to_start_with_an_incomplete_chain_and_names_the_issuer() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf()).switch("--strict");
    house.directory.remove("store/issuing.pem");
    let cert = house.directory.text("tls.crt");
    let ended = house.fail();
    assert_eq!(ended.code, Some(1));
    for part in [&*cert, "incomplete", "wanted: CN=Issuing 1"] {
        assert!(ended.err.contains(part), "{part}\n{}", ended.err);
    }
}

#[test]
fn a_disallowed_leaf_is_fatal_at_start_and_the_file_is_named() {
    let family = Family::new();
    let leaf = family.leaf();
    let house = House::of(&family, &leaf).flag("--disallow", &leaf.certificate.fingerprint().to_string());
    let cert = house.directory.text("tls.crt");
    let arguments = house.arguments();
    let checked = fullchain([vec!["check".to_owned()], arguments].concat());
    let ended = house.fail();
    for ended in [checked, ended] {
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(
            ended.err.contains(&cert) && ended.err.contains("on the disallow list"),
            "{}",
            ended.err
        );
    }
}

#[test]
fn the_line_about_an_incomplete_chain_says_what_comes_of_it() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf());
    house.directory.remove("store/issuing.pem");
    let house = house.start();
    house.wait_for_log(&["certificate loaded, but its chain is incomplete: most clients will refuse it"]);
}

#[test]
fn its_address_is_free_at_once_for_the_next_process() {
    let family = Family::new();
    let leaf = family.leaf();
    let first = House::of(&family, &leaf).start();
    let address = first.address.to_string();
    first.assert_served([&leaf, &family.issuing]);
    first.signal(Signal::INT);
    assert_eq!(first.ended().code, Some(0));
    let second = House::of(&family, &leaf).flag("--listen", &address).start();
    second.assert_served([&leaf, &family.issuing]);
}
