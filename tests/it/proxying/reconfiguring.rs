//! Routes, backends and limits that change while everything runs.

use std::num::NonZeroUsize;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use fullchain::proxy::settings::{HealthCheck, Settings, Sticky};
use http::uri::PathAndQuery;
use http_body_util::{BodyExt, Full};

use crate::rig::browser::{Browser, Protocol, browse};
use crate::rig::client::{Client, http2};
use crate::rig::ntlm::Ntlm;
use crate::rig::plain::{connect, exchange, get};
use crate::rig::proxy::{Proxy, backend};
use crate::rig::upstream::Upstream;
use crate::rig::{PATIENCE, eventually};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// A server that answers every request with `name`.
fn named(name: &'static str) -> Upstream {
    Upstream::scripted(move |connection| {
        while connection.request().is_some() {
            connection.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}",
                name.len()
            ));
        }
    })
}

/// Sends the requests of the default route to the second backend.
fn to_the_second(settings: &mut Settings) {
    settings.routes[0].backend = 1;
}

/// Two backends of one server each; the first has the default route.
fn proxy(one: &Upstream, other: &Upstream) -> Proxy {
    Proxy::with(&[one.address], |settings| {
        settings.backends.push(backend("second", &[other.address]));
    })
}

#[test]
fn the_next_request_on_the_same_connection_takes_the_new_route() {
    let (one, other) = (named("one"), named("other"));
    let proxy = proxy(&one, &other);
    let mut client = Client::of(&proxy);
    assert_eq!(client.send(GET).response().text(), "one");
    proxy.reconfigure(to_the_second);
    eventually("the other answers", || client.send(GET).response().text() == "other");
    proxy.reconfigure(|settings| settings.routes[0].backend = 0);
    let answered = http2(&proxy, async |mut sender| {
        let request = || http::Request::get("https://a.test/").body(Full::default()).unwrap();
        let mut answers = Vec::new();
        for _ in 0..2 {
            let response = sender.send_request(request()).await.unwrap();
            answers.push(response.into_body().collect().await.unwrap().to_bytes());
            // What follows comes on the same connection.
            if answers.len() == 1 {
                proxy.reconfigure(to_the_second);
                while {
                    let response = sender.send_request(request()).await.unwrap();
                    response.into_body().collect().await.unwrap().to_bytes() != "other"
                } {}
            }
        }
        answers
    });
    assert_eq!(answered, ["one", "other"]);
}

#[test]
fn a_request_goes_on_at_the_backend_it_began_with_though_that_is_gone() {
    let (go_on, held) = mpsc::channel();
    let held = Mutex::new(held);
    let slow = Upstream::scripted(move |connection| {
        connection.request();
        held.lock().unwrap().recv().unwrap();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow");
        connection.rest();
    });
    let other = named("other");
    let proxy = proxy(&slow, &other);
    let mut client = Client::of(&proxy);
    client.send(GET);
    eventually("it has the request", || slow.connections() == 1);
    proxy.reconfigure(|settings| {
        settings.backends.remove(0);
    });
    eventually("the other answers", || {
        Client::of(&proxy).send(GET).response().text() == "other"
    });
    go_on.send(()).unwrap();
    assert_eq!(client.response().text(), "slow");
    assert_eq!(client.send(GET).response().text(), "other");
}

#[test]
fn connections_to_a_backend_that_stays_are_kept_and_those_to_one_that_goes_are_closed() {
    let (ended, when_ended) = mpsc::channel();
    let ended = Mutex::new(ended);
    let goes = Upstream::scripted(move |connection| {
        while connection.request().is_some() {
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngoes");
        }
        let _ = ended.lock().unwrap().send(());
    });
    let stays = named("stays");
    let proxy = proxy(&stays, &goes);
    let mut client = Client::of(&proxy);
    assert_eq!(client.send(GET).response().text(), "stays");
    proxy.reconfigure(to_the_second);
    eventually("the second answers", || client.send(GET).response().text() == "goes");
    proxy.reconfigure(|settings| {
        settings.backends.remove(1);
        settings.routes[0].backend = 0;
    });
    eventually("the first answers", || client.send(GET).response().text() == "stays");
    when_ended.recv_timeout(PATIENCE).unwrap();
    assert_eq!(stays.connections(), 1);
}

/// A position in the configuration may come to mean another backend; what was authenticated is for the one.
#[test]
fn a_pinned_connection_is_not_taken_for_the_backend_that_comes_to_stand_in_its_place() {
    let (ntlm, other) = (Ntlm::start(), Ntlm::start());
    let proxy = Proxy::of(&ntlm.upstream);
    for protocol in [Protocol::Http1, Protocol::Http2] {
        proxy.reconfigure(|settings| settings.backends = vec![backend("", &[ntlm.upstream.address])]);
        browse(async {
            let mut alice = Browser::connect(&proxy, protocol, "alice").await;
            assert_eq!(alice.sign_in("NTLM").await.user(), "alice");
            proxy.reconfigure(|settings| settings.backends = vec![backend("", &[other.upstream.address])]);
            // Nobody knows her there.
            while alice.get("/").await.status != 401 {}
            assert_eq!(alice.sign_in("NTLM").await.user(), "alice");
        });
    }
    assert!(other.seen().len() >= 6);
    ntlm.assert_nobody_shares();
    other.assert_nobody_shares();
}

#[test]
fn a_server_that_is_down_stays_down_when_its_backend_changes_and_one_that_is_gone_is_asked_no_more() {
    let down = Upstream::answering("HTTP/1.1 500 Down\r\nContent-Length: 0\r\n\r\n");
    let up = named("up");
    let health = HealthCheck {
        interval: Duration::from_millis(20),
        ..HealthCheck::of(PathAndQuery::from_static("/healthz"))
    };
    let proxy = Proxy::with(&[down.address, up.address], |settings| {
        settings.backends[0].choice.health = Some(health);
    });
    let asked = || (0..4).all(|_| Client::of(&proxy).send(GET).response().text() == "up");
    eventually("it is known to be down", asked);
    proxy.reconfigure(|settings| {
        let backend = &mut settings.backends[0];
        backend.timeouts.connect *= 2;
        // Nobody would find out again before the end of the test.
        backend.choice.health.as_mut().unwrap().interval = Duration::from_secs(3600);
    });
    for _ in 0..8 {
        assert_eq!(Client::of(&proxy).send(GET).response().text(), "up");
    }
    let before = down.connections();
    proxy.reconfigure(|settings| {
        settings.backends[0].servers.remove(0);
    });
    eventually("it is known to be gone", || {
        Client::of(&proxy).send(GET).response().text() == "up" && down.connections() == before
    });
}

#[test]
fn clients_stay_with_their_server_when_their_backend_changes() {
    let (one, other) = (named("one"), named("other"));
    let proxy = Proxy::with(&[one.address, other.address], |settings| {
        settings.backends[0].choice.sticky = Some(Sticky {
            cookie: "server".into(),
            secret: None,
            lifetime: Duration::from_secs(3600),
        });
    });
    let first = Client::of(&proxy).send(GET).response();
    let name = first.text();
    let line = first
        .head
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with("set-cookie: "));
    let cookie = line.unwrap().split([' ', ';']).nth(1).unwrap();
    proxy.reconfigure(|settings| settings.backends[0].timeouts.connect *= 2);
    for _ in 0..4 {
        let request = format!("GET / HTTP/1.1\r\nHost: a.test\r\nCookie: {cookie}\r\n\r\n");
        assert_eq!(Client::of(&proxy).send(request).response().text(), name);
    }
}

#[test]
fn open_connections_count_under_another_limit_too() {
    let upstream = named("one");
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.limits.clients.connections = NonZeroUsize::new(3);
    });
    let mut clients: Vec<Client> = (0..2).map(|_| Client::of(&proxy)).collect();
    for client in &mut clients {
        assert_eq!(client.send(GET).response().text(), "one");
    }
    proxy.reconfigure(|settings| settings.limits.clients.connections = NonZeroUsize::new(2));
    // The worker may take it up a moment after.
    eventually("a third is refused", || {
        exchange(connect(proxy.redirect), get("/")).is_empty()
    });
    for client in &mut clients {
        assert_eq!(client.send(GET).response().text(), "one");
    }
}
