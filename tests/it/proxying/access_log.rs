//! One line for each request, whatever the request.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::channel;

use bytes::Bytes;
use fullchain::proxy::{AccessFormat, AccessLog, Redaction};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use crate::rig::access::{AccessFile, documented};
use crate::rig::client::{self, Client};
use crate::rig::family::Family;
use crate::rig::frames::{Fate, Frames};
use crate::rig::house::House;
use crate::rig::proxy::Proxy;
use crate::rig::upstream::Upstream;
use crate::rig::{PATIENCE, eventually};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A proxy in front of `upstream` that logs to `file`.
fn logging(upstream: &Upstream, file: &AccessFile, format: AccessFormat) -> Proxy {
    Proxy::with(&[upstream.address], |settings| {
        settings.access_log = file.settings(format);
    })
}

/// The same, where the tests' client is a trusted proxy.
fn behind_a_proxy(upstream: &Upstream, file: &AccessFile, format: AccessFormat) -> Proxy {
    Proxy::with(&[upstream.address], |settings| {
        settings.access_log = file.settings(format);
        settings.trusted_proxies = vec!["127.0.0.1".parse().unwrap()].into();
    })
}

#[test]
fn a_request_over_http_1_1_is_told_with_both_sides_and_both_directions() {
    let (upstream, file) = (Upstream::answering(OK), AccessFile::new());
    let proxy = logging(&upstream, &file, AccessFormat::Json);
    let request = "POST /form?x=1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nX-Request-Id: 0a1b\r\n\
                   Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\nReferer: https://b.test/\r\n\r\nabcde";
    assert_eq!(Client::of(&proxy).send(request).response().status, 200);
    let line = file.object();
    for (name, value) in [
        ("method", json!("POST")),
        ("host", json!("a.test")),
        ("path", json!("/form?x=1")),
        ("protocol", json!("HTTP/1.1")),
        ("scheme", json!("https")),
        ("status", json!(200)),
        ("bytes", json!(2)),
        ("bytes_in", json!(5)),
        ("end", json!("complete")),
        ("server", json!(upstream.address.to_string())),
        ("tls", json!("TLSv1.3")),
        ("resumed", json!(false)),
        ("server_name", json!("a.test")),
        ("user", json!("Aladdin")),
        ("request_id", json!("0a1b")),
        ("referer", json!("https://b.test/")),
        ("cause", Value::Null),
        ("user_agent", Value::Null),
    ] {
        assert_eq!(line[name], value, "{name}: {line}");
    }
    assert!(line["server_ms"].as_u64().unwrap() <= line["duration_ms"].as_u64().unwrap());
}

#[test]
fn every_field_of_a_line_is_documented() {
    let (upstream, file) = (Upstream::answering(OK), AccessFile::new());
    let proxy = behind_a_proxy(&upstream, &file, AccessFormat::Json);
    let fields = "Authorization: Basic YTpi\r\nReferer: https://b.test/\r\nUser-Agent: x\r\nX-Request-Id: 1\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n";
    for request in [
        "GET / HTTP/1.1\r\nHost: a.test\r\n",
        "TRACE / HTTP/1.1\r\nHost: a.test\r\n",
    ] {
        Client::of(&proxy).send([request, fields].concat()).response();
    }
    let mut known: Vec<String> = documented("Requests");
    let mut found = Vec::new();
    for line in file.wait_for(2) {
        let Value::Object(line) = serde_json::from_str(&line).unwrap() else {
            panic!("{line}")
        };
        found.extend(line.into_iter().map(|(name, _)| name));
    }
    found.sort_unstable();
    found.dedup();
    known.sort_unstable();
    assert_eq!(found, known);
}

#[test]
fn the_client_of_a_trusted_proxy_is_the_client_in_every_format() {
    for format in [AccessFormat::Json, AccessFormat::Combined, AccessFormat::W3c] {
        let (upstream, file) = (Upstream::answering(OK), AccessFile::new());
        let proxy = behind_a_proxy(&upstream, &file, format);
        let request = "GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 6.6.6.6, 192.0.2.7\r\n\r\n";
        Client::of(&proxy).send(request).response();
        let line = &file.wait_for(1)[0];
        assert!(line.contains("192.0.2.7") && !line.contains("6.6.6.6"), "{line}");
    }
}

#[test]
fn a_request_over_http_2_is_told_the_same_way() {
    let (upstream, file) = (Upstream::answering(OK), AccessFile::new());
    let proxy = logging(&upstream, &file, AccessFormat::Json);
    client::http2(&proxy, async |mut sender| {
        let request = http::Request::post("https://a.test/form?x=1");
        let response = sender.send_request(request.body(Full::new(Bytes::from_static(b"abcde"))).unwrap());
        let body = response.await.unwrap().into_body().collect().await.unwrap();
        assert_eq!(body.to_bytes(), "ok");
    });
    let line = file.object();
    for (name, value) in [
        ("host", json!("a.test")),
        ("path", json!("/form?x=1")),
        ("protocol", json!("HTTP/2.0")),
        ("bytes", json!(2)),
        ("bytes_in", json!(5)),
        ("end", json!("complete")),
    ] {
        assert_eq!(line[name], value, "{name}: {line}");
    }
}

#[test]
fn a_redirect_is_told_as_plain_http() {
    let (upstream, file) = (Upstream::answering(OK), AccessFile::new());
    let proxy = logging(&upstream, &file, AccessFormat::Json);
    let mut stream = TcpStream::connect(proxy.redirect).unwrap();
    std::io::Write::write_all(&mut stream, b"GET /a?token=abc HTTP/1.1\r\nHost: a.test\r\n\r\n").unwrap();
    let line = file.object();
    assert_eq!((&line["scheme"], &line["status"]), (&json!("http"), &json!(308)));
    assert_eq!(
        (&line["tls"], &line["path"]),
        (&Value::Null, &json!("/a?token=REDACTED"))
    );
}

#[test]
fn a_client_that_leaves_before_the_answer_is_a_499() {
    let (arrived, has_arrived) = channel();
    let upstream = Upstream::scripted(move |connection| {
        connection.head();
        arrived.send(()).unwrap();
        connection.rest();
    });
    let file = AccessFile::new();
    let proxy = logging(&upstream, &file, AccessFormat::Json);
    let mut client = Client::of(&proxy);
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    has_arrived.recv_timeout(PATIENCE).unwrap();
    drop(client);
    let line = file.object();
    assert_eq!((&line["status"], &line["end"]), (&json!(499), &json!("abandoned")));
}

#[test]
fn a_tunnel_is_told_when_it_has_ended_with_what_passed_through() {
    let upstream = Upstream::scripted(|connection| {
        connection.head();
        connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nhello");
        assert_eq!(connection.bytes(4).unwrap(), b"ping");
        connection.send("pong");
        connection.rest();
    });
    let file = AccessFile::new();
    let proxy = logging(&upstream, &file, AccessFormat::Json);
    let mut client = Client::of(&proxy);
    client.send("GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(client.response().status, 101);
    client.send("pi").send("ng");
    assert_eq!(client.bytes(9), b"hellopong");
    assert_eq!(file.lines(), [""; 0]);
    client.stream.conn.send_close_notify();
    client.send("");
    client.end();
    let line = file.object();
    for (name, value) in [
        ("status", json!(101)),
        ("bytes", json!(9)),
        ("bytes_in", json!(4)),
        ("end", json!("complete")),
    ] {
        assert_eq!(line[name], value, "{name}: {line}");
    }
}

#[test]
fn a_tunnel_whose_upstream_breaks_is_cut() {
    let upstream = Upstream::scripted(|connection| {
        connection.head();
        connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nhello");
        connection.bytes(4).unwrap();
        super::causes::reset(connection);
    });
    let file = AccessFile::new();
    let proxy = logging(&upstream, &file, AccessFormat::Json);
    let mut client = Client::of(&proxy);
    client.send("GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(client.response().status, 101);
    client.send("ping");
    let line = file.object();
    assert_eq!(
        (&line["end"], &line["cause"]),
        (&json!("cut"), &json!("reset")),
        "{line}"
    );
    assert_eq!((&line["bytes"], &line["bytes_in"]), (&json!(5), &json!(4)), "{line}");
}

/// `mallory" 200`, CR, LF, ESC, `:x`
const MALLORY: &str = "Basic bWFsbG9yeSIgMjAwDQobOng=";

/// Requests that try to write lines, fields and terminals of their own, as far as HTTP lets them.
fn hostile() -> Vec<Vec<u8>> {
    [
        &b"GET /%0d%0aforged?a=%00 HTTP/1.1\r\nHost: a.test\r\nUser-Agent: x\" \"y\\\xff\x85\tz\r\n"[..],
        b"GET /\"x\"?q='+1 HTTP/1.1\r\nHost: a.test\r\nReferer: https://b.test/?a=\"b\xe2\x80\xae\r\n",
        b"GET /plain HTTP/1.1\r\nHost: a.test\r\nReferer:\r\nUser-Agent:\r\n",
        b"GET /none HTTP/1.0\r\nHost: a.test\r\n",
    ]
    .iter()
    .map(|request| [request, format!("Authorization: {MALLORY}\r\n\r\n").as_bytes()].concat())
    .collect()
}

#[test]
fn whatever_a_client_sends_is_one_line_of_printable_ascii_in_every_format() {
    for format in [AccessFormat::Json, AccessFormat::Combined, AccessFormat::W3c] {
        let (upstream, file) = (Upstream::answering(OK), AccessFile::new());
        let proxy = logging(&upstream, &file, format);
        for request in hostile() {
            assert_eq!(Client::of(&proxy).send(request).response().status, 200);
        }
        let over_http2: [(&[u8], &[u8]); 6] = [
            (b":method", b"GET"),
            (b":scheme", b"https"),
            (b":authority", b"a.test"),
            (b":path", b"/%0d%0aforged?a=%00"),
            (b"user-agent", b"x\" \"y\\\xff\x85\tz"),
            (b"authorization", MALLORY.as_bytes()),
        ];
        let fate = Frames::of(&proxy).open(1, &over_http2, true).fate(1);
        assert_eq!(fate, Fate::Answered(200, None));
        let lines = file.wait_for(hostile().len() + 1);
        for line in &lines {
            assert!(
                line.bytes().all(|byte| matches!(byte, b' '..=b'~')),
                "{format:?}: {line}"
            );
        }
        for (line, protocol) in [(&lines[0], "HTTP/1.1"), (&lines[hostile().len()], "HTTP/2.0")] {
            match format {
                AccessFormat::Combined => assert!(
                    line.starts_with("127.0.0.1 - mallory\\x22\\x20200\\x0D\\x0A\\x1B [")
                        && line.ends_with(&format!(
                            " \"GET /%0d%0aforged?a=%00 {protocol}\" 200 2 \"-\" \"x\\x22 \\x22y\\x5C\\xFF\\x85\\x09z\""
                        )),
                    "{line}",
                ),
                AccessFormat::W3c => assert!(
                    line.contains(&format!(
                        " 127.0.0.1 GET /%0d%0aforged a=%00 {} mallory%22+200%0D%0A%1B 127.0.0.1 \
                         x%22+%22y\\%FF%85%09z - 200 0 0 ",
                        proxy.address.port()
                    )),
                    "{line}",
                ),
                _ => {
                    let line: Value = serde_json::from_str(line).unwrap();
                    assert_eq!(line["path"], "/%0d%0aforged?a=%00");
                    assert_eq!(line["protocol"], protocol);
                    assert_eq!(line["user"], "mallory\" 200\\x0d\\x0a\\x1b");
                    assert_eq!(line["user_agent"], "x\" \"y\\x5c\\xff\\x85\\x09z");
                }
            }
        }
    }
}

/// Requests that are refused where they can be told, and where they are no HTTP at all.
const REFUSED: [(&[u8], u16); 8] = [
    (
        b"TRACE /%0d%0aforged%1b[2J HTTP/1.1\r\nHost: a.test\r\nUser-Agent: %0d%0aforged\xff\r\n\r\n",
        405,
    ),
    (
        b"TRACE /\"a\"\\ HTTP/1.1\r\nHost: a.test\r\nUser-Agent: \"\\\r\n\r\n",
        405,
    ),
    (b"GET / HTTP/1.1\r\nHost: a\xff\" status=200\r\n\r\n", 400),
    (b"GET /\x1b[2Jforged HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    (b"GET /\rforged HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    (b"GET /\nforged HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    (
        b"GET / HTTP/1.1\r\nHost: a.test\r\nUser-Agent: \x1b[2Jforged\r\n\r\n",
        400,
    ),
    (b"GET / HTTP/1.1\r\nHost: a.test\r\nUser-Agent: \rforged\r\n\r\n", 400),
];

#[test]
fn a_refused_request_is_told_in_lines_of_printable_ascii_that_are_all_our_own() {
    let family = Family::new();
    for (format, host, path) in [
        ("json", r#""host":"a\\xff\" status=200""#, r#""path":"/\"a\"\\x5c""#),
        ("human", r#" host="a\\xff\" status=200" "#, r#" path="/\"a\"\\x5c" "#),
    ] {
        let house = House::of(&family, &family.leaf()).flag("--log-format", format).start();
        let config = house.client_config(rustls::ALL_VERSIONS);
        for (request, status) in REFUSED {
            let mut client = Client::at(house.address, Arc::clone(&config));
            assert_eq!(client.send(request).response().status, status);
        }
        let mut config = Arc::unwrap_or_clone(config);
        config.alpn_protocols = vec![b"h2".to_vec()];
        let config = Arc::new(config);
        let over_http2 = |method: &[u8], path: &[u8], agent: &[u8]| {
            let fields = [
                (&b":method"[..], method),
                (b":scheme", b"https"),
                (b":authority", b"a.test"),
                (b":path", path),
                (b"user-agent", agent),
            ];
            Frames::at(house.address, Arc::clone(&config))
                .open(1, &fields, true)
                .fate(1)
        };
        let told = over_http2(b"TRACE", b"/%0d%0aforged%1b[2J", b"%0d%0aforged\xff");
        assert_eq!(told, Fate::Answered(405, None));
        for (path, agent) in [
            (&b"/\x1b[2Jforged"[..], &b"x"[..]),
            (b"/\r\nforged", b"x"),
            (b"/", b"\x1b[2Jforged"),
            (b"/", b"\r\nforged"),
        ] {
            let fate = over_http2(b"GET", path, agent);
            assert!(
                matches!(fate, Fate::Reset(_) | Fate::GoAway(_)),
                "{path:?} {agent:?}: {fate:?}"
            );
        }
        let refused = || {
            house
                .log()
                .iter()
                .filter(|line| line.contains("request refused"))
                .count()
        };
        eventually("every refusal is told", || refused() == REFUSED.len() + 1);
        house.wait_for_log(&["request refused", "405", "/%0d%0aforged%1b[2J"]);
        house.wait_for_log(&["request refused", host]);
        house.wait_for_log(&["request refused", path]);
        for line in house.log() {
            assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line:?}");
            let is_ours = match format {
                "json" => serde_json::from_str::<Value>(&line).is_ok_and(|line| line["timestamp"].is_string()),
                _ => line.get(..4).is_some_and(|year| year.parse::<u16>().is_ok()),
            };
            assert!(is_ours, "{line}");
        }
    }
}

#[test]
fn named_parameters_keep_their_values_out_of_every_format() {
    for format in [AccessFormat::Json, AccessFormat::Combined, AccessFormat::W3c] {
        let (upstream, file) = (Upstream::answering(OK), AccessFile::new());
        let proxy = Proxy::with(&[upstream.address], |settings| {
            settings.access_log = AccessLog {
                redaction: Redaction::of(["Ticket"]),
                ..file.settings(format)
            };
        });
        let request = "GET /a?ticket=hidden&b=shown HTTP/1.1\r\nHost: a.test\r\n\
                       Referer: https://b.test/?x=shown&%74icket=hidden\r\n\r\n";
        assert_eq!(Client::of(&proxy).send(request).response().status, 200);
        let line = file.wait_for(1).remove(0);
        assert!(!line.contains("hidden"), "{line}");
        assert_eq!(
            (line.matches("REDACTED").count(), line.matches("shown").count()),
            (2, 2),
            "{line}"
        );
        // The upstream gets them as they were.
        assert!(
            upstream
                .received(0)
                .starts_with("GET /a?ticket=hidden&b=shown HTTP/1.1\r\n")
        );
    }
}
