//! Heads and bodies of well-behaved clients and upstreams.

use bytes::Bytes;
use fullchain::proxy::settings::{Redirect, Service};
use http::Request;
use http_body_util::{BodyExt, Full};

use crate::rig::client::{Client, End, http2};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::Upstream;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn a_request_reaches_the_upstream_with_its_host_and_what_is_known_of_the_client() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send("GET /a%2Fb?c=d&e HTTP/1.1\r\nHost: a.test:8443\r\nX-Custom: 1\r\n\r\n");
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (200, "ok"));
    assert_eq!(
        upstream.first_head(),
        [
            "GET /a%2Fb?c=d&e HTTP/1.1",
            "Host: a.test:8443",
            "X-Custom: 1",
            "X-Forwarded-For: 127.0.0.1",
            "X-Forwarded-Host: a.test:8443",
            "X-Forwarded-Port: 8443",
            "X-Forwarded-Proto: https",
            "X-Real-Ip: 127.0.0.1",
        ]
    );
}

#[test]
fn hop_by_hop_fields_and_claims_of_the_client_end_here() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    Client::of(&proxy)
        .send(
            "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, X-Hop, X-Forwarded-For\r\nX-Hop: 1\r\n\
             Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: trailers, gzip\r\n\
             Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\
             X_Forwarded_For: 6.6.6.6\r\nX-Forwarded-Proto: http\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n\r\n",
        )
        .response();
    assert_eq!(
        upstream.first_head(),
        [
            "GET / HTTP/1.1",
            "Connection: te",
            "Host: a.test",
            "Te: trailers",
            "X-Forwarded-For: 127.0.0.1",
            "X-Forwarded-Host: a.test",
            "X-Forwarded-Port: 443",
            "X-Forwarded-Proto: https",
            "X-Real-Ip: 127.0.0.1",
        ]
    );
}

#[test]
fn hop_by_hop_fields_of_the_upstream_end_here() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 Fine\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2,h2c\r\n\
         Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok",
    );
    let response = Client::of(&Proxy::of(&upstream)).send(get("/")).response();
    for gone in ["connection", "x-hop", "keep-alive", "upgrade"] {
        assert!(!response.has_field(gone), "{gone}: {}", response.head);
    }
    assert!(response.head.starts_with("HTTP/1.1 200 Fine\r\n"));
    assert!(response.has("set-cookie: a=1") && response.has("set-cookie: b=2"));
}

#[test]
fn bodies_arrive_whole_whatever_their_framing() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client
        .send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello")
        .response();
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nX-Trailer: 1\r\n\r\n");
    assert_eq!(client.response().status, 200);
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n");
    assert_eq!(client.response().status, 200);
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let received = upstream.received(0);
    let bodies: Vec<&str> = received.split("\r\n\r\n").collect();
    assert!(
        bodies[0].contains("\r\nContent-Length: 5") && bodies[1].starts_with("helloPOST "),
        "{received}"
    );
    assert!(bodies[1].contains("\r\nTransfer-Encoding: chunked"), "{received}");
    assert!(!received.contains("Trailer") && !received.contains("x=y"), "{received}");
    assert!(received.contains("\r\n\r\n1\r\nx\r\n0\r\n\r\n"), "{received}");
    assert!(
        bodies.iter().any(|head| head.contains("\r\nContent-Length: 0")),
        "{received}"
    );
}

#[test]
fn connections_to_the_upstream_are_used_again() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    for _ in 0..3 {
        let mut client = Client::of(&proxy);
        assert_eq!(client.send(get("/")).response().status, 200);
        assert_eq!(client.send(get("/")).response().status, 200);
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn an_http_1_0_upstream_that_ends_its_body_by_closing_is_framed_anew() {
    let upstream = Upstream::scripted(|connection| {
        connection.head();
        connection.send("HTTP/1.0 200 OK\r\ncontent-TYPE: text/plain\r\n\r\nuntil the end");
    });
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    for _ in 0..2 {
        let response = client.send(get("/")).response();
        assert!(response.head.starts_with("HTTP/1.1 200 OK\r\n") && response.has("transfer-encoding: chunked"));
        assert_eq!((response.text().as_str(), response.complete), ("until the end", true));
    }
}

#[test]
fn an_http_1_0_client_gets_a_response_it_can_read() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    let proxy = Proxy::of(&upstream);
    let response = Client::of(&proxy).send("GET / HTTP/1.0\r\n\r\n").response();
    assert!(response.head.starts_with("HTTP/1.0 200") && !response.has_field("transfer-encoding"));
    assert_eq!((response.text().as_str(), response.complete), ("ok", true));
    assert!(upstream.first_head().contains(&"Host: a.test".to_owned()));
}

#[test]
fn responses_without_a_body_stay_without() {
    for (method, response, length) in [
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n",
            Some("content-length: 1234"),
        ),
        ("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", None),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n\r\n",
            None,
        ),
    ] {
        let proxy = Proxy::of(&Upstream::answering(response));
        let mut client = Client::of(&proxy);
        let ask = |fields| format!("{method} / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n");
        for fields in ["", "", "Connection: close\r\n"] {
            let response = client.send(ask(fields)).head();
            assert_eq!(
                response.has_field("content-length"),
                length.is_some(),
                "{}",
                response.head
            );
            assert!(length.is_none_or(|length| response.has(length)));
        }
        assert_eq!(client.end(), (Vec::new(), End::Proper));
    }
}

#[test]
fn informational_responses_are_left_out() {
    let upstream = Upstream::answering(format!(
        "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n{OK}"
    ));
    let response = Client::of(&Proxy::of(&upstream)).send(get("/")).response();
    assert_eq!((response.status, response.text().as_str()), (200, "ok"));
    assert!(!response.has_field("link"));
}

#[test]
fn an_expectation_is_met_here_and_not_passed_on() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.head().status, 100);
    assert_eq!(client.send("hi").response().status, 200);
    assert!(!upstream.received(0).to_ascii_lowercase().contains("expect"));
}

#[test]
fn the_server_as_a_whole_answers_for_itself() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let response = Client::of(&proxy)
        .send("OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .response();
    assert!(response.status == 204 && response.has_field("allow"));
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::scripted(|connection| {
        while let Some((head, _)) = connection.request() {
            let path = head.split(' ').nth(1).unwrap();
            connection.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}",
                path.len()
            ));
        }
    });
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send([get("/1"), get("/2"), get("/3")].concat());
    let paths: Vec<String> = (0..3).map(|_| client.response().text()).collect();
    assert_eq!(paths, ["/1", "/2", "/3"]);
}

#[test]
fn http2_requests_become_http_1_1_and_back() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    http2(&proxy, async |mut sender| {
        let request = Request::post("https://a.test/path?query")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("te", "trailers")
            .body(Full::from("hello"))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-length"]),
            (200, &"2".parse().unwrap())
        );
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
    });
    let head = upstream.first_head();
    assert_eq!(head[0], "POST /path?query HTTP/1.1");
    for line in [
        "Host: a.test",
        "Cookie: a=1; b=2",
        "Content-Length: 5",
        "X-Forwarded-Proto: https",
    ] {
        assert!(head.iter().any(|have| have == line), "{line}: {head:?}");
    }
    assert!(upstream.received(0).ends_with("\r\n\r\nhello"));
}

#[test]
fn http2_streams_do_not_wait_for_each_other() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    http2(&proxy, async |sender| {
        let tasks: Vec<_> = (0..50)
            .map(|number| {
                let mut sender = sender.clone();
                tokio::spawn(async move {
                    let request = Request::get(format!("https://a.test/{number}"))
                        .body(Full::<Bytes>::default())
                        .unwrap();
                    let response = sender.send_request(request).await.unwrap();
                    response.into_body().collect().await.unwrap().to_bytes()
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), "ok");
        }
    });
}

#[test]
fn plain_http_is_redirected() {
    use std::io::{Read, Write};

    let upstream = Upstream::answering(OK);
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.listeners[1].service = Service::Redirect(Redirect {
            port: 4443,
            ..Redirect::default()
        });
    });
    for (request, status, location) in [
        (
            "GET /x?y HTTP/1.1\r\nHost: a.test:80\r\nConnection: close\r\n\r\n",
            "308",
            Some("/x?y"),
        ),
        ("GET / HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n", "400", None),
        ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "400", None),
    ] {
        let mut socket = std::net::TcpStream::connect(proxy.redirect).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        if let Some(path) = location {
            assert!(
                answer.contains(&format!("\r\nlocation: https://a.test:4443{path}\r\n")),
                "{answer}"
            );
        }
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n")
}
