//! Connections to servers that are kept, and for how long.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use fullchain::proxy::settings::Route;

use crate::rig::client::Client;
use crate::rig::proxy::{Proxy, backend};
use crate::rig::upstream::Upstream;
use crate::rig::{PATIENCE, eventually};

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

#[test]
fn for_one_that_finds_no_place_in_the_process_one_idle_connection_is_closed_the_oldest() {
    // It answers on each of its first three connections when it is told to.
    let (tell, told): (Vec<_>, Vec<_>) = (0..3).map(|_| mpsc::channel::<()>()).unzip();
    let (told, ended) = (
        told.into_iter().map(Mutex::new).collect::<Vec<_>>(),
        Arc::<Mutex<Vec<usize>>>::default(),
    );
    let ends = Arc::clone(&ended);
    let crowded = Upstream::scripted(move |connection| {
        while connection.request().is_some() {
            told[connection.number].lock().unwrap().recv_timeout(PATIENCE).unwrap();
            connection.send(keeping(""));
        }
        ends.lock().unwrap().push(connection.number);
    });
    let other = Upstream::answering(keeping(""));
    let proxy = Proxy::with(&[], |settings| {
        settings.backends = [&crowded, &other].map(|server| backend("", &[server.address])).into();
        settings.routes = ["/crowded", "/other"]
            .into_iter()
            .enumerate()
            .map(|(index, path)| Route {
                paths: vec![path.parse().unwrap()],
                ..Route::to(index)
            })
            .collect();
        settings.limits.connections = 3;
    });
    let get = |path: &str| format!("GET /{path} HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let has = |number: usize, count| {
        eventually("the server has the request", || {
            crowded.received(number).matches("\r\n\r\n").count() == count
        });
    };
    let mut clients = [(); 3].map(|()| Client::of(&proxy));
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(get("crowded"));
        has(number, 1);
    }
    for (client, tell) in clients.iter_mut().zip(&tell) {
        tell.send(()).unwrap();
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(clients[0].send(get("other")).response().status, 200);
    eventually("the one idle for longest has ended", || *ended.lock().unwrap() == [0]);
    // The others are there for two at once, last in, first out.
    for (client, number) in clients.iter_mut().zip([2, 1]) {
        client.send(get("crowded"));
        has(number, 2);
    }
    for (client, number) in clients.iter_mut().zip([2, 1]) {
        tell[number].send(()).unwrap();
        assert_eq!(client.response().status, 200);
    }
    assert_eq!((crowded.connections(), other.connections()), (3, 1));
}
