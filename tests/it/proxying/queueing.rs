//! Servers that take so many requests at a time, and requests that wait for them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bytes::Bytes;
use fullchain::proxy::settings::{Limit, Settings};
use http::Request;
use http_body_util::Full;

use crate::rig::client::{Client, http2};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::Upstream;
use crate::rig::{PATIENCE, eventually};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn limited(connections: usize, queue: usize, queue_timeout: Duration) -> impl Fn(&mut Settings) {
    move |settings| {
        settings.backends[0].choice.limit = Some(Limit {
            connections: connections.try_into().unwrap(),
            queue,
            queue_timeout,
        });
    }
}

/// A server that answers each request when it is told to.
fn told() -> (Upstream, mpsc::Sender<()>) {
    let (tell, told) = mpsc::channel::<()>();
    let told = Mutex::new(told);
    let server = Upstream::scripted(move |connection| {
        while connection.request().is_some() {
            told.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            connection.send(OK);
        }
    });
    (server, tell)
}

/// All that a server has received.
fn received(server: &Upstream) -> String {
    (0..server.connections())
        .map(|number| server.received(number))
        .collect()
}

#[test]
fn above_the_limit_requests_wait_in_order_and_above_the_queue_they_get_a_503() {
    let (server, tell) = told();
    let proxy = Proxy::with(&[server.address], limited(1, 2, PATIENCE));
    http2(&proxy, async |sender| {
        let request = |path: &str| {
            let mut sender = sender.clone();
            let request = Request::get(format!("https://a.test/{path}"))
                .body(Full::<Bytes>::default())
                .unwrap();
            async move { sender.send_request(request).await.unwrap() }
        };
        // What comes on one connection is handled in order.
        let [one, two, three, four] = ["one", "two", "three", "four"].map(|path| tokio::spawn(request(path)));
        let refused = four.await.unwrap();
        assert_eq!(
            (refused.status().as_u16(), refused.headers()["retry-after"].as_bytes()),
            (503, &b"1"[..])
        );
        for answer in [one, two, three] {
            tell.send(()).unwrap();
            assert_eq!(answer.await.unwrap().status(), 200);
        }
    });
    let received = received(&server);
    let paths: Vec<_> = received
        .lines()
        .filter_map(|line| line.strip_prefix("GET /")?.strip_suffix(" HTTP/1.1"))
        .collect();
    assert_eq!((paths, server.connections()), (vec!["one", "two", "three"], 1));
}

#[test]
fn a_request_that_has_waited_for_too_long_gets_a_503_and_leaves_no_trace() {
    let (server, tell) = told();
    let proxy = Proxy::with(&[server.address], limited(1, 2, Duration::from_millis(300)));
    let mut busy = Client::of(&proxy);
    busy.send(GET);
    eventually("the server has the request", || {
        server.received(0).ends_with("\r\n\r\n")
    });
    let mut waiting = Client::of(&proxy);
    let response = waiting.send(GET).response();
    assert_eq!((response.status, response.has("Retry-After: 1")), (503, true));
    // One that does not wait for its answer at all.
    drop({
        let mut leaving = Client::of(&proxy);
        leaving.send(GET);
        leaving
    });
    tell.send(()).unwrap();
    assert_eq!(busy.response().status, 200);
    tell.send(()).unwrap();
    assert_eq!(waiting.send(GET).response().status, 200);
}

#[test]
fn a_request_waits_for_whichever_server_is_free_first() {
    let (one, _held) = told();
    let (two, tell) = told();
    let proxy = Proxy::with(&[one.address, two.address], limited(1, 5, PATIENCE));
    let mut clients = [(); 3].map(|()| Client::of(&proxy));
    for client in &mut clients {
        client.send(GET);
    }
    eventually("both are busy", || {
        [&one, &two]
            .iter()
            .all(|server| server.received(0).ends_with("\r\n\r\n"))
    });
    tell.send(()).unwrap();
    tell.send(()).unwrap();
    eventually("the second server has two requests", || {
        received(&two).matches("GET / ").count() == 2
    });
    assert_eq!(received(&one).matches("GET / ").count(), 1);
}

#[test]
fn a_server_that_takes_one_connection_at_a_time_serves_all_workers() {
    let busy = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&busy);
    // It turns to the next connection when the last one is closed: an idle one would be in everybody's way.
    let server = Upstream::one_at_a_time(move |connection| {
        while connection.request().is_some() {
            assert_eq!(counted.fetch_add(1, Ordering::SeqCst), 0);
            counted.fetch_sub(1, Ordering::SeqCst);
            connection.send(OK);
        }
    });
    let proxy = Proxy::with_workers(3, &[server.address], limited(1, 100, PATIENCE));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = Client::of(&proxy);
                for _ in 0..5 {
                    assert_eq!(client.send(GET).response().status, 200);
                }
            });
        }
    });
}

#[test]
fn a_tunnel_keeps_its_place_until_it_ends() {
    let server = Upstream::scripted(|connection| {
        let Some(head) = connection.head() else { return };
        if head.contains("Upgrade: echo") {
            connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
            connection.rest();
        } else {
            connection.send(OK);
        }
    });
    let proxy = Proxy::with(&[server.address], limited(1, 0, PATIENCE));
    let mut tunnel = Client::of(&proxy);
    tunnel.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(tunnel.head().status, 101);
    let mut client = Client::of(&proxy);
    for _ in 0..3 {
        assert_eq!(client.send(GET).response().status, 503);
    }
    drop(tunnel);
    eventually("its place is free", || client.send(GET).response().status == 200);
}
