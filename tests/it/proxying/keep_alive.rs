//! Connections to servers that are kept, and for how long.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use crate::rig::PATIENCE;
use crate::rig::client::Client;
use crate::rig::proxy::Proxy;
use crate::rig::upstream::Upstream;

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
/// Nothing is done for this one where its connection turns out dead.
const POST: &str = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n";

fn keeping(said: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{said}Content-Length: 2\r\n\r\nok")
}

#[test]
fn a_connection_is_kept_as_long_as_the_server_says_and_no_longer() {
    for (said, connections) in [
        ("", 1),
        ("Keep-Alive: timeout=60, max=100\r\n", 1),
        // What is left of a second is the way there and back.
        ("Keep-Alive: timeout=1\r\n", 3),
        ("Keep-Alive: timeout=0\r\n", 3),
        ("Connection: close\r\n", 3),
    ] {
        let upstream = Upstream::answering(keeping(said));
        let proxy = Proxy::of(&upstream);
        let mut client = Client::of(&proxy);
        for _ in 0..3 {
            let response = client.send(GET).response();
            assert_eq!((response.status, response.has_field("keep-alive")), (200, false));
        }
        assert_eq!(upstream.connections(), connections, "{said}");
    }
}

#[test]
fn a_connection_is_not_used_in_the_last_second_of_the_servers_clock() {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let upstream = Upstream::scripted(move |connection| {
        while connection.request().is_some() {
            connection.send(keeping("Keep-Alive: timeout=2\r\n"));
            if connection.number == 0 {
                // More than one of its two seconds.
                let _ = connection.stream().set_read_timeout(Some(Duration::from_millis(1200)));
                let waited = std::io::Read::read(connection.stream(), &mut [0]);
                tell.lock().unwrap().send(waited.is_err()).unwrap();
                let _ = connection.stream().set_read_timeout(Some(PATIENCE));
            }
        }
    });
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    assert_eq!(client.send(GET).response().status, 200);
    assert!(
        told.recv_timeout(PATIENCE).unwrap(),
        "it is still open on the server's side"
    );
    assert_eq!(client.send(POST).response().status, 200);
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn a_connection_is_closed_after_as_many_requests_as_it_may_have() {
    let upstream = Upstream::answering(keeping(""));
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.backends[0].choice.requests_per_connection = 2.try_into().ok();
    });
    let mut client = Client::of(&proxy);
    for _ in 0..5 {
        assert_eq!(client.send(GET).response().status, 200);
    }
    let requests: Vec<_> = (0..upstream.connections())
        .map(|number| upstream.received(number).matches("GET / ").count())
        .collect();
    assert_eq!(requests, [2, 2, 1]);
}
