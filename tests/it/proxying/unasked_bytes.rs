//! What a backend sends beyond the answer to a request answers nobody, over whichever protocols.
//!
//! nginx read what an upstream sent before it had been asked, or after it had answered, as the answer to somebody else
//! (CVE-2026-1642, over an upstream's TLS).

use std::io::Write;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};

use crate::rig::PATIENCE;
use crate::rig::client::{Client, http2};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::{Connection, Upstream, Wire};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";

/// Asks three times, first with `method`; what the clients get. `meanwhile` is between the first answer and the second
/// request.
fn three(over_http2: bool, proxy: &Proxy, method: &str, meanwhile: impl FnOnce()) -> Vec<(u16, String)> {
    if over_http2 {
        return three_over_http2(proxy, method, meanwhile);
    }
    let ask = |method, fields| format!("{method} / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n");
    let mut client = Client::of(proxy);
    client.send(ask(method, ""));
    let first = if method == "HEAD" {
        client.head()
    } else {
        client.response()
    };
    meanwhile();
    // The same client, then another.
    let second = client.last(ask("GET", "Connection: close\r\n"));
    let third = Client::of(proxy).last(ask("GET", "Connection: close\r\n"));
    [first, second, third]
        .map(|response| (response.status, response.text()))
        .into()
}

fn three_over_http2(proxy: &Proxy, method: &str, meanwhile: impl FnOnce()) -> Vec<(u16, String)> {
    http2(proxy, async |mut sender| {
        let mut meanwhile = Some(meanwhile);
        let mut got = Vec::new();
        for method in [method, "GET", "GET"] {
            let request = Request::builder().method(method).uri("https://a.test/");
            let response = sender.send_request(request.body(Full::<Bytes>::default()).unwrap());
            let (head, body) = response.await.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            got.push((head.status.as_u16(), String::from_utf8_lossy(&body).into_owned()));
            if let Some(meanwhile) = meanwhile.take() {
                meanwhile();
            }
        }
        got
    })
}

/// Whether the client speaks HTTP/2, and how the backend is spoken to.
const PROTOCOLS: [(bool, Wire); 4] = [
    (false, Wire::Plain),
    (true, Wire::Plain),
    (false, Wire::Tls),
    (true, Wire::Tls),
];

/// Requests whose answers have an end that some backends do not keep to: the request's method, the head of the answer,
/// what follows, and what the client gets.
fn answers() -> [(&'static str, String, String, (u16, String)); 8] {
    let head = |line: &str, fields: &str| format!("HTTP/1.1 {line}\r\n{fields}\r\n");
    let length = format!("Content-Length: {}\r\n", POISON.len());
    let chunked = "Transfer-Encoding: chunked\r\n";
    let poison = || POISON.to_owned();
    let chunk = format!("{:x}\r\n{POISON}\r\n0\r\n\r\n", POISON.len());
    let nothing = |status| (status, String::new());
    [
        ("GET", OK.to_owned(), poison(), (200, "ok".to_owned())),
        (
            "GET",
            head("200 OK", chunked) + "2\r\nok\r\n0\r\n\r\n",
            poison(),
            (200, "ok".to_owned()),
        ),
        // The common form: a body that would answer a GET.
        ("HEAD", head("200 OK", &length), poison(), nothing(200)),
        ("HEAD", head("200 OK", chunked), chunk.clone(), nothing(200)),
        ("GET", head("204 No Content", ""), poison(), nothing(204)),
        ("GET", head("204 No Content", &length), poison(), nothing(204)),
        ("GET", head("304 Not Modified", &length), poison(), nothing(304)),
        ("GET", head("304 Not Modified", chunked), chunk, nothing(304)),
    ]
}

fn ok() -> (u16, String) {
    (200, "ok".to_owned())
}

#[test]
fn bytes_behind_an_answer_are_dropped_with_their_connection() {
    for (over_http2, wire) in PROTOCOLS {
        for (method, answer, rest, expected) in answers() {
            let whole = format!("{answer}{rest}");
            let upstream = Upstream::scripted_over(wire, move |connection| {
                while connection.request().is_some() {
                    connection.send(if connection.number == 0 { &whole } else { OK });
                }
            });
            let proxy = Proxy::of(&upstream);
            let got = three(over_http2, &proxy, method, || ());
            assert_eq!(got, [expected, ok(), ok()], "{over_http2} {wire:?}: {answer}");
            assert_eq!(upstream.connections(), 2, "{over_http2} {wire:?}: {answer}");
        }
    }
}

/// A script that sends `late` on its first connection when it is told to, and tells when the proxy has left for it.
fn late(answer: String, late: String) -> (impl Fn(&mut Connection) + Send + Sync, Sender<()>, Receiver<()>) {
    let (tell, told) = channel::<()>();
    let (leave, left) = channel();
    let told = Mutex::new(told);
    let script = move |connection: &mut Connection| {
        while connection.request().is_some() {
            if connection.number > 0 {
                connection.send(OK);
                continue;
            }
            connection.send(&answer);
            told.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            connection.send(&late);
            assert!(
                connection.rest().is_empty(),
                "a request on a connection that has spoken"
            );
            leave.send(()).unwrap();
            return;
        }
    };
    (script, tell, left)
}

#[test]
fn bytes_on_an_idle_connection_end_it_before_the_next_request() {
    for (over_http2, wire) in PROTOCOLS {
        for (method, answer, rest, expected) in answers() {
            let (script, tell, left) = late(answer.clone(), rest);
            let upstream = Upstream::scripted_over(wire, script);
            let proxy = Proxy::of(&upstream);
            let got = three(over_http2, &proxy, method, || {
                tell.send(()).unwrap();
                left.recv_timeout(PATIENCE).unwrap();
            });
            assert_eq!(got, [expected, ok(), ok()], "{over_http2} {wire:?}: {answer}");
            assert_eq!(upstream.connections(), 2, "{over_http2} {wire:?}: {answer}");
        }
    }
}

/// In plain HTTP nobody can tell an answer that was sent too early from one that was quick. It answers the request for
/// which the connection was opened, and what comes then is too much.
#[test]
fn an_answer_before_any_request_answers_the_first_at_most() {
    for over_http2 in [false, true] {
        let (tell, told) = channel::<()>();
        let (leave, left) = channel();
        let told = Mutex::new(told);
        let upstream = Upstream::scripted_over(Wire::Plain, move |connection| {
            if connection.number > 0 {
                while connection.request().is_some() {
                    connection.send(OK);
                }
                return;
            }
            connection.send(POISON);
            // The proxy may have left for it.
            if connection.request().is_some() {
                told.lock().unwrap().recv_timeout(PATIENCE).unwrap();
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst");
                assert!(
                    connection.rest().is_empty(),
                    "a request on a connection that has spoken"
                );
            }
            leave.send(()).unwrap();
        });
        let proxy = Proxy::of(&upstream);
        let got = three(over_http2, &proxy, "GET", || {
            // Nobody waits for it where the proxy has left.
            let _ = tell.send(());
            left.recv_timeout(PATIENCE).unwrap();
        });
        assert!(got[0].0 == 502 || got[0].1 == "poison", "{got:?}");
        assert_eq!(got[1..], [ok(), ok()]);
        assert_eq!(upstream.connections(), 2);
    }
}

#[test]
fn an_answer_within_the_handshake_answers_nobody() {
    for over_http2 in [false, true] {
        let upstream = Upstream::scripted_over(Wire::Tls, |connection| {
            if connection.number == 0 {
                connection.send_at_once(POISON);
            }
            while connection.request().is_some() {
                connection.send(OK);
            }
        });
        let proxy = Proxy::of(&upstream);
        let got = three(over_http2, &proxy, "GET", || ());
        assert_eq!(got[0].0, 502);
        assert_eq!(got[1..], [ok(), ok()]);
        assert_eq!((upstream.connections(), upstream.received(0).as_str()), (2, ""));
    }
}

#[test]
fn an_answer_before_the_handshake_is_no_handshake() {
    for over_http2 in [false, true] {
        let upstream = Upstream::scripted_over(Wire::Tls, |connection| {
            if connection.number == 0 {
                connection.stream().write_all(POISON.as_bytes()).unwrap();
            }
            while connection.request().is_some() {
                connection.send(OK);
            }
        });
        let proxy = Proxy::of(&upstream);
        let got = three(over_http2, &proxy, "GET", || ());
        assert_eq!(got[0].0, 502);
        assert_eq!(got[1..], [ok(), ok()]);
        assert_eq!((upstream.connections(), upstream.received(0).as_str()), (2, ""));
    }
}
