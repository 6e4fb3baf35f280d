//! Fields after a body.

use bytes::Bytes;
use fullchain::proxy::settings::HttpVersion;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};

use crate::rig::client::{Client, http2};
use crate::rig::frames::{DATA, END_STREAM, Fate, Frames, HEADERS, POST};
use crate::rig::hyper_upstream::{HyperUpstream, Speech, full};
use crate::rig::proxy::Proxy;
use crate::rig::strict;
use crate::rig::upstream::Upstream;

const ANSWER: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/grpc\r\n\
                      Trailer: Grpc-Status, Grpc-Message\r\n\r\n\
                      7\r\n\0\0\0\0\x02ok\r\n0\r\nGrpc-Status: 0\r\nGrpc-Message: fine\r\nX-Hop: 1\r\n\
                      Connection: x-hop\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn trailers_of_a_response_reach_an_http_1_1_client_that_takes_them() {
    let upstream = Upstream::answering(ANSWER);
    let proxy = Proxy::of(&upstream);
    for (te, takes) in [("TE: trailers\r\n", true), ("", false)] {
        let mut client = Client::of(&proxy);
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: a.test\r\n{te}Connection: te, close\r\n\r\n"
        ));
        assert_eq!(client.head().status, 200);
        let (rest, _) = client.end();
        let rest = String::from_utf8(rest).unwrap().to_ascii_lowercase();
        assert_eq!(rest.contains("\r\n0\r\ngrpc-status: 0\r\n"), takes, "{rest}");
        assert!(rest.starts_with("7\r\n") && rest.ends_with("\r\n\r\n"), "{rest}");
        assert!(!rest.contains("x-hop") && !rest.contains("content-length"), "{rest}");
    }
}

#[test]
fn trailers_of_a_response_reach_an_http_2_client_without_those_of_the_connection() {
    let upstream = Upstream::answering(ANSWER);
    let proxy = Proxy::of(&upstream);
    let trailers = http2(&proxy, async |mut sender| {
        let request = Request::post("https://a.test/service/method")
            .header("te", "trailers")
            .header("grpc-timeout", "1500m")
            .header("content-type", "application/grpc")
            .body(Full::<Bytes>::from("\0\0\0\0\x02hi"))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        let body = response.into_body().collect().await.unwrap();
        body.trailers().cloned().unwrap()
    });
    let fields: Vec<_> = trailers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    assert_eq!(fields, [("grpc-status", &b"0"[..]), ("grpc-message", b"fine")]);
    let (requests, fault) = strict::requests(upstream.received(0).as_bytes());
    assert_eq!((requests.len(), fault), (1, None));
    assert_eq!(
        (requests[0].field("te"), requests[0].field("grpc-timeout")),
        (Some("trailers"), Some("1500m"))
    );
}

#[test]
fn a_response_that_is_trailers_alone_reaches_a_client_as_such() {
    let upstream = HyperUpstream::start(Speech::h2c(), |_| async {
        Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", "12")
            .body(full(""))
            .unwrap()
    });
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.backends[0].protocol.http = HttpVersion::Http2;
    });
    let mut frames = Frames::of(&proxy);
    frames
        .open(
            1,
            &[&POST[..], &[(b"te", b"trailers"), (b"grpc-timeout", b"1500m")]].concat(),
            false,
        )
        .send(DATA, END_STREAM, 1, b"\0\0\0\0\x02hi");
    let answer = frames.next().unwrap();
    assert_eq!((answer.kind, answer.flags & END_STREAM), (HEADERS, END_STREAM));
    let seen = &upstream.requests()[0];
    assert_eq!(
        (&seen.headers["te"], &seen.headers["grpc-timeout"]),
        (&"trailers".parse().unwrap(), &"1500m".parse().unwrap())
    );
}

#[test]
fn messages_pass_both_ways_while_neither_side_has_ended() {
    let upstream = Upstream::scripted(|connection| {
        connection.head();
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..3 {
            let message = connection.bytes("4\r\nping\r\n".len()).unwrap();
            assert_eq!(message, b"4\r\nping\r\n");
            connection.send("4\r\npong\r\n");
        }
        connection.bytes("0\r\n\r\n".len());
        connection.send("0\r\nGrpc-Status: 0\r\n\r\n");
    });
    let proxy = Proxy::of(&upstream);
    let mut frames = Frames::of(&proxy);
    frames.open(1, &POST, false);
    let head = frames.next().unwrap();
    assert_eq!((head.kind, head.flags & END_STREAM), (HEADERS, 0));
    for _ in 0..3 {
        let message = frames.send(DATA, 0, 1, b"ping").next().unwrap();
        assert_eq!((message.kind, message.payload.as_slice()), (DATA, &b"pong"[..]));
    }
    let end = frames.send(DATA, END_STREAM, 1, b"").next().unwrap();
    assert_eq!((end.kind, end.flags & END_STREAM), (HEADERS, END_STREAM));
}

#[test]
fn trailers_of_a_request_do_not_reach_an_http_1_1_backend() {
    // RFC 9110 section 6.5.1 leaves it to us; backends that merge them into the head would take them for ours.
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send(
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-Real-IP\r\n\r\n\
         5\r\nhello\r\n0\r\nX-Real-IP: 6.6.6.6\r\n\r\n",
    );
    assert_eq!(client.response().status, 200);
    let mut frames = Frames::of(&proxy);
    frames
        .open(1, &POST, false)
        .send(DATA, 0, 1, b"hello")
        .open(1, &[(b"x-real-ip", b"6.6.6.6")], true);
    assert_eq!(frames.fate(1), Fate::Answered(200, None));
    let received: String = (0..upstream.connections())
        .map(|number| upstream.received(number))
        .collect();
    let (requests, fault) = strict::requests(received.as_bytes());
    assert_eq!((requests.len(), fault), (2, None), "{received}");
    assert!(
        !received.contains("6.6.6.6") && !received.contains("Trailer"),
        "{received}"
    );
}
