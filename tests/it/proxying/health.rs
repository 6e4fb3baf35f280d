//! Servers that are asked how they are.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fullchain::proxy::settings::{HealthCheck, HttpVersion, Settings};
use http::Version;
use http::uri::PathAndQuery;

use crate::rig::client::Client;
use crate::rig::eventually;
use crate::rig::family::Family;
use crate::rig::house::House;
use crate::rig::hyper_upstream::{HyperUpstream, Speech};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::{Absent, Upstream};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
const WELL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nall is well\n";

/// A server that answers requests with its name, and health checks with what is set.
struct Patient {
    upstream: Upstream,
    state: Arc<Mutex<String>>,
}

impl Patient {
    fn new(name: &'static str) -> Self {
        let state = Arc::new(Mutex::new(WELL.to_owned()));
        let says = Arc::clone(&state);
        let upstream = Upstream::scripted(move |connection| {
            while let Some((head, _)) = connection.request() {
                if !head.starts_with("GET /healthz ") {
                    connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{name}"));
                    continue;
                }
                let answer = says.lock().unwrap().clone();
                connection.send(&answer);
                // A check that gets no answer waits for one.
                if answer.is_empty() {
                    connection.rest();
                }
            }
        });
        Self { upstream, state }
    }

    fn says(&self, answer: &str) {
        answer.clone_into(&mut self.state.lock().unwrap());
    }
}

/// Checks every moment; down and up after two.
fn checked(settings: &mut Settings) {
    let two = 2.try_into().unwrap();
    settings.backends[0].choice.health = Some(HealthCheck {
        interval: Duration::from_millis(20),
        fall: two,
        rise: two,
        ..HealthCheck::of(PathAndQuery::from_static("/healthz"))
    });
}

/// Waits until four requests in a row are answered so.
#[track_caller]
fn wait_for(client: &mut Client, expected: &[&str]) {
    eventually(&format!("requests are answered {expected:?}"), || {
        let answers: Vec<String> = (0..4).map(|_| client.send(GET).response().text()).collect();
        answers == expected || answers.iter().rev().eq(expected.iter())
    });
}

#[test]
fn a_server_that_is_down_gets_no_requests_until_it_is_up_again() {
    let (one, two) = (Patient::new("a"), Patient::new("b"));
    let proxy = Proxy::with(&[one.upstream.address, two.upstream.address], |settings| {
        checked(settings);
        let health = settings.backends[0].choice.health.as_mut().unwrap();
        health.body = Some("is well".into());
        // Statuses that say so are enough for the rest.
        health.timeout = Duration::from_millis(300);
    });
    let mut client = Client::of(&proxy);
    for ill in [
        "HTTP/1.1 500 Broken\r\nContent-Length: 12\r\n\r\nall is well\n",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\n\r\nall is well\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nnot yet\n",
        "rubbish\r\n\r\n",
        "",
    ] {
        wait_for(&mut client, &["a", "b", "a", "b"]);
        two.says(ill);
        wait_for(&mut client, &["a"; 4]);
        two.says(WELL);
    }
    wait_for(&mut client, &["a", "b", "a", "b"]);
}

#[test]
fn a_text_is_found_however_it_is_cut_and_only_in_the_first_64_kib() {
    let server = Patient::new("a");
    let proxy = Proxy::with(&[server.upstream.address], |settings| {
        checked(settings);
        settings.backends[0].choice.health.as_mut().unwrap().body = Some("is well".into());
    });
    let mut client = Client::of(&proxy);
    let before = |filler: usize| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}is well",
            filler + 7,
            "x".repeat(filler)
        )
    };
    let status = |client: &mut Client| client.send(GET).response().status;
    for (answer, expected) in [
        (before(64 * 1024), 503),
        (before(64 * 1024 - 7), 200),
        (before(64 * 1024 - 6), 503),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nis w\r\n3\r\nell\r\n0\r\n\r\n".to_owned(),
            200,
        ),
    ] {
        server.says(&answer);
        eventually(&format!("{expected}"), || status(&mut client) == expected);
    }
}

#[test]
fn no_server_that_is_up_is_a_503_that_says_when_to_try_again() {
    let absent = Absent::new();
    let proxy = Proxy::with(&[absent.address()], checked);
    let mut client = Client::of(&proxy);
    eventually("the server is down", || {
        let response = client.send(GET).response();
        // Until the first check is over, somebody has to find out.
        assert!(matches!(response.status, 502 | 503));
        response.status == 503 && response.has("Retry-After: 1")
    });
    let _server = absent.appears(|connection| {
        while connection.request().is_some() {
            connection.send(WELL);
        }
    });
    eventually("the server is up", || client.send(GET).response().status == 200);
}

#[test]
fn a_check_says_who_asks_whom() {
    let server = Upstream::answering(WELL);
    let _proxy = Proxy::with(&[server.address], |settings| {
        checked(settings);
        let health = settings.backends[0].choice.health.as_mut().unwrap();
        health.host = Some("www.example.com".parse().unwrap());
    });
    eventually("a check comes", || server.received(0).ends_with("\r\n\r\n"));
    let agent = concat!("User-Agent: fullchain-health/", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        server.first_head(),
        [
            "GET /healthz HTTP/1.1",
            "Connection: close",
            "Host: www.example.com",
            agent
        ]
    );
}

#[test]
fn a_check_speaks_what_requests_speak_on_connections_of_its_own() {
    let server = HyperUpstream::answering_ok(Speech::h2c());
    let proxy = Proxy::with(&[server.address], |settings| {
        checked(settings);
        settings.backends[0].protocol.http = HttpVersion::Http2;
        settings.backends[0].choice.health.as_mut().unwrap().body = Some("ok".into());
    });
    eventually("three checks", || server.requests().len() >= 3);
    for (number, check) in server.requests().iter().enumerate() {
        assert_eq!((check.version, check.connection), (Version::HTTP_2, number));
        assert_eq!(check.uri, *format!("http://{}/healthz", server.address));
    }
    assert_eq!(Client::of(&proxy).send(GET).response().status, 200);
}

#[test]
fn the_binary_checks_and_says_once_what_changed_and_why() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf())
        .upstream(Upstream::answering("HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n"))
        .flag("--backend-health-path", "/healthz")
        .flag("--backend-health-interval", "100ms")
        .start();
    house.wait_for_log(&["WARN", "server is down", "it answers 500"]);
    let checks = || {
        house
            .log()
            .iter()
            .filter(|line| line.contains("server is down"))
            .count()
    };
    house.wait_for_log(&["serving TLS"]);
    assert_eq!(checks(), 1);
}
