//! Listeners of each kind and each address.

use std::io::Write;
use std::net::{Ipv6Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use fullchain::proxy::settings::{ListenAddress, Listener, Redirect, Service};
use fullchain::proxy::{Network, Settings};
use http::StatusCode;

use crate::rig::client::Client;
use crate::rig::plain::{connect, connect_unix, exchange, get};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::Upstream;
use crate::rig::{PATIENCE, eventually};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const SHORT: Duration = Duration::from_millis(50);

/// The position of the listener that a test adds.
const ADDED: usize = 2;

#[test]
fn a_plain_listener_serves_and_the_backend_hears_that_it_was_plain() {
    let upstream = Upstream::answering(OK);
    let proxy = with(&upstream, Listener::new(any(), Service::Http));
    let mut socket = connect(proxy.listener(ADDED));
    socket
        .write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-Proto: https\r\n\r\n")
        .unwrap();
    assert!(exchange(&socket, get("/two")).ends_with("ok"));
    for line in [
        "x-forwarded-proto: http",
        "x-forwarded-port: 80",
        "x-forwarded-for: 127.0.0.1",
    ] {
        assert!(upstream.was_told(line), "{line}: {:?}", upstream.first_head());
    }
}

#[test]
fn a_plain_listener_tunnels_as_a_tls_one_does() {
    let upstream = Upstream::scripted(|connection| {
        connection.head();
        connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
        let bytes = connection.rest();
        connection.send(bytes);
    });
    let proxy = with(&upstream, Listener::new(any(), Service::Http));
    let mut socket = connect(proxy.listener(ADDED));
    let request = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    socket.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        std::io::Read::read_exact(&mut socket, &mut byte).unwrap();
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    socket.write_all(b"hello").unwrap();
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(exchange(socket, ""), "hello");
}

#[test]
fn an_ipv6_listener_tells_an_ipv6_client() {
    if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        eprintln!("skipped: there is no IPv6 here");
        return;
    }
    let upstream = Upstream::answering(OK);
    let address = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    let proxy = with(&upstream, Listener::new(address, Service::Tls));
    let mut client = Client::on(connect(proxy.listener(ADDED)), &proxy);
    assert_eq!(client.send(get("/")).response().status, 200);
    assert!(upstream.was_told("x-forwarded-for: ::1"));
}

#[test]
fn a_client_of_both_families_on_one_listener_keeps_its_own_address() {
    let upstream = Upstream::answering(OK);
    let address = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    if std::net::TcpListener::bind(address).is_err() {
        eprintln!("skipped: there is no IPv6 here");
        return;
    }
    let proxy = with(&upstream, Listener::new(address, Service::Http));
    let port = proxy.listener(ADDED).port();
    assert!(exchange(connect(SocketAddr::from(([127, 0, 0, 1], port))), get("/")).ends_with("ok"));
    assert!(upstream.was_told("x-forwarded-for: 127.0.0.1"));
}

#[test]
fn a_redirect_has_its_status_and_its_port_and_keeps_path_and_query() {
    for (status, line) in [
        (StatusCode::MOVED_PERMANENTLY, "HTTP/1.1 301 "),
        (StatusCode::PERMANENT_REDIRECT, "HTTP/1.1 308 "),
    ] {
        let redirect = Redirect { port: 8443, status };
        let proxy = with(
            &Upstream::answering(OK),
            Listener::new(any(), Service::Redirect(redirect)),
        );
        let answer = exchange(connect(proxy.listener(ADDED)), get("/a%20b/../c?d=e&f=http://g"));
        assert!(answer.starts_with(line), "{answer}");
        let location = "location: https://a.test:8443/a%20b/../c?d=e&f=http://g\r\n";
        assert!(answer.contains(location), "{answer}");
    }
}

#[test]
fn nobody_is_redirected_who_came_to_a_trusted_proxy_over_https() {
    let upstream = Upstream::answering(OK);
    let redirecting = |trusted: Vec<Network>| {
        Proxy::with(&[upstream.address], |settings: &mut Settings| {
            settings.trusted_proxies = trusted.into();
        })
    };
    let request = |proto: &str| {
        format!("GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-Proto: {proto}\r\nConnection: close\r\n\r\n")
    };
    let trusting = redirecting(vec!["127.0.0.1".parse().unwrap()]);
    assert!(exchange(connect(trusting.redirect), request("https")).ends_with("ok"));
    assert!(exchange(connect(trusting.redirect), request("http")).starts_with("HTTP/1.1 308 "));
    let stranger = redirecting(Vec::new());
    assert!(exchange(connect(stranger.redirect), request("https")).starts_with("HTTP/1.1 308 "));
}

#[test]
fn a_redirect_of_an_unread_body_is_the_last_response() {
    let proxy = Proxy::of(&Upstream::answering(OK));
    let request = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 50\r\n\r\nGET /smuggled HTTP/1.1\r\n";
    let answer = exchange(connect(proxy.redirect), request);
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

#[test]
fn a_unix_socket_serves_whoever_may_write_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("http");
    let upstream = Upstream::answering(OK);
    let mut listener = Listener::new(ListenAddress::Unix(path.clone()), Service::Http);
    listener.unix_mode = 0o600;
    let mut proxy = with(&upstream, listener);
    assert!(exchange(connect_unix(&path), get("/")).ends_with("ok"));
    assert!(upstream.was_told("x-forwarded-for: unknown"));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    proxy.finish(PATIENCE);
    eventually("the file is gone", || !path.exists());
}

#[test]
fn whoever_does_tls_in_front_of_a_unix_socket_may_say_for_whom() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("http");
    let upstream = Upstream::answering(OK);
    let request = "GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 6.6.6.6, 192.0.2.1\r\nX-Forwarded-Proto: https\r\n\
                   Connection: close\r\n\r\n";
    let _proxy = Proxy::with(&[upstream.address], |settings: &mut Settings| {
        let listener = Listener::new(ListenAddress::Unix(path.clone()), Service::Http);
        settings.listeners.push(listener);
        settings.trusted_proxies.unix = true;
    });
    assert!(exchange(connect_unix(&path), request).ends_with("ok"));
    for line in [
        "x-forwarded-for: 6.6.6.6, 192.0.2.1, unknown",
        "x-real-ip: 192.0.2.1",
        "x-forwarded-proto: https",
    ] {
        assert!(upstream.was_told(line), "{line}: {}", upstream.received(0));
    }
}

#[test]
fn tls_is_served_on_a_unix_socket_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("https");
    let proxy = with(
        &Upstream::answering(OK),
        Listener::new(ListenAddress::Unix(path.clone()), Service::Tls),
    );
    assert!(exchange(connect_unix(&path), get("/")).starts_with("HTTP/1.1 400 "));
    drop(proxy);
}

#[test]
fn a_client_that_waits_at_a_unix_socket_is_served_when_the_listener_closes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("http");
    let upstream = Upstream::answering(OK);
    let mut proxy = Proxy::with(&[upstream.address], |settings| {
        settings
            .listeners
            .push(Listener::new(ListenAddress::Unix(path.clone()), Service::Http));
        settings.limits.connections = 1;
    });
    let mut first = connect_unix(&path);
    first.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let mut second = connect_unix(&path);
    second.write_all(get("/").as_bytes()).unwrap();
    let third = connect_unix(&path);
    proxy.drain();
    eventually("the listener is closed", || UnixStream::connect(&path).is_err());
    assert!(exchange(first, "Host: a.test\r\nConnection: close\r\n\r\n").ends_with("ok"));
    assert!(exchange(second, "").ends_with("ok"));
    assert!(exchange(third, get("/")).ends_with("ok"));
    assert_eq!(proxy.finish(PATIENCE), 0);
}

#[test]
fn the_timeouts_hold_on_every_kind_of_listener() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("http");
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.listeners.push(Listener::new(any(), Service::Http));
        settings
            .listeners
            .push(Listener::new(ListenAddress::Unix(path.clone()), Service::Http));
        settings.timeouts.header = SHORT;
        settings.timeouts.idle = SHORT;
        settings.backends[0].timeouts.progress = SHORT;
    });
    let half = "GET / HTTP/1.1\r\nHo";
    let whole = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    for (sent, answer) in [("", ""), (half, "HTTP/1.1 408 ")] {
        for address in [proxy.redirect, proxy.listener(ADDED)] {
            let received = exchange(connect(address), sent);
            assert!(received.starts_with(answer) && received.is_empty() == answer.is_empty());
        }
        let received = exchange(connect_unix(&path), sent);
        assert!(received.starts_with(answer) && received.is_empty() == answer.is_empty());
    }
    let stalled = "PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhalf";
    assert!(exchange(connect(proxy.listener(ADDED)), stalled).starts_with("HTTP/1.1 408 "));
    assert!(exchange(connect_unix(&path), stalled).starts_with("HTTP/1.1 408 "));
    // They end although nobody asked for it.
    assert!(exchange(connect(proxy.redirect), whole).starts_with("HTTP/1.1 308 "));
    assert!(exchange(connect(proxy.listener(ADDED)), whole).ends_with("ok"));
    assert!(exchange(connect_unix(&path), whole).ends_with("ok"));
}

/// A proxy with one more listener.
fn with(upstream: &Upstream, listener: Listener) -> Proxy {
    Proxy::with(&[upstream.address], |settings: &mut Settings| {
        settings.listeners.push(listener);
    })
}

fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}
