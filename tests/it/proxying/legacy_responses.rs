//! Responses that only browsers understand, and the options that make them pass.

use bytes::Bytes;
use fullchain::proxy::settings::{HttpVersion, Protocol};
use http::request::Builder;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Full};

use crate::rig::client::{Client, Fields, Response, fields, http2};
use crate::rig::hyper_upstream::{HyperUpstream, Speech, full};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::Upstream;

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// What an HTTP/1 client gets of `response`; an HTTP/2 client gets the same, but for the framing.
fn answer(response: &'static (impl AsRef<[u8]> + Sync + ?Sized), configure: impl Fn(&mut Protocol)) -> Response {
    let upstream = Upstream::scripted(move |connection| {
        connection.head();
        connection.send(response);
    });
    let proxy = Proxy::with(&[upstream.address], |settings| {
        configure(&mut settings.backends[0].protocol);
    });
    let answer = Client::of(&proxy).send(GET).response();
    let (status, fields, body) = over_http2(&proxy, Request::get("https://a.test/"));
    let shown = response.as_ref().escape_ascii();
    assert_eq!(status, answer.status, "{shown}");
    assert_eq!(contents(fields), contents(answer.fields.clone()), "{shown}");
    assert_eq!(body, answer.body, "{shown}");
    answer
}

/// The status, the fields and the body of the response to a request without a body over HTTP/2.
fn over_http2(proxy: &Proxy, request: Builder) -> (u16, Fields, Bytes) {
    let request = request.body(Full::<Bytes>::default()).unwrap();
    http2(proxy, async |mut sender| {
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let fields = head.headers.iter();
        let fields = fields.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
        let body = body.collect().await.unwrap().to_bytes();
        (head.status.as_u16(), fields.collect(), body)
    })
}

/// What does not depend on the version of HTTP, nor on the time, in the order of names.
fn contents(mut fields: Fields) -> Fields {
    fields.retain(|(name, _)| !["connection", "date", "transfer-encoding"].contains(&name.as_str()));
    fields.sort_by(|first, second| first.0.cmp(&second.0));
    fields
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

/// Latin-1, as applications wrote it before there was UTF-8: J\u{e4}ger.
const HUNTER: &[u8] = b"J\xe4ger";

#[test]
fn values_that_are_no_utf_8_come_back_byte_by_byte() {
    const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nX-Name: J\xe4ger\r\nX-Bytes: \x80\xff\t\xc3\x28\r\n\
        Content-Disposition: attachment; filename=\"J\xe4ger.txt\"\r\nContent-Length: 2\r\n\r\nok";
    for configure in [(|_: &mut Protocol| ()) as fn(&mut Protocol), legacy_parser] {
        let answer = answer(RESPONSE, configure);
        assert_eq!(answer.status, 200);
        for (name, value) in [
            ("x-name", HUNTER),
            ("x-bytes", b"\x80\xff\t\xc3\x28"),
            ("content-disposition", b"attachment; filename=\"J\xe4ger.txt\""),
        ] {
            assert!(answer.fields.contains(&(name.to_owned(), value.to_vec())), "{answer:?}");
        }
    }
}

#[test]
fn values_that_are_no_utf_8_reach_the_backend_byte_by_byte() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    // A connection each.
    let proxies = [(); 2].map(|()| Proxy::of(&upstream));
    let request = [
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX-Name: ",
        HUNTER,
        b"\r\nCookie: name=",
        HUNTER,
    ];
    let request = [&request.concat()[..], b"\r\n\r\n"].concat();
    assert_eq!(Client::of(&proxies[0]).send(request).response().status, 200);
    let cookie = HeaderValue::from_bytes(&[b"name=", HUNTER].concat()).unwrap();
    let request = Request::get("https://a.test/")
        .header("x-name", HUNTER)
        .header("cookie", &cookie);
    assert_eq!(over_http2(&proxies[1], request).0, 200);
    for connection in [0, 1] {
        let fields = fields(&upstream.bytes(connection));
        for (name, value) in [("x-name", HUNTER), ("cookie", cookie.as_bytes())] {
            assert!(fields.contains(&(name.to_owned(), value.to_vec())), "{fields:?}");
        }
    }
}

#[test]
fn values_that_are_no_utf_8_pass_a_backend_of_http_2_both_ways() {
    let upstream = HyperUpstream::start(Speech::h2c(), |seen| async move {
        let mut response = http::Response::new(full("ok"));
        response.headers_mut().insert("x-name", seen.headers["x-name"].clone());
        response
    });
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.backends[0].protocol.http = HttpVersion::Http2;
    });
    let expected = ("x-name".to_owned(), HUNTER.to_vec());
    let request = [b"GET / HTTP/1.1\r\nHost: a.test\r\nX-Name: ", HUNTER, b"\r\n\r\n"].concat();
    let response = Client::of(&proxy).send(request).response();
    assert!(response.fields.contains(&expected), "{response:?}");
    let (status, fields, _) = over_http2(&proxy, Request::get("https://a.test/").header("x-name", HUNTER));
    assert!(status == 200 && fields.contains(&expected), "{fields:?}");
}
