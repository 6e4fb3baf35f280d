//! The ways in which backends misbehave, and what clients of either protocol get of it.
//!
//! Statuses are as measured against other proxies; where those differ, the strictest that clients can live with.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};

use super::causes::reset;
use crate::rig::client::{Client, End, http2};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::{Connection, Upstream};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// What a client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Got {
    /// A response that is whole.
    Whole(u16, Bytes),
    /// A response that is seen to be cut.
    Cut(u16),
}

impl Got {
    /// A response of ours.
    fn is_failure(&self, status: u16) -> bool {
        matches!(self, Self::Whole(got, _) if *got == status)
    }
}

/// Runs `script` on every connection, and asks once over HTTP/1.1 and once over HTTP/2; both get the same.
fn ask(script: impl Fn(&mut Connection) + Send + Sync + 'static) -> Got {
    ask_with(Duration::from_secs(60), script).0
}

/// [`ask`] with a limit for the first byte; the fields that an HTTP/2 client gets too.
fn ask_with(first_byte: Duration, script: impl Fn(&mut Connection) + Send + Sync + 'static) -> (Got, HeaderMap) {
    let upstream = Upstream::scripted(script);
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.backends[0].timeouts.first_byte = first_byte;
    });
    let mut client = Client::of(&proxy);
    let response = client.send(GET).response();
    let of_http1 = match response.complete {
        true => {
            // What is no part of a response stands before the next one, or before the end.
            let last = client.last("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
            assert_eq!((last.status, &last.body), (response.status, &response.body));
            Got::Whole(response.status, response.body.into())
        }
        false => {
            assert_eq!(client.end().1, End::Cut);
            Got::Cut(response.status)
        }
    };
    let (of_http2, headers) = http2(&proxy, async |mut sender| {
        let request = Request::get("https://a.test/").body(Full::<Bytes>::default()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        let (head, body) = response.into_parts();
        let got = match body.collect().await {
            Ok(body) => Got::Whole(head.status.as_u16(), body.to_bytes()),
            Err(error) => {
                assert!(is_reset_of_a_stream(&error) && !sender.is_closed(), "{error:?}");
                Got::Cut(head.status.as_u16())
            }
        };
        (got, head.headers)
    });
    assert_eq!(of_http1, of_http2);
    (of_http1, headers)
}

/// RST_STREAM, which leaves the connection's other streams alone.
fn is_reset_of_a_stream(error: &hyper::Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    source.is_some_and(|source| source.is_reset() && source.is_remote())
}

/// What comes of these bytes, after which the backend closes.
fn answer(bytes: impl Into<Vec<u8>>) -> Got {
    let bytes = bytes.into();
    ask(move |connection| {
        connection.head();
        connection.send(&bytes);
    })
}

fn whole(status: u16, body: &'static str) -> Got {
    Got::Whole(status, Bytes::from_static(body.as_bytes()))
}

#[test]
fn a_close_before_the_head() {
    assert!(ask(|connection| drop(connection.head())).is_failure(502));
}

#[test]
fn a_reset_before_the_head() {
    let got = ask(|connection| {
        connection.head();
        reset(connection);
    });
    assert!(got.is_failure(502));
}

#[test]
fn half_a_head() {
    assert!(answer("HTTP/1.1 200 OK\r\nContent-Len").is_failure(502));
}

#[test]
fn half_a_head_and_a_reset() {
    let got = ask(|connection| {
        connection.head();
        connection.send("HTTP/1.1 200 OK\r\nContent-Len");
        reset(connection);
    });
    assert!(got.is_failure(502));
}

#[test]
fn a_close_within_a_body_of_known_length() {
    assert_eq!(
        answer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
        Got::Cut(200)
    );
}

#[test]
fn a_reset_within_a_body_of_known_length() {
    let got = ask(|connection| {
        connection.head();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        connection.send([b'x'; 1000]);
        reset(connection);
    });
    assert_eq!(got, Got::Cut(200));
}

#[test]
fn a_close_within_a_chunk() {
    let response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nA\r\nhalf";
    assert_eq!(answer(response), Got::Cut(200));
}

#[test]
fn a_close_without_the_last_chunk() {
    let response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
    assert_eq!(answer(response), Got::Cut(200));
}

#[test]
fn a_chunk_size_that_is_none_before_anything_was_sent() {
    for chunk in [
        "zz\r\nhalf\r\n",
        "-4\r\nhalf\r\n",
        "\r\nhalf\r\n",
        "11111111111111111\r\n",
    ] {
        let response = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}");
        assert!(answer(response).is_failure(502), "{chunk:?}");
    }
}

#[test]
fn a_chunk_size_that_is_none_after_something_was_sent() {
    let response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n";
    assert_eq!(answer(response), Got::Cut(200));
}

#[test]
fn nobody_waits_for_a_first_chunk() {
    let upstream = Upstream::scripted(|connection| {
        connection.head();
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        connection.rest();
    });
    let proxy = Proxy::of(&upstream);
    assert_eq!(Client::of(&proxy).send(GET).head().status, 200);
}

#[test]
fn a_length_and_chunks() {
    for response in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
    ] {
        assert!(answer(response).is_failure(502), "{response}");
    }
}

#[test]
fn two_lengths() {
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx";
    assert!(answer(response).is_failure(502));
}

#[test]
fn the_same_length_twice() {
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok";
    assert_eq!(answer(response), whole(200, "ok"));
}

#[test]
fn a_length_below_zero() {
    assert!(answer("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n").is_failure(502));
}

#[test]
fn a_transfer_coding_that_nobody_knows() {
    let response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n";
    assert!(answer(response).is_failure(502));
}

#[test]
fn a_status_line_that_is_none() {
    for line in [
        "HTTP/1.1 abc OK",
        "HTTP/1.1 20 OK",
        "HTTP/9.9 200 OK",
        "ICY 200 OK",
        "\0\0\0",
    ] {
        assert!(
            answer(format!("{line}\r\nContent-Length: 0\r\n\r\n")).is_failure(502),
            "{line:?}"
        );
    }
}

#[test]
fn no_status_line_at_all() {
    assert!(answer("<html>HTTP/0.9</html>").is_failure(502));
}

#[test]
fn a_nul_in_a_field() {
    for field in ["X-Nul: a\0b", "X-\0Nul: a"] {
        let response = format!("HTTP/1.1 200 OK\r\n{field}\r\nContent-Length: 0\r\n\r\n");
        assert!(answer(response).is_failure(502), "{field:?}");
    }
}

#[test]
fn a_field_of_300_kilobytes() {
    let long = "x".repeat(300 * 1024);
    let response = format!("HTTP/1.1 200 OK\r\nX-Long: {long}\r\nContent-Length: 0\r\n\r\n");
    assert!(answer(response).is_failure(502));
}

#[test]
fn five_thousand_fields() {
    let many = "X-Field: 1\r\n".repeat(5000);
    let response = format!("HTTP/1.1 200 OK\r\n{many}Content-Length: 0\r\n\r\n");
    assert!(answer(response).is_failure(502));
}

#[test]
fn five_thousand_interim_responses() {
    let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(5000);
    assert_eq!(answer(format!("{interim}{OK}")), whole(200, "ok"));
}

#[test]
fn interim_responses_without_end() {
    let got = ask_with(Duration::from_millis(300), |connection| {
        connection.head();
        // Until nobody takes them any more.
        let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(100);
        while std::io::Write::write_all(connection.stream(), interim.as_bytes()).is_ok() {}
    });
    assert!(got.0.is_failure(504), "{got:?}");
}

#[test]
fn early_hints_are_no_response() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n";
    let (got, headers) = ask_with(Duration::from_secs(60), move |connection| {
        connection.head();
        connection.send(format!("{hints}{OK}"));
    });
    assert_eq!(got, whole(200, "ok"));
    assert!(!headers.contains_key("link"));
}

#[test]
fn a_continue_that_nobody_asked_for() {
    assert_eq!(answer(format!("HTTP/1.1 100 Continue\r\n\r\n{OK}")), whole(200, "ok"));
}

#[test]
fn a_switch_of_protocols_that_nobody_asked_for() {
    let response = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nbytes";
    assert!(answer(response).is_failure(502));
}

#[test]
fn a_204_with_a_length_or_a_body() {
    for rest in [
        "Content-Length: 4\r\n\r\nbody",
        "Content-Length: 4\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        "\r\nbody",
    ] {
        let (got, headers) = ask_with(Duration::from_secs(60), move |connection| {
            connection.head();
            connection.send(format!("HTTP/1.1 204 No Content\r\n{rest}"));
        });
        assert_eq!(got, whole(204, ""), "{rest:?}");
        assert!(!headers.contains_key("content-length"), "{rest:?}");
    }
}

#[test]
fn a_304_with_a_length_or_a_body() {
    for rest in ["Content-Length: 4\r\n\r\nbody", "Content-Length: 4\r\n\r\n", "\r\nbody"] {
        assert_eq!(
            answer(format!("HTTP/1.1 304 Not Modified\r\n{rest}")),
            whole(304, ""),
            "{rest:?}"
        );
    }
}

#[test]
fn a_body_without_any_framing_is_all_that_comes() {
    assert_eq!(answer("HTTP/1.1 200 OK\r\n\r\nto the end"), whole(200, "to the end"));
}

#[test]
fn no_answer_at_all() {
    let (got, _) = ask_with(Duration::from_millis(50), |connection| {
        connection.head();
        connection.rest();
    });
    assert!(got.is_failure(504));
}

#[test]
fn fields_of_the_backends_connection_end_with_it() {
    let (got, headers) = ask_with(Duration::from_secs(60), |connection| {
        connection.head();
        connection.send(
            "HTTP/1.1 200 OK\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
             Proxy-Connection: close\r\nUpgrade: h2c\r\nX-Stays: 1\r\nContent-Length: 2\r\n\r\nok",
        );
    });
    assert_eq!(got, whole(200, "ok"));
    for name in ["x-hop", "keep-alive", "proxy-connection", "upgrade", "connection"] {
        assert!(!headers.contains_key(name), "{name}");
    }
    assert!(headers.contains_key("x-stays"));
}

#[test]
fn a_response_byte_by_byte() {
    let got = ask(|connection| {
        connection.head();
        connection.stream().set_nodelay(true).unwrap();
        for byte in "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".bytes() {
            connection.send([byte]);
        }
    });
    assert_eq!(got, whole(200, "ok"));
}
