//! How field names are written to servers.

use bytes::Bytes;
use fullchain::proxy::settings::{HeaderCase, Protocol, UpstreamHost};
use http::Request;
use http_body_util::Full;

use crate::rig::client::{Client, http2};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::Upstream;

const OK: &str = "HTTP/1.1 200 OK\r\nCONTENT-length: 2\r\nX-mY-Answer: 1\r\n\r\nok";
const REQUEST: &str = "POST / HTTP/1.1\r\nhost: a.test\r\nX-mY-App: 1\r\nsoapaction: \"x\"\r\n\
                       X-Twice: 1\r\nx-tWICE: 2\r\ncontent-LENGTH: 1\r\n\r\nx";

/// The names as the backend got them from an HTTP/1 and an HTTP/2 client, and the whole response to the former.
fn names(configure: impl Fn(&mut Protocol)) -> ([Vec<String>; 2], String) {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::with(&[upstream.address], |settings| {
        configure(&mut settings.backends[0].protocol);
    });
    let response = Client::of(&proxy).send(REQUEST).response();
    let names = |number| -> Vec<String> {
        let received = upstream.received(number);
        let lines = received.split("\r\n").skip(1).take_while(|line| !line.is_empty());
        lines.map(|line| line.split(':').next().unwrap().to_owned()).collect()
    };
    let of_http1 = names(0);
    let other = Upstream::answering(OK);
    let proxy = Proxy::with(&[other.address], |settings| {
        configure(&mut settings.backends[0].protocol);
    });
    http2(&proxy, async |mut sender| {
        let request = Request::post("https://a.test/")
            .header("x-my-app", "1")
            .header("soapaction", "\"x\"")
            .header("x-twice", "1")
            .header("x-twice", "2")
            .body(Full::<Bytes>::from("x"))
            .unwrap();
        sender.send_request(request).await.unwrap();
    });
    let received = other.received(0);
    let lines = received.split("\r\n").skip(1).take_while(|line| !line.is_empty());
    let of_http2 = lines.map(|line| line.split(':').next().unwrap().to_owned()).collect();
    ([of_http1, of_http2], response.head)
}

#[track_caller]
fn assert_all(names: &[String], expected: &[&str]) {
    for name in expected {
        assert!(names.iter().any(|found| found == name), "{name} in {names:?}");
    }
}

#[test]
fn names_are_in_title_case_unless_told_otherwise() {
    let (sets, _) = names(|_| ());
    for names in sets {
        assert_all(
            &names,
            &["Host", "X-My-App", "Soapaction", "Content-Length", "X-Forwarded-For"],
        );
        assert_eq!(names.iter().filter(|name| *name == "X-Twice").count(), 2, "{names:?}");
    }
}

#[test]
fn names_may_be_in_lower_case() {
    let (sets, _) = names(|protocol| protocol.header_case = HeaderCase::Lower);
    for names in sets {
        assert!(names.iter().all(|name| *name == name.to_ascii_lowercase()), "{names:?}");
        assert_all(&names, &["host", "x-my-app"]);
    }
}

#[test]
fn names_may_stay_as_the_client_and_the_server_wrote_them() {
    let ([of_http1, of_http2], answer) = names(|protocol| protocol.header_case = HeaderCase::Preserve);
    assert_all(
        &of_http1,
        &[
            "host",
            "X-mY-App",
            "soapaction",
            "X-Twice",
            "x-tWICE",
            "X-Forwarded-For",
        ],
    );
    // HTTP/2 has none but lower case.
    assert_all(&of_http2, &["X-My-App", "Soapaction", "X-Forwarded-For"]);
    assert!(answer.contains("\r\nX-mY-Answer: 1\r\n"), "{answer}");
}

#[test]
fn what_one_backend_preserves_does_not_show_at_another() {
    let upstreams = [Upstream::answering(OK), Upstream::answering(OK)];
    let proxy = Proxy::with(&[upstreams[0].address], |settings| {
        let mut other = crate::rig::proxy::backend("other", &[upstreams[1].address]);
        other.protocol.header_case = HeaderCase::Preserve;
        settings.backends.push(other);
    });
    assert_eq!(Client::of(&proxy).send(REQUEST).response().status, 200);
    let received = upstreams[0].received(0);
    assert!(received.contains("\r\nX-My-App: 1\r\n"), "{received}");
}

#[test]
fn single_names_have_a_spelling_of_their_own_however_often_they_stand_there() {
    for header_case in [HeaderCase::Title, HeaderCase::Lower] {
        let (sets, _) = names(|protocol| {
            protocol.header_case = header_case;
            protocol.header_spelling = ["SOAPAction", "x-TWICE", "Content-length", "X-FORWARDED-For"]
                .map(|name| name.parse().unwrap())
                .to_vec();
        });
        let app = match header_case {
            HeaderCase::Lower => "x-my-app",
            _ => "X-My-App",
        };
        for names in sets {
            assert_all(&names, &["SOAPAction", "Content-length", "X-FORWARDED-For", app]);
            assert_eq!(names.iter().filter(|name| *name == "x-TWICE").count(), 2, "{names:?}");
        }
    }
}

#[test]
fn a_spelling_of_the_transfer_coding_changes_nothing_about_the_body() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::with(&[upstream.address], |settings| {
        let names = ["TRANSFER-encoding", "Content-length"].map(|name| name.parse().unwrap());
        settings.backends[0].protocol.header_spelling = names.to_vec();
    });
    let mut client = Client::of(&proxy);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let received = upstream.received(0);
    assert!(received.contains("\r\nTRANSFER-encoding: chunked\r\n"), "{received}");
    assert!(received.ends_with("\r\n\r\n2\r\nab\r\n0\r\n\r\n"), "{received}");
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nab");
    assert_eq!(client.response().status, 200);
    let received = upstream.received(0);
    assert!(received.contains("\r\nContent-length: 2\r\n"), "{received}");
}

#[test]
fn a_spelling_holds_for_requests_that_name_their_server_too() {
    for header_case in [HeaderCase::Title, HeaderCase::Preserve] {
        let upstream = Upstream::answering(OK);
        let proxy = Proxy::with(&[upstream.address], |settings| {
            settings.routes[0].headers.upstream_host = UpstreamHost::Upstream;
            settings.backends[0].protocol.header_case = header_case;
            settings.backends[0].protocol.header_spelling = vec!["SOAPAction".parse().unwrap()];
        });
        http2(&proxy, async |mut sender| {
            let request = Request::get("https://a.test/").header("soapaction", "x");
            let request = request.body(Full::<Bytes>::default()).unwrap();
            sender.send_request(request).await.unwrap();
        });
        let received = upstream.received(0);
        assert!(received.contains("\r\nSOAPAction: x\r\n"), "{received}");
        assert!(
            received.contains(&format!("\r\nHost: {}\r\n", upstream.address)),
            "{received}"
        );
    }
}
