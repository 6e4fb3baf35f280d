//! RPC over HTTP and the RD Gateway: two requests that are the two directions of a session.

use std::sync::mpsc;
use std::time::Duration;

use crate::rig::PATIENCE;
use crate::rig::client::Client;
use crate::rig::frames::{DATA, END_STREAM, Frames};
use crate::rig::ntlm::kerberos;
use crate::rig::proxy::Proxy;
use crate::rig::upstream::{Connection, Upstream};

/// What clients say of a channel that has no end.
const GIGABYTE: usize = 1_073_741_824;

fn head(method: &str, framing: &str) -> String {
    format!("{method} /rpc/rpcproxy.dll?mail:6001 HTTP/1.1\r\nHost: a.test\r\nUser-Agent: MSRPC\r\n{framing}\r\n\r\n")
}

/// A backend that says on the out channel what it hears on the in channel, piece by piece.
fn echo() -> Upstream {
    let (said, heard) = mpsc::channel::<Vec<u8>>();
    let heard = std::sync::Mutex::new(heard);
    Upstream::scripted(move |connection| {
        let Some(head) = connection.head() else { return };
        if head.starts_with("RPC_IN_DATA") {
            while let Some(piece) = connection.bytes(4) {
                said.send(piece).unwrap();
            }
            return;
        }
        connection.bytes(76).unwrap();
        connection.send(format!(
            "HTTP/1.1 200 Success\r\nContent-Type: application/rpc\r\nContent-Length: {GIGABYTE}\r\n\r\n"
        ));
        while let Ok(piece) = heard.lock().unwrap().recv_timeout(PATIENCE) {
            connection.send(piece);
        }
    })
}

/// A proxy in front of a server that speaks RPC over HTTP.
fn proxy(upstream: &Upstream) -> Proxy {
    Proxy::with(&[upstream.address], |settings| settings.routes[0].rpc_over_http = true)
}

/// The same, where what is silent does not last.
fn impatient_proxy(upstream: &Upstream) -> Proxy {
    Proxy::with(&[upstream.address], |settings| {
        settings.routes[0].rpc_over_http = true;
        settings.timeouts.idle = Duration::from_millis(50);
        settings.backends[0].timeouts.progress = Duration::from_millis(50);
    })
}

/// Waits until another connection shows that the timeout has passed.
fn outlast_an_idle_connection(proxy: &Proxy) {
    let mut other = Client::of(proxy);
    other.send("OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n").response();
    other.end();
}

#[test]
fn both_channels_are_passed_on_piece_by_piece() {
    let upstream = echo();
    let proxy = proxy(&upstream);
    let (mut inward, mut outward) = (Client::of(&proxy), Client::of(&proxy));
    outward.send(head("RPC_OUT_DATA", "Content-Length: 76")).send([7; 76]);
    inward.send(head("RPC_IN_DATA", &format!("Content-Length: {GIGABYTE}")));
    let begun = outward.head();
    assert!(begun.status == 200 && begun.has(&format!("content-length: {GIGABYTE}")));
    for piece in [b"bind", b"ping", b"call"] {
        inward.send(piece);
        assert_eq!(outward.bytes(4), piece);
    }
    let heads = [upstream.received(0), upstream.received(1)];
    let inward = heads
        .iter()
        .find(|head| head.starts_with("RPC_IN_DATA /rpc/rpcproxy.dll?mail:6001 "))
        .unwrap();
    assert!(inward.contains(&format!("Content-Length: {GIGABYTE}\r\n")) && inward.contains("User-Agent: MSRPC\r\n"));
}

#[test]
fn a_channel_may_be_silent_for_longer_than_a_request() {
    let upstream = echo();
    let proxy = impatient_proxy(&upstream);
    let (mut inward, mut outward) = (Client::of(&proxy), Client::of(&proxy));
    outward.send(head("RPC_OUT_DATA", "Content-Length: 76")).send([7; 76]);
    inward.send(head("RPC_IN_DATA", &format!("Content-Length: {GIGABYTE}")));
    assert_eq!(outward.head().status, 200);
    outlast_an_idle_connection(&proxy);
    inward.send("ping");
    assert_eq!(outward.bytes(4), b"ping");
}

/// Opens both channels as streams of one connection of HTTP/2: outward on stream 1, inward on stream 3.
fn channels_over_http2(proxy: &Proxy) -> Frames {
    let gigabyte = GIGABYTE.to_string();
    let head = |method: &'static [u8], length| {
        [
            (&b":method"[..], method),
            (b":scheme", b"https"),
            (b":authority", b"a.test"),
            (b":path", b"/rpc/rpcproxy.dll?mail:6001"),
            (b"user-agent", b"MSRPC"),
            (b"content-length", length),
        ]
    };
    let mut frames = Frames::of(proxy);
    frames
        .open(1, &head(b"RPC_OUT_DATA", b"76"), false)
        .send(DATA, END_STREAM, 1, &[7; 76])
        .open(3, &head(b"RPC_IN_DATA", gigabyte.as_bytes()), false);
    frames
}

#[test]
fn both_channels_are_passed_on_piece_by_piece_over_http_2() {
    let upstream = echo();
    let proxy = proxy(&upstream);
    let mut frames = channels_over_http2(&proxy);
    assert_eq!(frames.status(1), 200);
    for piece in [b"bind", b"ping", b"call"] {
        frames.send(DATA, 0, 3, piece);
        assert_eq!(frames.piece(1, 4), piece);
    }
    let heads = [upstream.received(0), upstream.received(1)];
    let inward = heads
        .iter()
        .find(|head| head.starts_with("RPC_IN_DATA /rpc/rpcproxy.dll?mail:6001 HTTP/1.1\r\n"))
        .unwrap();
    assert!(inward.contains(&format!("Content-Length: {GIGABYTE}\r\n")) && inward.contains("User-Agent: MSRPC\r\n"));
}

#[test]
fn a_channel_may_be_silent_for_longer_than_a_request_over_http_2() {
    let upstream = echo();
    let proxy = impatient_proxy(&upstream);
    let mut frames = channels_over_http2(&proxy);
    assert_eq!(frames.status(1), 200);
    outlast_an_idle_connection(&proxy);
    frames.send(DATA, 0, 3, b"ping");
    assert_eq!(frames.piece(1, 4), b"ping");
}

#[test]
fn an_answer_to_a_channel_that_is_still_sending_reaches_the_client_and_the_channel_goes_on() {
    let (told, heard) = mpsc::channel();
    let upstream = Upstream::scripted(move |connection| {
        connection.head();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        told.send(chunk(connection)).unwrap();
        told.send(chunk(connection)).unwrap();
    });
    let proxy = proxy(&upstream);
    let mut client = Client::of(&proxy);
    client.send(head("RDG_IN_DATA", "Transfer-Encoding: chunked"));
    assert_eq!(client.response().text(), "ok");
    for piece in ["tunnel", "packet"] {
        client.send(format!("6\r\n{piece}\r\n"));
        assert_eq!(heard.recv_timeout(PATIENCE).unwrap(), piece);
    }
}

fn chunk(connection: &mut Connection) -> String {
    let size = connection.bytes(3).unwrap();
    assert_eq!(size, b"6\r\n");
    let chunk = connection.bytes(8).unwrap();
    String::from_utf8(chunk[..6].to_vec()).unwrap()
}

#[test]
fn a_refusal_in_the_midst_of_a_channel_reaches_the_client() {
    let upstream = Upstream::scripted(|connection| {
        connection.head();
        connection.bytes(4);
        connection.send("HTTP/1.1 503 RPC Error: 6ba\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndown");
        connection.end();
        connection.rest();
    });
    let proxy = proxy(&upstream);
    let mut client = Client::of(&proxy);
    client
        .send(head("RPC_IN_DATA", &format!("Content-Length: {GIGABYTE}")))
        .send("bind");
    let response = client.response();
    assert_eq!((response.status, response.text().as_str()), (503, "down"));
}

#[test]
fn an_authenticated_channel_has_its_connection_to_itself() {
    let upstream = Upstream::scripted(|connection| {
        while let Some(head) = connection.head() {
            if head.contains("Content-Length: 0") {
                connection.send("HTTP/1.1 401 X\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n");
            } else if head.starts_with("RPC_IN_DATA") {
                connection.bytes(4).unwrap();
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nin");
            } else {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother");
            }
        }
    });
    let proxy = proxy(&upstream);
    let (mut client, mut other) = (Client::of(&proxy), Client::of(&proxy));
    assert_eq!(
        client.send(head("RPC_IN_DATA", "Content-Length: 0")).response().status,
        401
    );
    let credentials = format!("Authorization: {}\r\nContent-Length: {GIGABYTE}", kerberos("alice"));
    client.send(head("RPC_IN_DATA", &credentials)).send("bind");
    assert_eq!(client.response().text(), "in");
    assert_eq!(
        other.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").response().text(),
        "other"
    );
    assert_eq!(upstream.received(0).matches("RPC_IN_DATA").count(), 2);
    assert!(upstream.received(1).starts_with("GET / "));
}
