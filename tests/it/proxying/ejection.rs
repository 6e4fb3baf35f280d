//! Servers that fail and are left alone for a while.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fullchain::proxy::settings::{Ejection, Settings};
use socket2::{Domain, Socket, Type};

use crate::rig::client::Client;
use crate::rig::eventually;
use crate::rig::proxy::Proxy;
use crate::rig::upstream::{Upstream, absent};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// After two failures for an hour, and nothing is tried again, so that each failure shows.
fn ejecting(settings: &mut Settings) {
    let choice = &mut settings.backends[0].choice;
    choice.ejection = Some(Ejection {
        duration: Duration::from_secs(3600),
        ..Ejection::after(2.try_into().unwrap())
    });
    choice.retries.most = 0;
}

fn statuses(proxy: &Proxy, count: usize) -> Vec<u16> {
    let mut client = Client::of(proxy);
    (0..count).map(|_| client.send(GET).response().status).collect()
}

#[test]
fn a_server_that_fails_in_a_row_is_left_alone() {
    let reset = || {
        Upstream::scripted(|connection| {
            connection.head();
            connection.reset();
        })
    };
    let rubbish = || Upstream::answering("rubbish\r\n\r\n");
    let silent = || {
        Upstream::scripted(|connection| {
            connection.rest();
        })
    };
    let well = Upstream::answering(OK);
    for (what, failing, failure) in [
        ("closed", absent(), 502),
        ("reset", reset().address, 502),
        ("rubbish", rubbish().address, 502),
        ("silent", silent().address, 504),
    ] {
        let proxy = Proxy::with(&[failing, well.address], |settings| {
            ejecting(settings);
            settings.backends[0].timeouts.first_byte = Duration::from_millis(200);
        });
        assert_eq!(
            statuses(&proxy, 8),
            [failure, 200, failure, 200, 200, 200, 200, 200],
            "{what}"
        );
    }
}

#[test]
fn the_last_server_is_never_left_alone() {
    let proxy = Proxy::with(&[absent()], ejecting);
    assert_eq!(statuses(&proxy, 5), [502; 5]);
    let proxy = Proxy::with(&[absent(), absent()], ejecting);
    assert_eq!(statuses(&proxy, 8), [502; 8]);
}

#[test]
fn answers_of_5xx_count_where_that_is_asked_for() {
    let failing = Upstream::answering("HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n");
    let well = Upstream::answering(OK);
    for counts_5xx in [false, true] {
        let proxy = Proxy::with(&[failing.address, well.address], |settings| {
            ejecting(settings);
            settings.backends[0].choice.ejection.as_mut().unwrap().counts_5xx = counts_5xx;
        });
        let expected = match counts_5xx {
            false => [500, 200, 500, 200, 500, 200],
            true => [500, 200, 500, 200, 200, 200],
        };
        assert_eq!(statuses(&proxy, 6), expected);
    }
}

#[test]
fn failures_with_answers_between_them_are_not_in_a_row() {
    let flaky = Upstream::scripted(|connection| {
        connection.head();
        if connection.number % 2 == 0 {
            connection.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
        }
    });
    let well = Upstream::answering(OK);
    let proxy = Proxy::with(&[flaky.address, well.address], ejecting);
    assert_eq!(statuses(&proxy, 12), [200, 200, 502, 200].repeat(3),);
}

#[test]
fn a_server_that_answers_again_is_used_again() {
    let well = Arc::new(AtomicBool::new(false));
    let is_well = Arc::clone(&well);
    let failing = Upstream::scripted(move |connection| {
        while connection.request().is_some() {
            if !is_well.load(Ordering::SeqCst) {
                return;
            }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nback");
        }
    });
    let other = Upstream::answering(OK);
    let proxy = Proxy::with(&[failing.address, other.address], |settings| {
        ejecting(settings);
        let choice = &mut settings.backends[0].choice;
        choice.ejection.as_mut().unwrap().duration = Duration::from_millis(20);
        // Whoever is sent to see is sent on, and notices nothing.
        choice.retries.most = 3;
    });
    let mut client = Client::of(&proxy);
    let mut send = || client.send(GET).response();
    for _ in 0..10 {
        assert_eq!(send().text(), "ok");
    }
    well.store(true, Ordering::SeqCst);
    eventually("it is used as the other is", || {
        let answers: Vec<_> = (0..4).map(|_| send().text()).collect();
        answers == ["back", "ok", "back", "ok"] || answers == ["ok", "back", "ok", "back"]
    });
}

#[test]
fn a_server_behind_a_black_hole_does_not_cost_every_request_the_connect_timeout() {
    // A full queue: the kernel answers no further connection.
    let hole = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    hole.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    hole.listen(0).unwrap();
    let full = hole.local_addr().unwrap();
    let _waiting: Vec<Socket> = (0..4)
        .map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&full);
            socket
        })
        .collect();
    let well = Upstream::answering(OK);
    let connect = Duration::from_secs(1);
    let proxy = Proxy::with(&[full.as_socket().unwrap(), well.address], |settings| {
        ejecting(settings);
        settings.backends[0].choice.retries.most = 3;
        settings.backends[0].timeouts.connect = connect;
    });
    let start = Instant::now();
    assert_eq!(statuses(&proxy, 40), [200; 40]);
    let took = start.elapsed();
    // Two of them find out; without that, every second one would.
    assert!(took >= 2 * connect && took < 10 * connect, "{took:?}");
}
