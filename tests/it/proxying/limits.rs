//! Bodies that are larger than they may be.

use std::sync::mpsc::channel;

use fullchain::proxy::Settings;
use fullchain::proxy::settings::HttpVersion;

use crate::rig::PATIENCE;
use crate::rig::client::{Client, End};
use crate::rig::frames::{DATA, END_STREAM, Fate, Frames, POST};
use crate::rig::hyper_upstream::{HyperUpstream, Speech};
use crate::rig::proxy::Proxy;
use crate::rig::strict::{self, Fault};
use crate::rig::upstream::Upstream;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";

fn ten_bytes(settings: &mut Settings) {
    settings.routes[0].body_bytes = Some(10);
}

#[test]
fn a_length_above_the_limit_is_a_413_before_anything_is_read_or_asked_for() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::with(&[upstream.address], ten_bytes);
    for expect in ["", "Expect: 100-continue\r\n"] {
        let mut client = Client::of(&proxy);
        let response = client
            .send(format!(
                "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 11\r\n{expect}\r\n"
            ))
            .response();
        assert!(
            response.status == 413 && response.has("connection: close"),
            "{}",
            response.head
        );
        assert_eq!(client.end(), (Vec::new(), End::Proper));
    }
    let fields = [&POST[..], &[(b"content-length", b"11")]].concat();
    assert_eq!(
        Frames::of(&proxy).open(1, &fields, false).fate(1),
        Fate::Answered(413, Some(0))
    );
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn a_client_that_is_still_sending_reads_its_413() {
    let proxy = Proxy::with(&[Upstream::answering(OK).address], ten_bytes);
    for _ in 0..10 {
        let mut client = Client::of(&proxy);
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\n");
        client.send(vec![b'x'; 1_000_000]);
        assert_eq!(client.response().status, 413);
    }
}

#[test]
fn a_body_of_exactly_the_limit_passes_whatever_its_framing() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::with(&[upstream.address], ten_bytes);
    let mut client = Client::of(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhelloworld");
    assert_eq!(client.response().status, 200);
    client.send(format!("{CHUNKED}5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"));
    assert_eq!(client.response().status, 200);
    let mut frames = Frames::of(&proxy);
    frames.open(1, &POST, false).send(DATA, END_STREAM, 1, b"helloworld");
    assert_eq!(frames.fate(1), Fate::Answered(200, None));
    let (requests, fault) = strict::requests(upstream.received(0).as_bytes());
    assert_eq!(fault, None);
    assert!(requests.iter().all(|request| request.body == b"helloworld"));
}

#[test]
fn an_upload_that_grows_beyond_the_limit_is_cut_and_the_backend_never_has_a_whole_request() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::with(&[upstream.address], ten_bytes);
    let mut client = Client::of(&proxy);
    client.send(format!("{CHUNKED}5\r\nhello\r\n6\r\nworld!\r\n0\r\n\r\n"));
    let response = client.response();
    assert!(
        response.status == 413 && response.has("connection: close"),
        "{}",
        response.head
    );
    assert_eq!(client.end(), (Vec::new(), End::Proper));
    let mut frames = Frames::of(&proxy);
    frames
        .open(1, &POST, false)
        .send(DATA, 0, 1, b"hello")
        .send(DATA, END_STREAM, 1, b"world!");
    let fate = frames.fate(1);
    assert!(matches!(fate, Fate::Answered(413, _)), "{fate:?}");
    for number in 0..upstream.connections() {
        let (requests, fault) = strict::requests(upstream.received(number).as_bytes());
        assert!(requests.is_empty() && fault.is_none_or(|fault| fault == Fault::Unfinished));
    }
}

#[test]
fn the_nominal_length_of_a_channel_of_rpc_over_http_is_no_size() {
    let (told, heard) = channel();
    let upstream = Upstream::scripted(move |connection| {
        connection.head();
        told.send(connection.bytes(20).unwrap()).unwrap();
    });
    let proxy = Proxy::with(&[upstream.address], |settings| {
        ten_bytes(settings);
        settings.routes[0].rpc_over_http = true;
    });
    let mut client = Client::of(&proxy);
    client.send("RPC_IN_DATA /rpc/rpcproxy.dll HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1073741824\r\n\r\n");
    client.send("twenty bytes of many");
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), b"twenty bytes of many");
}

#[test]
fn a_server_that_speaks_http_2_changes_nothing_about_bodies_that_go_wrong() {
    let upstream = HyperUpstream::answering_ok(Speech::h2c());
    let proxy = Proxy::with(&[upstream.address], |settings| {
        ten_bytes(settings);
        settings.backends[0].protocol.http = HttpVersion::Http2;
    });
    for (chunks, status) in [
        ("5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n", 200),
        ("5\r\nhello\r\n6\r\nworld!\r\n0\r\n\r\n", 413),
        ("5\r\nhello\r\n5;\r\nworld\r\n0\r\n\r\n", 400),
    ] {
        let mut client = Client::of(&proxy);
        client.send(format!("{CHUNKED}{chunks}"));
        assert_eq!(client.response().status, status, "{chunks:?}");
    }
    let bodies: Vec<_> = upstream.requests().into_iter().map(|request| request.body).collect();
    assert_eq!(bodies, ["helloworld"]);
}

#[test]
fn a_response_that_has_begun_is_cut_with_its_upload() {
    let (told, heard) = channel();
    let upstream = Upstream::scripted(move |connection| {
        connection.head();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        connection.rest();
        told.send(()).unwrap();
    });
    let proxy = Proxy::with(&[upstream.address], ten_bytes);
    let mut client = Client::of(&proxy);
    client.send(CHUNKED);
    assert_eq!(client.head().status, 200);
    client.send(format!("b\r\n{}\r\n", "x".repeat(11)));
    heard.recv_timeout(PATIENCE).unwrap();
    assert_eq!(client.end().1, End::Cut);
}

#[test]
fn a_method_does_not_lift_a_limit_where_nobody_speaks_of_channels() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::with(&[upstream.address], ten_bytes);
    let mut client = Client::of(&proxy);
    client.send("RPC_IN_DATA /rpc/rpcproxy.dll HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1073741824\r\n\r\n");
    assert_eq!(client.response().status, 413);
    assert_eq!(upstream.connections(), 0);
}
