//! What one client may have.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fullchain::proxy::settings::{Listener, Peers, RequestRate, Route, Service};
use http::Request;
use http_body_util::Full;

use crate::rig::client::{Client, http2};
use crate::rig::eventually;
use crate::rig::plain::{connect, exchange, get};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::Upstream;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

#[test]
fn a_client_with_as_many_connections_as_it_may_have_is_closed_until_one_ends() {
    let proxy = Proxy::with(&[Upstream::answering(OK).address], |settings| {
        settings.limits.clients.connections = NonZeroUsize::new(1);
    });
    let mut first = Client::of(&proxy);
    assert_eq!(first.send(GET).response().status, 200);
    assert_eq!(exchange(connect(proxy.redirect), ""), "");
    drop(first);
    eventually("there is a place", || {
        exchange(connect(proxy.redirect), get("/")).starts_with("HTTP/1.1 308 ")
    });
}

#[test]
fn a_route_can_have_a_rate_of_its_own() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.routes.push(Route {
            paths: vec!["/login".parse().unwrap()],
            requests: rate(1, 2),
            ..Route::to(0)
        });
    });
    let mut client = Client::of(&proxy);
    let mut ask = |path: &str| {
        let response = client
            .send(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n"))
            .response();
        (response.status, response.has_field("retry-after"))
    };
    assert_eq!(
        [ask("/login"), ask("/login/x"), ask("/login")],
        [(200, false), (200, false), (429, true)]
    );
    assert_eq!([ask("/"), ask("/"), ask("/")], [(200, false); 3]);
    let status = http2(&proxy, async |mut sender| {
        let request = Request::get("https://a.test/login")
            .body(Full::<Bytes>::default())
            .unwrap();
        sender.send_request(request).await.unwrap().status()
    });
    assert_eq!(status, 429);
    assert_eq!(upstream.received(0).matches("GET /login").count(), 2);
}

#[test]
fn clients_of_a_balancer_are_told_apart() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.limits.clients.connections = NonZeroUsize::new(1);
        settings.limits.clients.requests = rate(1, 1);
        let mut listener = Listener::new(SocketAddr::from(([127, 0, 0, 1], 0)), Service::Http);
        listener.balancers = Peers {
            networks: vec!["127.0.0.1".parse().unwrap()],
            unix: false,
        };
        settings.listeners.push(listener);
    });
    let of = |client: &str| format!("PROXY TCP6 {client} 2001:db8::ffff 1 2\r\n{GET}");
    let open: Vec<_> = ["2001:db8:0:1::1", "2001:db8:0:2::1"]
        .map(|client| {
            let mut socket = connect(proxy.listener(2));
            std::io::Write::write_all(&mut socket, of(client).as_bytes()).unwrap();
            let mut start = [0; 12];
            std::io::Read::read_exact(&mut socket, &mut start).unwrap();
            assert_eq!(&start, b"HTTP/1.1 200");
            socket
        })
        .into();
    // Another address of the same network is the same client.
    assert_eq!(exchange(connect(proxy.listener(2)), of("2001:db8:0:1::2")), "");
    drop(open);
}

#[test]
fn a_client_that_sends_too_many_requests_is_told_when_to_try_again() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.limits.clients.requests = rate(1, 2);
    });
    let mut client = Client::of(&proxy);
    for _ in 0..2 {
        assert_eq!(client.send(GET).response().status, 200);
    }
    // The next one, unless the machine takes a second for each.
    let mut response = client.send(GET).response();
    eventually("a request is refused", || {
        response.status == 429 || {
            response = client.send(GET).response();
            false
        }
    });
    assert!(response.has("retry-after: 1"), "{}", response.head);
    assert!(!response.has_field("connection"), "{}", response.head);
    // The connection and the client are good again.
    eventually("the next request may come", || {
        client.send(GET).response().status == 200
    });
}

#[test]
fn http2_requests_count_like_any_other() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.limits.clients.requests = rate(1, 1);
    });
    // `http2` itself gives up if none is ever refused.
    http2(&proxy, async |mut sender| {
        let mut answered = 0;
        loop {
            let request = Request::get("https://a.test/").body(Full::<Bytes>::default()).unwrap();
            match sender.send_request(request).await.unwrap().status().as_u16() {
                200 => answered += 1,
                status => break assert_eq!((status, answered > 0), (429, true)),
            }
        }
    });
}

#[test]
fn an_upload_that_is_refused_unread_is_the_last_request_of_its_connection() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.limits.clients.requests = rate(1, 1);
    });
    let put = "PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 24\r\n\r\nGET /smuggled HTTP/1.1\r\n";
    eventually("an upload is refused", || {
        let mut client = Client::of(&proxy);
        client.send(GET).response();
        let response = client.send(put).response();
        assert!(
            response.status != 429 || response.has("connection: close"),
            "{}",
            response.head
        );
        response.status == 429
    });
}

#[test]
fn handshakes_beyond_their_rate_wait_and_are_served() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.limits.clients.handshakes_per_second = NonZeroU32::new(10);
    });
    let start = Instant::now();
    for _ in 0..4 {
        assert_eq!(Client::of(&proxy).send(GET).response().status, 200);
    }
    // One at once and three more at a tenth of a second each.
    assert!(start.elapsed() >= Duration::from_millis(290), "{:?}", start.elapsed());
    // Who needs none does not wait for one.
    assert!(exchange(connect(proxy.redirect), get("/")).starts_with("HTTP/1.1 308 "));
}

fn rate(per_second: u32, burst: u32) -> Option<RequestRate> {
    Some(RequestRate {
        per_second: NonZeroU32::new(per_second)?,
        burst: NonZeroU32::new(burst)?,
    })
}
