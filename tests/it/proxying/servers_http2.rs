//! Servers that speak HTTP/2.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use bytes::Bytes;
use fullchain::proxy::Settings;
use fullchain::proxy::settings::HttpVersion;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::{BodyExt, Full};
use tokio::sync::Notify;

use crate::rig::PATIENCE;
use crate::rig::client::{Client, http2, http2_with};
use crate::rig::eventually;
use crate::rig::hyper_upstream::{HyperUpstream, Speech, full};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::{Connection, Upstream};

const HEADERS: u8 = 1;

const GET: &str = "GET /a?b HTTP/1.1\r\nHost: a.test\r\n\r\n";

fn h2(settings: &mut Settings) {
    settings.backends[0].protocol.http = HttpVersion::Http2;
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(format!("https://a.test{path}"))
        .body(Full::default())
        .unwrap()
}

#[test]
fn requests_of_either_kind_share_one_connection_to_an_h2c_server() {
    let upstream = HyperUpstream::answering_ok(Speech::h2c());
    let proxy = Proxy::with(&[upstream.address], h2);
    let mut client = Client::of(&proxy);
    for _ in 0..2 {
        let response = client.send(GET).response();
        assert_eq!((response.status, response.text().as_str()), (200, "ok"));
    }
    client
        .send("PUT / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n");
    client.send("4\r\nbody\r\n0\r\n\r\n");
    assert_eq!(client.response().status, 200);
    http2(&proxy, async |sender| {
        let requests: Vec<_> = (0..20)
            .map(|_| {
                let mut sender = sender.clone();
                tokio::spawn(async move { sender.send_request(get("/")).await.unwrap().status() })
            })
            .collect();
        for status in requests {
            assert_eq!(status.await.unwrap(), 200);
        }
    });
    let requests = upstream.requests();
    assert_eq!(requests.len(), 23);
    assert!(
        requests
            .iter()
            .all(|request| request.connection == 0 && request.version == Version::HTTP_2)
    );
    assert_eq!(requests[0].uri, "http://a.test/a?b");
    assert!(!requests[0].headers.contains_key("host") && !requests[2].headers.contains_key("transfer-encoding"));
    assert!(!requests[2].headers.contains_key("x-hop"));
    assert_eq!(
        (&requests[2].method, &*requests[2].body),
        (&http::Method::PUT, b"body".as_slice())
    );
}

#[test]
fn credentials_that_authenticate_a_connection_go_over_none_that_is_shared() {
    let upstream = HyperUpstream::answering_ok(Speech::h2c());
    let proxy = Proxy::with(&[upstream.address], h2);
    let (mut alice, mut bob) = (Client::of(&proxy), Client::of(&proxy));
    let authenticated = "GET / HTTP/1.1\r\nHost: a.test\r\nAuthorization: Negotiate YIIG\r\n\r\n";
    for _ in 0..2 {
        assert_eq!(bob.send(GET).response().status, 200);
        assert_eq!(alice.send(authenticated).response().status, 200);
    }
    assert_eq!(alice.send(GET).response().status, 200);
    let seen: Vec<_> = upstream.requests().iter().map(|seen| seen.connection).collect();
    assert_eq!(seen, [0, 1, 0, 2, 0]);
}

#[test]
fn another_connection_is_opened_where_the_server_takes_no_more_streams() {
    let go_on = Arc::new(Notify::new());
    let waiting = Arc::clone(&go_on);
    let speech = Speech {
        streams: 2,
        ..Speech::h2c()
    };
    let upstream = HyperUpstream::start(speech, move |seen| {
        let waiting = Arc::clone(&waiting);
        async move {
            if seen.uri.path() == "/hold" {
                waiting.notified().await;
            }
            Response::new(full("ok"))
        }
    });
    let proxy = Proxy::with(&[upstream.address], h2);
    http2(&proxy, async |mut sender| {
        // Two requests, after which what the server takes is known.
        for _ in 0..2 {
            assert_eq!(sender.send_request(get("/")).await.unwrap().status(), 200);
        }
        let held: Vec<_> = (0..5)
            .map(|_| {
                let mut sender = sender.clone();
                tokio::spawn(async move { sender.send_request(get("/hold")).await.unwrap().status() })
            })
            .collect();
        while upstream.requests().len() < 7 {
            tokio::task::yield_now().await;
        }
        for _ in 0..5 {
            go_on.notify_one();
        }
        for held in held {
            assert_eq!(held.await.unwrap(), 200);
        }
    });
    let mut per_connection = [0; 3];
    for request in upstream
        .requests()
        .iter()
        .filter(|request| request.uri.path() == "/hold")
    {
        per_connection[request.connection] += 1;
    }
    assert_eq!(per_connection, [2, 2, 1]);
}

#[test]
fn a_connection_is_closed_after_as_many_requests_as_it_may_carry() {
    let (told, heard) = channel();
    let upstream = Upstream::scripted(move |connection| {
        begin(connection);
        const GOAWAY: u8 = 7;
        let (mut requests, mut next) = (0, next_frame(connection));
        while next.0 != GOAWAY {
            if next.0 == HEADERS {
                requests += 1;
                no_content(connection, next.1);
            }
            next = next_frame(connection);
        }
        told.send(requests).unwrap();
    });
    for most in [1, 2] {
        let proxy = Proxy::with(&[upstream.address], |settings| {
            h2(settings);
            settings.backends[0].choice.requests_per_connection = most.try_into().ok();
        });
        let mut client = Client::of(&proxy);
        for _ in 0..4 {
            assert_eq!(client.send(GET).response().status, 204);
        }
        for _ in 0..4 / most {
            assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), most);
        }
    }
}

#[test]
fn trailers_pass_both_ways() {
    let upstream = HyperUpstream::start(Speech::h2c(), |seen| async move {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        let sent = seen.trailers.unwrap_or_default();
        trailers.insert("x-received", sent["x-checksum"].clone());
        let body = Full::from("answer").with_trailers(async { Some(Ok(trailers)) });
        Response::builder()
            .header("content-type", "application/grpc")
            .body(body.boxed_unsync())
            .unwrap()
    });
    let proxy = Proxy::with(&[upstream.address], h2);
    let answer = http2_with(&proxy, async |mut sender| {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-checksum", "abc".parse().unwrap());
        let body = Full::<Bytes>::from("question").with_trailers(async { Some(Ok(trailers)) });
        let request = Request::post("https://a.test/service/Method")
            .header("te", "trailers")
            .body(body.boxed_unsync())
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        response.into_body().collect().await.unwrap()
    });
    let trailers = answer.trailers().unwrap().clone();
    assert_eq!(
        (&trailers["grpc-status"], &trailers["x-received"]),
        (&"0".parse().unwrap(), &"abc".parse().unwrap())
    );
    assert_eq!(answer.to_bytes(), "answer");
    let seen = &upstream.requests()[0];
    assert_eq!(
        (&seen.headers["te"], &*seen.body),
        (&"trailers".parse().unwrap(), b"question".as_slice())
    );
}

#[test]
fn a_request_that_the_server_refused_is_sent_again() {
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", 204),
        // Nothing was done with it, so that even this one may be sent again.
        ("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n", 204),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx", 503),
    ] {
        let upstream = Upstream::scripted(|connection| {
            begin(connection);
            let stream = next_request(connection);
            no_content(connection, stream);
            let stream = next_request(connection);
            const REFUSED_STREAM: u8 = 7;
            frame(connection, 3, 0, stream, &[0, 0, 0, REFUSED_STREAM]);
            let stream = next_request(connection);
            no_content(connection, stream);
            connection.rest();
        });
        let proxy = Proxy::with(&[upstream.address], h2);
        let mut client = Client::of(&proxy);
        assert_eq!(client.send(GET).response().status, 204);
        assert_eq!(client.send(request).response().status, status, "{request:?}");
        assert_eq!(upstream.connections(), 1);
    }
}

#[test]
fn what_a_goaway_leaves_out_goes_over_another_connection() {
    let upstream = Upstream::scripted(|connection| {
        begin(connection);
        let first = next_request(connection);
        no_content(connection, first);
        let second = next_request(connection);
        if connection.number == 0 {
            // NO_ERROR; the first was the last to be looked at.
            frame(connection, 7, 0, 0, &[0, 0, 0, first, 0, 0, 0, 0]);
        } else {
            no_content(connection, second);
        }
        connection.rest();
    });
    let proxy = Proxy::with(&[upstream.address], h2);
    let mut client = Client::of(&proxy);
    for _ in 0..3 {
        assert_eq!(client.send(GET).response().status, 204);
    }
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn a_stream_that_is_reset_is_a_502_and_one_that_breaks_off_is_cut() {
    let upstream = Upstream::scripted(|connection| {
        begin(connection);
        let stream = next_request(connection);
        const INTERNAL_ERROR: u8 = 2;
        frame(connection, 3, 0, stream, &[0, 0, 0, INTERNAL_ERROR]);
        let stream = next_request(connection);
        const END_HEADERS: u8 = 4;
        // :status 200
        frame(connection, 1, END_HEADERS, stream, &[0x88]);
        frame(connection, 0, 0, stream, b"half");
        frame(connection, 3, 0, stream, &[0, 0, 0, INTERNAL_ERROR]);
        connection.rest();
    });
    let proxy = Proxy::with(&[upstream.address], h2);
    let mut client = Client::of(&proxy);
    assert_eq!(client.send(GET).response().status, 502);
    let response = client.send(GET).response();
    assert_eq!((response.status, response.complete), (200, false));
}

#[test]
fn a_client_that_leaves_resets_its_stream_and_no_other() {
    let upstream = HyperUpstream::start(Speech::h2c(), |seen| async move {
        if seen.uri.path() == "/hold" {
            std::future::pending::<()>().await;
        }
        Response::new(full("ok"))
    });
    let proxy = Proxy::with(&[upstream.address], h2);
    let mut leaving = Client::of(&proxy);
    leaving.send("GET /hold HTTP/1.1\r\nHost: a.test\r\n\r\n");
    eventually("the request has arrived", || upstream.requests().len() == 1);
    drop(leaving);
    assert_eq!(Client::of(&proxy).send(GET).response().status, 200);
    assert_eq!(upstream.hellos().len(), 1);
}

#[test]
fn a_server_that_does_not_answer_is_a_504() {
    let upstream = HyperUpstream::start(Speech::h2c(), |_| std::future::pending());
    let proxy = Proxy::with(&[upstream.address], |settings| {
        h2(settings);
        settings.backends[0].timeouts.first_byte = Duration::from_millis(50);
    });
    assert_eq!(Client::of(&proxy).send(GET).response().status, 504);
}

/// A server of HTTP/2 goes on reading when it does not take a body: it gives no window for it.
#[test]
fn a_server_that_takes_nothing_of_a_body_is_given_up_and_a_client_that_sends_nothing_is_not_its_fault() {
    for (window, status) in [(0, 502), (60_000, 408)] {
        let (told, heard) = channel();
        let upstream = Upstream::scripted(move |connection| {
            begin(connection);
            const INITIAL_WINDOW_SIZE: u8 = 4;
            let [_, _, high, low] = u32::to_be_bytes(window);
            frame(connection, 4, 0, 0, &[0, INITIAL_WINDOW_SIZE, 0, 0, high, low]);
            // After this one has been answered, the proxy knows.
            let stream = next_request(connection);
            no_content(connection, stream);
            let stream = next_request(connection);
            const RST_STREAM: u8 = 3;
            while next_frame(connection) != (RST_STREAM, stream) {}
            told.send(()).unwrap();
            let stream = next_request(connection);
            no_content(connection, stream);
            connection.rest();
        });
        let proxy = Proxy::with(&[upstream.address], |settings| {
            h2(settings);
            settings.backends[0].timeouts.progress = Duration::from_millis(50);
        });
        let mut client = Client::of(&proxy);
        assert_eq!(client.send(GET).response().status, 204);
        client.send("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhalf");
        assert_eq!(client.response().status, status, "a window of {window}");
        heard.recv_timeout(PATIENCE).unwrap();
        // Other requests go over the same connection as before.
        assert_eq!(Client::of(&proxy).send(GET).response().status, 204);
        assert_eq!(upstream.connections(), 1);
    }
}

#[test]
fn a_server_that_does_not_speak_http_2_is_a_502() {
    let upstream = Upstream::scripted(|connection| {
        connection.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        connection.rest();
    });
    let proxy = Proxy::with(&[upstream.address], h2);
    assert_eq!(Client::of(&proxy).send(GET).response().status, 502);
}

/// The preface of both sides.
fn begin(connection: &mut Connection) {
    assert_eq!(connection.bytes(24).unwrap(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    frame(connection, 4, 0, 0, &[]);
}

/// The next request without a body or the beginning of one with: its stream, of which there are few.
fn next_request(connection: &mut Connection) -> u8 {
    loop {
        if let (HEADERS, stream) = next_frame(connection) {
            return stream;
        }
    }
}

/// The next frame: its kind and its stream.
fn next_frame(connection: &mut Connection) -> (u8, u8) {
    let head = connection.bytes(9).unwrap();
    let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    connection.bytes(length).unwrap();
    (head[3], head[8])
}

/// Answers with 204 and the end of the stream.
fn no_content(connection: &mut Connection, stream: u8) {
    const END_STREAM_AND_HEADERS: u8 = 5;
    frame(connection, 1, END_STREAM_AND_HEADERS, stream, &[0x89]);
}

fn frame(connection: &mut Connection, kind: u8, flags: u8, stream: u8, payload: &[u8]) {
    let length = u8::try_from(payload.len()).unwrap();
    connection.send([&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat());
}
