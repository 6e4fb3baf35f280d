//! Chunked bodies over HTTP/1.1 that two readers could end at two places.

use super::http1::{HIDDEN, OK, at_once, byte_by_byte};
use crate::rig::client::{Client, End};
use crate::rig::proxy::Proxy;
use crate::rig::strict::{self, Fault};
use crate::rig::upstream::Upstream;

/// Kestrel took LF for the end of a chunk extension (CVE-2025-55315), Go read extensions without end (CVE-2023-39326).
#[test]
fn malformed_chunks_are_answered_with_400_and_the_backend_never_has_a_whole_request() {
    let long = "x".repeat(17 * 1024);
    for chunks in [
        // Sizes
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5x\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\t\r\nhello\r\n0\r\n\r\n",
        "5_0\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        ";a\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffe\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "100000000000000000000000000000005\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0x0\r\n\r\n",
        // Extensions
        "5;\r\nhello\r\n0\r\n\r\n",
        "5;a=\r\nhello\r\n0\r\n\r\n",
        "5;a=\"\r\nhello\r\n0\r\n\r\n",
        "5;a=\"b\"c\r\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5;a\nhello\r\n0\r\n\r\n",
        "5;a\n\r\nhello\r\n0\r\n\r\n",
        "5;\0\r\nhello\r\n0\r\n\r\n",
        "5; a\r\nhello\r\n0\r\n\r\n",
        &format!("5;a={long}\r\nhello\r\n0\r\n\r\n"),
        // Ends of lines
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\r\n",
        "5\r\nhello\r\n0\r\n\n",
        // Trailers
        "5\r\nhello\r\n0\r\nX: y\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\r\n\n",
        "5\r\nhello\r\n0\r\nwithout a colon\r\n\r\n",
        "5\r\nhello\r\n0\r\n: y\r\n\r\n",
        "5\r\nhello\r\n0\r\nX : y\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: \0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\r\n folded\r\n\r\n",
        &format!("5\r\nhello\r\n0\r\nX: {long}\r\n\r\n"),
    ] {
        let upstream = Upstream::answering(OK);
        let proxy = Proxy::of(&upstream);
        let start: String = chunks.chars().take(60).collect();
        let input =
            format!("POST /chunked HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{HIDDEN}");
        for send in [at_once, byte_by_byte] {
            let mut client = Client::of(&proxy);
            send(&mut client, &input);
            let response = client.response();
            assert_eq!(response.status, 400, "{start:?}: {}", response.head);
            assert_eq!(client.end(), (Vec::new(), End::Proper), "{start:?}");
        }
        for number in 0..upstream.connections() {
            let received = upstream.received(number);
            let (requests, fault) = strict::requests(received.as_bytes());
            assert!(
                requests.is_empty() && !received.contains("hidden"),
                "{start:?}: {received}"
            );
            assert!(
                received.is_empty() || fault == Some(Fault::Unfinished),
                "{start:?}: {fault:?}"
            );
        }
    }
}

#[test]
fn chunks_that_are_well_formed_arrive_without_extensions_and_trailers() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    let long = "x".repeat(8 * 1024);
    for chunks in [
        "5\r\nhello\r\n0\r\n\r\n",
        "0005\r\nhello\r\n000\r\n\r\n",
        "5;a=b;c=\"d;e\\\"\";f\r\nhello\r\n0;g\r\n\r\n",
        "2\r\nhe\r\n3\r\nllo\r\n0\r\nX-Trailer: y\r\nContent-Length: 7\r\nHost: b.test\r\n\r\n",
        &format!("5;a={long}\r\nhello\r\n0\r\n\r\n"),
    ] {
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"
        ));
        assert_eq!(client.response().status, 200);
    }
    let (requests, fault) = strict::requests(upstream.received(0).as_bytes());
    assert_eq!((requests.len(), fault), (5, None));
    assert!(requests.iter().all(|request| request.body == b"hello"));
}
