//! Responses that only browsers understand, and the options that make them pass.

use bytes::Bytes;
use fullchain::proxy::settings::Protocol;
use http::Request;
use http_body_util::{BodyExt, Full};

use crate::rig::client::{Client, Response, http2};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::Upstream;

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// What an HTTP/1 client gets of `response`; an HTTP/2 client gets the same status and body.
fn answer(response: &'static str, configure: impl Fn(&mut Protocol)) -> Response {
    let upstream = Upstream::scripted(move |connection| {
        connection.head();
        connection.send(response);
    });
    let proxy = Proxy::with(&[upstream.address], |settings| {
        configure(&mut settings.backends[0].protocol);
    });
    let answer = Client::of(&proxy).send(GET).response();
    let (status, body) = http2(&proxy, async |mut sender| {
        let request = Request::get("https://a.test/").body(Full::<Bytes>::default()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        let status = response.status().as_u16();
        (status, response.into_body().collect().await.unwrap().to_bytes())
    });
    assert_eq!(status, answer.status, "{response:?}");
    if status == 200 {
        assert_eq!(body, answer.body, "{response:?}");
    }
    answer
}

fn legacy_parser(protocol: &mut Protocol) {
    protocol.legacy_response_parser = true;
}

fn http09(protocol: &mut Protocol) {
    protocol.http09_responses = true;
}

#[test]
fn folded_lines_are_joined_where_the_parser_is_lenient() {
    let response = "HTTP/1.1 200 OK\r\nX-Folded: one\r\n\ttwo\r\n  three\r\nContent-Length: 2\r\n\r\nok";
    assert_eq!(answer(response, |_| ()).status, 502);
    assert_eq!(answer(response, http09).status, 502);
    let answer = answer(response, legacy_parser);
    assert!(answer.has("x-folded: one two three"), "{}", answer.head);
    assert_eq!(answer.text(), "ok");
}

#[test]
fn blanks_before_a_colon_are_taken_off_where_the_parser_is_lenient() {
    let response = "HTTP/1.1 200 OK\r\nX-Blank : 1\r\nContent-Length : 2\r\n\r\nok";
    assert_eq!(answer(response, |_| ()).status, 502);
    let answer = answer(response, legacy_parser);
    assert!(answer.has("x-blank: 1"), "{}", answer.head);
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
}

#[test]
fn lines_that_are_no_field_are_left_out_where_the_parser_is_lenient() {
    let response = "HTTP/1.1 200 OK\r\nX-Good: 1\r\njunk without a colon\r\nContent-Length: 2\r\n\r\nok";
    assert_eq!(answer(response, |_| ()).status, 502);
    let answer = answer(response, legacy_parser);
    assert!(
        answer.has("x-good: 1") && !answer.head.contains("junk"),
        "{}",
        answer.head
    );
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
}

#[test]
fn a_page_without_a_status_line_is_a_page_where_that_is_allowed() {
    let response = "<html>from the last century</html>\n";
    assert_eq!(answer(response, |_| ()).status, 502);
    assert_eq!(answer(response, legacy_parser).status, 502);
    let answer = answer(response, http09);
    assert_eq!((answer.status, answer.text().as_str()), (200, response));
}

#[test]
fn a_length_said_twice_is_folded_and_two_lengths_are_refused_whatever_is_allowed() {
    for configure in [(|_: &mut Protocol| ()) as fn(&mut Protocol), legacy_parser, http09] {
        for same in ["2\r\nContent-Length: 2", "2, 2"] {
            let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {same}\r\n\r\nok").leak();
            let answer = answer(response, configure);
            assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
            assert!(!answer.head.contains("2, 2"), "{}", answer.head);
        }
        for other in ["2\r\nContent-Length: 3", "2, 3", "-2", "+2", "2 2", "0x2"] {
            let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {other}\r\n\r\nok").leak();
            assert_eq!(answer(response, configure).status, 502, "{other}");
        }
    }
}

#[test]
fn lenience_lets_no_framing_pass_that_could_be_read_in_two_ways() {
    for response in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length : 2\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\n chunked\r\n\r\n0\r\n\r\n",
    ] {
        assert_eq!(answer(response, legacy_parser).status, 502, "{response}");
    }
}

#[test]
fn requests_are_never_read_leniently() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let proxy = Proxy::with(&[upstream.address], |settings| {
        legacy_parser(&mut settings.backends[0].protocol);
        http09(&mut settings.backends[0].protocol);
    });
    for request in [
        "GET / HTTP/1.1\r\nHost: a.test\r\nX-Folded: 1\r\n 2\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a.test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\njunk\r\n\r\n",
    ] {
        assert_eq!(Client::of(&proxy).send(request).response().status, 400, "{request:?}");
    }
    assert_eq!(upstream.connections(), 0);
}
