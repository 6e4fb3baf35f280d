//! Bodies that are put aside first, so that the backend can be told their length.

use std::net::SocketAddr;
use std::sync::mpsc::channel;

use fullchain::proxy::{Buffering, Delivery, Spool};

use crate::rig::client::Client;
use crate::rig::frames::{DATA, END_STREAM, Fate, Frames, POST};
use crate::rig::proxy::Proxy;
use crate::rig::strict;
use crate::rig::upstream::Upstream;
use crate::rig::{PATIENCE, eventually};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const CHUNKED: &str = "POST /up HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A proxy whose backend has bodies delivered so.
fn proxy(upstream: SocketAddr, delivery: Delivery) -> Proxy {
    Proxy::with(&[upstream], |settings| settings.backends[0].delivery = delivery)
}

fn always(spool: Spool) -> Delivery {
    Delivery {
        buffering: Buffering::On,
        spool,
        ..Delivery::default()
    }
}

/// A backend that answers requests of unknown length with 411 as soon as `seen` bytes of them have come.
fn wanting_lengths(seen: usize) -> Upstream {
    Upstream::scripted(move |connection| {
        while let Some(head) = connection.head() {
            let lower = head.to_ascii_lowercase();
            if lower.contains("transfer-encoding") {
                connection.bytes(seen);
                connection.send("HTTP/1.1 411 Length Required\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno\n");
                connection.rest();
                return;
            }
            if let Some((_, rest)) = lower.split_once("content-length: ") {
                connection.bytes(rest.split("\r\n").next().unwrap().parse().unwrap());
            }
            connection.send(OK);
        }
    })
}

/// The one request that was received on connection `number`.
fn request(upstream: &Upstream, number: usize) -> strict::Request {
    let (mut requests, fault) = strict::requests(upstream.received(number).as_bytes());
    assert_eq!((requests.len(), fault), (1, None), "{}", upstream.received(number));
    requests.remove(0)
}

fn lengths_and_bodies(requests: &[strict::Request]) -> Vec<(Option<&str>, &[u8])> {
    let requests = requests.iter();
    requests
        .map(|request| (request.field("content-length"), request.body.as_slice()))
        .collect()
}

#[test]
fn a_request_that_is_refused_for_its_missing_length_is_sent_again_with_it_and_so_is_the_next() {
    let upstream = wanting_lengths(0);
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send(format!("{CHUNKED}5\r\nhello\r\n"));
    eventually("the backend has refused it", || upstream.connections() == 1);
    client.send("1\r\n!\r\n0\r\n\r\n");
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (200, "ok"));
    client.send(format!("{CHUNKED}3\r\nbye\r\n0\r\n\r\n"));
    assert_eq!(client.response().status, 200);
    assert_eq!(upstream.connections(), 2);
    let (requests, fault) = strict::requests(upstream.received(1).as_bytes());
    assert_eq!(fault, None);
    assert_eq!(
        lengths_and_bodies(&requests),
        [(Some("6"), &b"hello!"[..]), (Some("3"), b"bye")]
    );
}

#[test]
fn over_http_2_a_request_that_is_refused_for_its_missing_length_is_sent_again_with_it_and_so_is_the_next() {
    let upstream = wanting_lengths(0);
    let proxy = Proxy::of(&upstream);
    let mut frames = Frames::of(&proxy);
    frames.open(1, &POST, false).send(DATA, 0, 1, b"hello");
    eventually("the backend has refused it", || upstream.connections() == 1);
    frames.send(DATA, END_STREAM, 1, b"!");
    assert_eq!(frames.fate(1), Fate::Answered(200, None));
    frames.open(3, &POST, false).send(DATA, END_STREAM, 3, b"bye");
    assert_eq!(frames.fate(3), Fate::Answered(200, None));
    assert!(upstream.received(0).contains("\r\nTransfer-Encoding: chunked\r\n"));
    assert_eq!(upstream.connections(), 2);
    let (requests, fault) = strict::requests(upstream.received(1).as_bytes());
    assert_eq!(fault, None);
    assert_eq!(
        lengths_and_bodies(&requests),
        [(Some("6"), &b"hello!"[..]), (Some("3"), b"bye")]
    );
}

#[test]
fn a_411_is_passed_on_where_more_was_sent_than_is_kept_and_the_next_request_has_its_length() {
    let upstream = wanting_lengths("5\r\nhello\r\n".len());
    let delivery = Delivery {
        spool: Spool {
            memory: 4,
            ..Spool::default()
        },
        ..Delivery::default()
    };
    let proxy = proxy(upstream.address, delivery);
    let mut client = Client::of(&proxy);
    client.send(format!("{CHUNKED}5\r\nhello\r\n"));
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (411, "no\n"));
    let mut client = Client::of(&proxy);
    client.send(format!("{CHUNKED}5\r\nhello\r\n0\r\n\r\n"));
    assert_eq!(client.response().status, 200);
    assert_eq!(request(&upstream, 1).body, b"hello");
}

#[test]
fn what_one_worker_learns_of_a_backend_all_know() {
    let upstream = wanting_lengths("5\r\nhello\r\n".len());
    let proxy = Proxy::with_workers(2, &[upstream.address], |settings| {
        settings.backends[0].delivery.spool.memory = 4;
    });
    let statuses: Vec<u16> = (0..12)
        .map(|_| {
            let mut client = Client::of(&proxy);
            client.send(format!("{CHUNKED}5\r\nhello\r\n0\r\n\r\n"));
            client.response().status
        })
        .collect();
    assert_eq!((statuses[0], &statuses[1..]), (411, &[200; 11][..]));
}

#[test]
fn a_411_is_passed_on_where_buffering_is_off() {
    let upstream = wanting_lengths(0);
    let delivery = Delivery {
        buffering: Buffering::Off,
        ..Delivery::default()
    };
    let proxy = proxy(upstream.address, delivery);
    for _ in 0..2 {
        let mut client = Client::of(&proxy);
        client.send(format!("{CHUNKED}5\r\nhello\r\n0\r\n\r\n"));
        assert_eq!(client.response().status, 411);
    }
}

#[test]
fn an_empty_body_of_unknown_length_has_the_length_zero() {
    let upstream = Upstream::answering(OK);
    let proxy = proxy(upstream.address, always(Spool::default()));
    let mut client = Client::of(&proxy);
    client.send(format!("{CHUNKED}0\r\n\r\n"));
    assert_eq!(client.response().status, 200);
    let request = request(&upstream, 0);
    assert_eq!(
        (request.field("content-length"), request.field("transfer-encoding")),
        (Some("0"), None)
    );
}

#[test]
fn the_backend_hears_nothing_of_a_request_before_all_of_it_is_here() {
    let upstream = Upstream::answering(OK);
    let proxy = proxy(upstream.address, always(Spool::default()));
    let mut slow = Client::of(&proxy);
    slow.send("POST /slow HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nfirst");
    let mut other = Client::of(&proxy);
    other.send("GET /other HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(other.response().status, 200);
    assert!(!upstream.received(0).contains("/slow") && upstream.connections() == 1);
    slow.send("after");
    assert_eq!(slow.response().status, 200);
    assert!(upstream.received(0).ends_with("\r\n\r\nfirstafter"));
}

#[test]
fn what_does_not_fit_into_memory_goes_through_a_file_that_nobody_sees() {
    let upstream = Upstream::answering(OK);
    let directory = tempfile::TempDir::new().unwrap();
    let spool = Spool {
        memory: 1000,
        directory: Some(directory.path().to_owned()),
        ..Spool::default()
    };
    let proxy = proxy(upstream.address, always(spool));
    let body: Vec<u8> = (0..1_000_003_u32).map(|number| b'a' + (number % 23) as u8).collect();
    let mut client = Client::of(&proxy);
    client.send(CHUNKED);
    for (number, part) in body.chunks(70_001).enumerate() {
        client.send(format!("{:x}\r\n", part.len())).send(part).send("\r\n");
        if number == 8 {
            assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        }
    }
    assert_eq!(client.send("0\r\n\r\n").response().status, 200);
    let request = request(&upstream, 0);
    assert_eq!(request.field("content-length"), Some("1000003"));
    assert!(request.body == body);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_body_that_is_more_than_the_spool_takes_is_a_413() {
    let upstream = Upstream::answering(OK);
    let spool = Spool {
        memory: 2,
        limit: 8,
        ..Spool::default()
    };
    let proxy = proxy(upstream.address, always(spool));
    for request in [
        format!("{CHUNKED}5\r\nhello\r\n5\r\nworld\r\n"),
        "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\n".to_owned(),
    ] {
        let mut client = Client::of(&proxy);
        let response = client.send(request).response();
        assert!(
            response.status == 413 && response.has("connection: close"),
            "{}",
            response.head
        );
        client.end();
    }
    assert_eq!(upstream.connections(), 0);
    let mut client = Client::of(&proxy);
    client.send(format!("{CHUNKED}8\r\nall of i\r\n0\r\n\r\n"));
    assert_eq!(client.response().status, 200);
}

#[test]
fn a_body_that_cannot_be_kept_is_no_fault_of_the_client() {
    let upstream = Upstream::answering(OK);
    let spool = Spool {
        memory: 2,
        directory: Some("/does/not/exist".into()),
        ..Spool::default()
    };
    let proxy = proxy(upstream.address, always(spool));
    let mut client = Client::of(&proxy);
    client.send(format!("{CHUNKED}5\r\nhello\r\n0\r\n\r\n"));
    assert_eq!(client.response().status, 500);
    assert_eq!(upstream.connections(), 0);
    // What fits into memory needs no file.
    let mut client = Client::of(&proxy);
    client.send(format!("{CHUNKED}2\r\nhi\r\n0\r\n\r\n"));
    assert_eq!(client.response().status, 200);
}

#[test]
fn a_channel_of_rpc_over_http_is_never_put_aside() {
    let (told, heard) = channel();
    let upstream = Upstream::scripted(move |connection| {
        connection.head();
        told.send(connection.bytes(5).unwrap()).unwrap();
    });
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.backends[0].delivery = always(Spool::default());
        settings.routes[0].rpc_over_http = true;
    });
    let mut client = Client::of(&proxy);
    client.send("RPC_IN_DATA /rpc/rpcproxy.dll HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1073741824\r\n\r\nfirst");
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), b"first");
}

#[test]
fn an_upload_over_http_2_gets_its_length_too() {
    let upstream = Upstream::answering(OK);
    let proxy = proxy(upstream.address, always(Spool::default()));
    let mut frames = Frames::of(&proxy);
    frames
        .open(1, &POST, false)
        .send(DATA, 0, 1, b"he")
        .send(DATA, END_STREAM, 1, b"llo");
    assert_eq!(frames.fate(1), Fate::Answered(200, None));
    let request = request(&upstream, 0);
    assert_eq!(
        (request.field("content-length"), request.body.as_slice()),
        (Some("5"), &b"hello"[..])
    );
}
