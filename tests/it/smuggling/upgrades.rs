//! Requests over HTTP/1.1 for another protocol, and what comes with them.

use super::http1::{HIDDEN, OK, refused, targets};
use crate::rig::client::Client;
use crate::rig::proxy::Proxy;
use crate::rig::strict::{self};
use crate::rig::upstream::Upstream;

/// What comes with a request to upgrade is in the new protocol for whoever thinks that it was agreed to, and the next
/// request for everybody else (Pingora CVE-2026-2833).
#[test]
fn nothing_comes_with_a_request_to_upgrade() {
    let ask = "GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
    refused(
        400,
        &[
            &format!("{ask}\r\n{HIDDEN}"),
            &format!("{ask}Content-Length: 0\r\n\r\n{HIDDEN}"),
            &format!("{ask}\r\n\u{1}\u{5}frame"),
        ],
    );
}

#[test]
fn an_upgrade_to_h2c_is_not_passed_on_and_what_follows_is_http_1_1() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send(
        "GET /first HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
         HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n",
    );
    assert_eq!(client.response().status, 200);
    assert_eq!(client.send(HIDDEN).response().status, 200);
    assert_eq!(targets(&upstream), ["/first", "/hidden"]);
    let received = upstream.received(0).to_ascii_lowercase();
    assert!(
        !received.contains("upgrade") && !received.contains("http2-settings"),
        "{received}"
    );
    // Connection and Upgrade in disguise.
    for fields in [
        "Connection: upgrade\r\nUpgrade: websocket, h2c",
        "Connection: upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket",
        "Connection: upgrade\r\nUpgrade: H2C",
    ] {
        client.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n\r\n"));
        assert_eq!(client.response().status, 200);
    }
    let received = upstream.received(0).to_ascii_lowercase();
    assert!(!received.contains("upgrade") && !received.contains("h2c"), "{received}");
}

#[test]
fn an_upgrade_with_a_body_is_an_ordinary_request() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::of(&upstream);
    let mut client = Client::of(&proxy);
    client.send(format!(
        "POST /first HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
         Content-Length: {}\r\n\r\n{HIDDEN}",
        HIDDEN.len()
    ));
    assert_eq!(client.response().status, 200);
    let (requests, fault) = strict::requests(upstream.received(0).as_bytes());
    assert_eq!((requests.len(), fault), (1, None));
    assert_eq!(requests[0].body, HIDDEN.as_bytes());
    assert_eq!(requests[0].field("upgrade"), None);
}
