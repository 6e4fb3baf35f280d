//! Servers that speak HTTP/1.0.

use bytes::Bytes;
use fullchain::proxy::settings::HttpVersion;
use fullchain::proxy::{Buffering, Settings};
use http::Request;
use http_body_util::{BodyExt, Full};

use crate::rig::client::{Client, http2};
use crate::rig::frames::{DATA, END_STREAM, Fate, Frames, POST};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::Upstream;

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

fn http10(settings: &mut Settings) {
    settings.backends[0].protocol.http = HttpVersion::Http10;
}

#[test]
fn an_http_1_0_server_gets_the_request_line_of_its_age_and_is_closed() {
    let upstream = Upstream::answering("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let proxy = Proxy::with(&[upstream.address], http10);
    let mut client = Client::of(&proxy);
    let request = "GET /a?b HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\nConnection: upgrade, te\r\nUpgrade: x\r\n\r\n";
    for _ in 0..2 {
        let response = client.send(request).response();
        assert_eq!((response.status, response.text().as_str()), (200, "ok"));
    }
    let head = upstream.first_head();
    assert_eq!(head[0], "GET /a?b HTTP/1.0");
    assert!(head.contains(&"Connection: close".to_owned()), "{head:?}");
    assert!(
        !head
            .iter()
            .any(|line| line.starts_with("Te:") || line.starts_with("Upgrade:")),
        "{head:?}"
    );
    assert_eq!(upstream.connections(), 2);
}

#[test]
fn a_body_has_a_length_or_the_client_is_asked_for_one() {
    let upstream = Upstream::answering("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let proxy = Proxy::with(&[upstream.address], http10);
    let mut client = Client::of(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nbody");
    assert_eq!(client.response().status, 200);
    let received = upstream.received(0);
    assert!(
        received.contains("\r\nContent-Length: 4\r\n") && received.ends_with("\r\n\r\nbody"),
        "{received}"
    );
    assert!(!received.contains("Transfer-Encoding"), "{received}");
    // One of unknown length is put aside until it is known, or refused where that is not wanted.
    let chunked = "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
    client.send(chunked);
    assert_eq!(client.response().status, 200);
    let received = upstream.received(1);
    assert!(
        received.contains("\r\nContent-Length: 4\r\n") && received.ends_with("\r\n\r\nbody"),
        "{received}"
    );
    let upstream = Upstream::answering("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let proxy = Proxy::with(&[upstream.address], |settings| {
        http10(settings);
        settings.backends[0].delivery.buffering = Buffering::Off;
    });
    assert_eq!(Client::of(&proxy).send(chunked).response().status, 411);
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn over_http_2_a_body_has_a_length_too_or_the_client_is_asked_for_one() {
    let upstream = Upstream::answering("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let proxy = Proxy::with(&[upstream.address], http10);
    let mut frames = Frames::of(&proxy);
    frames
        .open(1, &POST, false)
        .send(DATA, 0, 1, b"bo")
        .send(DATA, END_STREAM, 1, b"dy");
    assert_eq!(frames.fate(1), Fate::Answered(200, None));
    let received = upstream.received(0);
    assert!(
        received.starts_with("POST / HTTP/1.0\r\n")
            && received.contains("\r\nContent-Length: 4\r\n")
            && received.ends_with("\r\n\r\nbody")
            && !received.contains("Transfer-Encoding"),
        "{received}"
    );
    let upstream = Upstream::answering("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let proxy = Proxy::with(&[upstream.address], |settings| {
        http10(settings);
        settings.backends[0].delivery.buffering = Buffering::Off;
    });
    let mut frames = Frames::of(&proxy);
    frames.open(1, &POST, false).send(DATA, 0, 1, b"bo");
    assert_eq!(frames.status(1), 411);
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn a_response_that_ends_with_its_connection_is_framed_anew_for_each_client() {
    for version in ["1.0", "1.1"] {
        let upstream = Upstream::scripted(move |connection| {
            connection.request();
            connection.send(format!(
                "HTTP/{version} 200 OK\r\nContent-Type: text/plain\r\n\r\nall of it"
            ));
        });
        for configure in [http10 as fn(&mut Settings), |_| ()] {
            let proxy = Proxy::with(&[upstream.address], configure);
            let mut client = Client::of(&proxy);
            for _ in 0..2 {
                let response = client.send(GET).response();
                assert!(response.has("transfer-encoding: chunked"), "{}", response.head);
                assert_eq!((response.text().as_str(), response.complete), ("all of it", true));
            }
            let mut old = Client::of(&proxy);
            old.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n");
            let response = old.response();
            assert!(!response.has_field("transfer-encoding"), "{}", response.head);
            assert_eq!((response.text().as_str(), response.complete), ("all of it", true));
            let body = http2(&proxy, async |mut sender| {
                let request = Request::get("https://a.test/").body(Full::<Bytes>::default()).unwrap();
                let response = sender.send_request(request).await.unwrap();
                response.into_body().collect().await.unwrap().to_bytes()
            });
            assert_eq!(body, "all of it");
        }
    }
}

#[test]
fn a_server_that_answered_in_http_1_0_is_sent_no_chunks_and_its_connection_is_not_used_again() {
    // On such a connection hyper would speak HTTP/1.0 itself, and leave out a body of unknown length; on another it
    // would be sent in chunks, which the server takes for the body (RFC 9112 section 6.1).
    let upstream = Upstream::answering("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok");
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    assert_eq!(client.send(GET).response().status, 200);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n");
    assert_eq!(client.response().status, 200);
    assert_eq!(upstream.connections(), 2);
    assert!(
        upstream.received(1).contains("\r\nContent-Length: 4\r\n") && upstream.received(1).ends_with("\r\n\r\nbody"),
        "{}",
        upstream.received(1)
    );
}
