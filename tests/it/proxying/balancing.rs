//! Which server gets which request.

use std::num::NonZeroU16;
use std::sync::{Arc, Mutex, mpsc};

use bytes::Bytes;
use fullchain::proxy::settings::Balance;
use http::Request;
use http_body_util::{BodyExt, Full};

use crate::rig::client::{Client, http2};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::Upstream;
use crate::rig::{PATIENCE, eventually};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

fn answer(name: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len())
}

/// Servers that answer with their letters.
fn servers(letters: &str) -> Vec<Upstream> {
    letters
        .chars()
        .map(|letter| Upstream::answering(answer(&letter.to_string())))
        .collect()
}

fn proxy(servers: &[Upstream], balance: Balance) -> Proxy {
    let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
    Proxy::with(&addresses, |settings| settings.backends[0].choice.balance = balance)
}

/// The letters that `count` requests of one client are answered with.
fn letters(proxy: &Proxy, count: usize) -> String {
    let mut client = Client::of(proxy);
    (0..count).map(|_| client.send(GET).response().text()).collect()
}

#[test]
fn servers_take_turns() {
    let servers = servers("abc");
    let proxy = proxy(&servers, Balance::RoundRobin);
    assert_eq!(letters(&proxy, 7), "abcabca");
    let of_http2 = http2(&proxy, async |mut sender| {
        let mut letters = String::new();
        for _ in 0..6 {
            let request = Request::get("https://a.test/").body(Full::<Bytes>::default()).unwrap();
            let response = sender.send_request(request).await.unwrap();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            letters.push_str(std::str::from_utf8(&body).unwrap());
        }
        letters
    });
    assert_eq!(of_http2, "bcabca");
}

#[test]
fn weights_say_how_often() {
    let servers = servers("abc");
    let weights = [5, 1, 2].map(|weight| NonZeroU16::new(weight).unwrap()).to_vec();
    let proxy = proxy(&servers, Balance::Weighted(weights));
    assert_eq!(letters(&proxy, 16), "acaabaca".repeat(2));
}

/// Two servers, each of which holds a request for /held until it is told to go on.
fn holding() -> (Vec<Upstream>, mpsc::Sender<()>) {
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let servers = ["a", "b"].map(|name| {
        let released = Arc::clone(&released);
        Upstream::scripted(move |connection| {
            while let Some((head, _)) = connection.request() {
                if head.starts_with("GET /held ") {
                    released.lock().unwrap().recv_timeout(PATIENCE).unwrap();
                }
                connection.send(answer(name));
            }
        })
    });
    (servers.into(), release)
}

fn is_held(server: &Upstream) -> bool {
    (0..server.connections()).any(|number| server.received(number).contains("GET /held "))
}

#[test]
fn a_busy_server_is_spared_whichever_worker_asks() {
    for balance in [Balance::LeastConnections, Balance::RandomTwo] {
        let (servers, release) = holding();
        let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
        let proxy = Proxy::with_workers(3, &addresses, |settings| {
            settings.backends[0].choice.balance = balance.clone();
        });
        let mut held = Client::of(&proxy);
        held.send("GET /held HTTP/1.1\r\nHost: a.test\r\n\r\n");
        eventually("a server has the request", || servers.iter().any(is_held));
        let idle = if is_held(&servers[0]) { "b" } else { "a" };
        for _ in 0..9 {
            // Connections of different clients are accepted by different workers.
            assert_eq!(letters(&proxy, 2), idle.repeat(2), "{balance:?}");
        }
        release.send(()).unwrap();
        assert_eq!(held.response().status, 200);
        // Nobody is busy any more, so both have their share.
        eventually("both are asked", || letters(&proxy, 1) != idle);
    }
}
