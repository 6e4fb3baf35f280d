//! Answers that come before their request is complete.

use std::io::Write;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::rig::client::{Client, End};
use crate::rig::frames::{DATA, Fate, Frames, POST};
use crate::rig::proxy::Proxy;
use crate::rig::strict;
use crate::rig::upstream::Upstream;
use crate::rig::{eventually, pause};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const EARLY: &str = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nwho";

#[test]
fn an_upload_that_goes_on_after_its_answer_ends_as_a_request_and_the_connection_goes_on() {
    let upstream = Upstream::scripted(|connection| {
        if connection.number == 0 {
            connection.head();
            connection.send(EARLY);
            connection.bytes(10);
        }
        while connection.request().is_some() {
            connection.send(OK);
        }
    });
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send("POST /first HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhello");
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (401, "who"));
    assert!(!response.has_field("connection"), "{}", response.head);
    client.send("worldGET /next HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.response().text(), "ok");
    // It takes its own way, on another connection.
    eventually("the upload is complete", || upstream.received(0).contains("helloworld"));
    let received: String = (0..upstream.connections())
        .map(|number| upstream.received(number))
        .collect();
    let (requests, fault) = strict::requests(received.as_bytes());
    assert_eq!(fault, None, "{received}");
    assert_eq!(requests[0].body, b"helloworld");
}

#[test]
fn an_upload_that_never_ends_is_cut_some_time_after_its_answer() {
    let (told, heard) = channel();
    let upstream = Upstream::scripted(move |connection| {
        connection.head();
        connection.send(EARLY);
        connection.rest();
        told.send(()).unwrap();
    });
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.backends[0].timeouts.progress = Duration::from_millis(100);
    });
    let mut client = Client::of(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(client.response().status, 401);
    // A byte at a time, far more often than the timeout: only what they come to counts.
    let mut ended = false;
    eventually("the upload is cut", || {
        ended = ended || client.stream.write_all(b"1\r\nx\r\n").is_err();
        let _ = client.stream.flush();
        ended || heard.try_recv().is_ok()
    });
}

#[test]
fn a_backend_that_answers_and_closes_ends_the_upload_at_once() {
    let upstream = Upstream::scripted(|connection| {
        connection.head();
        connection.send("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig");
        // It neither reads nor closes.
        while connection.stream().peek(&mut [0; 1]).is_ok_and(|count| count > 0) {
            pause();
        }
    });
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\nsome");
    let response = client.response();
    assert!(
        response.status == 413 && response.has("connection: close"),
        "{}",
        response.head
    );
    assert_eq!(client.end(), (Vec::new(), End::Proper));
}

/// RFC 9113 section 8.1 allows for a reset without an error here; curl 7.88 takes it for a failure and shows no response.
#[test]
fn over_http_2_an_answered_request_is_not_reset_while_its_client_may_still_send() {
    let upstream = Upstream::scripted(|connection| {
        connection.head();
        connection.send(EARLY);
        connection.rest();
    });
    let proxy = Proxy::of(&upstream);
    let mut frames = Frames::of(&proxy);
    frames.open(1, &POST, false).send(DATA, 0, 1, b"hello");
    assert_eq!(frames.fate(1), Fate::Answered(401, None));
    // The connection serves on.
    frames.open(3, &POST, false).send(DATA, 0, 3, b"hello");
    assert_eq!(frames.fate(3), Fate::Answered(401, None));
}
