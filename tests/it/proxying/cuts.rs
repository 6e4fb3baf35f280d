//! Responses that break off: a client of either protocol sees that something is missing, and over HTTP/2 nothing but
//! their own stream ends.

use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

use crate::rig::PATIENCE;
use crate::rig::client::{Client, End};
use crate::rig::frames::{Fate, Frames, HEADERS};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::{Connection, Upstream, Wire};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const INTERNAL_ERROR: u32 = 2;

/// How the connection ends after what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// As TCP ends, or with close_notify in TLS.
    Properly,
    /// In TLS alone: without close_notify.
    Bare,
    /// With a reset.
    Reset,
    /// Not by the backend.
    NotAtAll,
}

impl Ends {
    fn end(self, connection: &mut Connection) {
        match self {
            Self::Properly => connection.close_notify(),
            Self::Bare => {}
            Self::Reset => connection.reset(),
            Self::NotAtAll => drop(connection.rest()),
        }
    }
}

/// A proxy in front of a backend that cuts `/cut` short, and answers everything else with a word.
struct Scene {
    proxy: Proxy,
    /// Has the connection of `/cut` end. A client that has the head of the response gets no other.
    end: Sender<()>,
    /// Has `/held` answered.
    answer: Sender<()>,
}

impl Scene {
    fn of(wire: Wire, response: String, ends: Ends) -> Self {
        let ((end, to_end), (answer, to_answer)) = (channel::<()>(), channel::<()>());
        let [to_end, to_answer] = [to_end, to_answer].map(Mutex::new);
        let upstream = Upstream::scripted_over(wire, move |connection| {
            while let Some((head, _)) = connection.request() {
                if head.starts_with("GET /cut ") {
                    connection.send(&response);
                    to_end.lock().unwrap().recv_timeout(PATIENCE).unwrap();
                    return ends.end(connection);
                }
                if head.starts_with("GET /held ") {
                    to_answer.lock().unwrap().recv_timeout(PATIENCE).unwrap();
                }
                connection.send(OK);
            }
        });
        let proxy = Proxy::of(&upstream);
        Self { proxy, end, answer }
    }
}

/// The head of a GET.
fn get(path: &str) -> [(&[u8], &[u8]); 4] {
    [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", b"a.test"),
        (b":path", path.as_bytes()),
    ]
}

/// Each framing of a body, none of them at its end, and the ways to end there.
fn cuts() -> Vec<(Wire, String, Ends)> {
    let head = |fields: &str, rest: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n{rest}");
    let chunked = "Transfer-Encoding: chunked\r\n";
    let cut = [
        head("Content-Length: 10\r\n", "half"),
        head(chunked, "4\r\nhalf\r\n"),
        head(chunked, "4\r\nhalf\r\n0\r\n"),
        head(chunked, "8\r\nhalf"),
    ];
    let mut all = Vec::new();
    for response in &cut {
        all.push((Wire::Plain, response.clone(), Ends::Properly));
        all.push((Wire::Tls, response.clone(), Ends::Properly));
        all.push((Wire::Tls, response.clone(), Ends::Bare));
    }
    // What has no length may end with the connection, unless that was broken.
    for response in cut.into_iter().chain([head("", "half")]) {
        all.push((Wire::Plain, response.clone(), Ends::Reset));
        all.push((Wire::Tls, response, Ends::Reset));
    }
    all.push((Wire::Tls, head("", "half"), Ends::Bare));
    all.push((Wire::Plain, head(chunked, "4\r\nhalf\r\nzz\r\n"), Ends::NotAtAll));
    all
}

#[test]
fn over_http_1_1_the_connection_is_cut() {
    for (wire, response, ends) in cuts() {
        let scene = Scene::of(wire, response.clone(), ends);
        let what = format!("{wire:?} {ends:?} {response:?}");
        let mut client = Client::of(&scene.proxy);
        let head = client.send("GET /cut HTTP/1.1\r\nHost: a.test\r\n\r\n").head();
        scene.end.send(()).unwrap();
        let (rest, end) = client.end();
        let body = match head.has_field("content-length") {
            true => "half",
            false => "4\r\nhalf\r\n",
        };
        assert_eq!((head.status, end), (200, End::Cut), "{what}");
        assert_eq!(String::from_utf8_lossy(&rest), body, "{what}");
    }
}

#[test]
fn over_http_2_the_stream_is_reset_and_the_others_go_on() {
    for (wire, response, ends) in cuts() {
        let scene = Scene::of(wire, response.clone(), ends);
        let what = format!("{wire:?} {ends:?} {response:?}");
        let mut frames = Frames::of(&scene.proxy);
        frames.open(1, &get("/held"), true).open(3, &get("/cut"), true);
        let head = frames.next().unwrap();
        assert_eq!((head.kind, head.stream), (HEADERS, 3), "{what}");
        scene.end.send(()).unwrap();
        assert_eq!(frames.fate(3), Fate::Reset(INTERNAL_ERROR), "{what}");
        // One that was there before, and one that comes after it.
        scene.answer.send(()).unwrap();
        assert_eq!(frames.fate(1), Fate::Answered(200, None), "{what}");
        assert_eq!(
            frames.open(5, &get("/"), true).fate(5),
            Fate::Answered(200, None),
            "{what}"
        );
    }
}

#[test]
fn without_a_length_close_notify_is_the_end_of_a_body_in_tls() {
    let response = "HTTP/1.1 200 OK\r\n\r\nwhole".to_owned();
    let scene = Scene::of(Wire::Tls, response, Ends::Properly);
    for _ in 0..2 {
        scene.end.send(()).unwrap();
    }
    let mut client = Client::of(&scene.proxy);
    let got = client.last("GET /cut HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
    assert_eq!((got.status, got.text().as_str(), got.complete), (200, "whole", true));
    let mut frames = Frames::of(&scene.proxy);
    let fate = frames.open(1, &get("/cut"), true).fate(1);
    assert_eq!(fate, Fate::Answered(200, None));
}
