//! Whoever takes too long.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};

use crate::rig::PATIENCE;
use crate::rig::client::{Client, End, http2};
use crate::rig::frames::{DATA, Frames, POST};
use crate::rig::proxy::Proxy;
use crate::rig::upstream::{Connection, Upstream};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
const UPLOAD: &str = "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
const SHORT: Duration = Duration::from_millis(50);

#[test]
fn a_client_that_never_begins_its_handshake_is_dropped() {
    let proxy = Proxy::with_handshake_timeout(SHORT);
    let mut socket = TcpStream::connect(proxy.address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(b"\x16\x03\x01").unwrap();
    assert_eq!(socket.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn a_client_that_is_silent_after_its_handshake_is_dropped() {
    let proxy = Proxy::with(&[], |settings| {
        settings.timeouts.header = SHORT;
    });
    assert_eq!(Client::of(&proxy).send("").end(), (Vec::new(), End::Proper));
}

#[test]
fn a_header_section_that_takes_too_long_is_a_408() {
    let proxy = Proxy::with(&[Upstream::answering(OK).address], |settings| {
        settings.timeouts.header = SHORT;
    });
    let mut client = Client::of(&proxy);
    assert_eq!(client.send(GET).response().status, 200);
    assert_eq!(client.send("GET / HTTP/1.1\r\nHo").response().status, 408);
    assert_eq!(client.end(), (Vec::new(), End::Proper));
    // The first of a connection, and one that comes with the request before it.
    let mut client = Client::of(&proxy);
    assert_eq!(client.send("GET / HTTP/1.1\r\nHo").response().status, 408);
    assert_eq!(client.end(), (Vec::new(), End::Proper));
    let mut client = Client::of(&proxy);
    client.send(format!("{GET}GET / HTTP/1.1\r\nHo"));
    assert_eq!(client.response().status, 200);
    assert_eq!(client.response().status, 408);
    assert_eq!(client.end(), (Vec::new(), End::Proper));
}

#[test]
fn no_408_is_written_into_a_response_that_is_still_being_read() {
    // Of one of these sizes the last part is held here, not in the kernel, when the upstream is through with it.
    let sizes: Vec<usize> = (1..=24).map(|step| step * 192 * 1024).collect();
    let clients: Vec<(usize, Upstream)> = sizes
        .iter()
        .map(|size| (*size, Upstream::answering(of_size(*size))))
        .collect();
    let proxies: Vec<(usize, Proxy)> = clients
        .iter()
        .map(|(size, upstream)| {
            let short = |settings: &mut fullchain::proxy::Settings| settings.timeouts.header = SHORT * 4;
            (*size, Proxy::with(&[upstream.address], short))
        })
        .collect();
    let mut clients: Vec<(usize, Client)> = proxies
        .iter()
        .map(|(size, proxy)| {
            let mut client = Client::of(proxy);
            socket2::SockRef::from(&client.stream.sock)
                .set_recv_buffer_size(128 * 1024)
                .unwrap();
            client.send(format!("{GET}GET / HT"));
            (*size, client)
        })
        .collect();
    // Another client waits out the timeout meanwhile, twice.
    for _ in 0..2 {
        assert_eq!(Client::of(&proxies[0].1).send("GET / HT").response().status, 408);
    }
    for (size, client) in &mut clients {
        let response = client.response();
        assert!(response.complete && response.body.len() == *size);
        assert!(response.body.iter().all(|byte| *byte == b'x'), "{size}");
    }
}

fn of_size(size: usize) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n{}", "x".repeat(size))
}

#[test]
fn an_idle_connection_is_closed_after_the_idle_timeout_and_not_the_header_timeout() {
    let idle = Duration::from_millis(200);
    let proxy = Proxy::with(&[Upstream::answering(OK).address], |settings| {
        settings.timeouts.header = SHORT;
        settings.timeouts.idle = idle;
    });
    let mut client = Client::of(&proxy);
    assert_eq!(client.send(GET).response().status, 200);
    let start = Instant::now();
    assert_eq!(client.end(), (Vec::new(), End::Proper));
    // The clock started when the response was written, a little before it was read here.
    assert!(start.elapsed() > idle / 2);
}

#[test]
fn an_idle_http2_connection_is_closed() {
    let proxy = Proxy::with(&[Upstream::answering(OK).address], |settings| {
        settings.timeouts.idle = SHORT;
    });
    http2(&proxy, async |mut sender| {
        let request = Request::get("https://a.test/").body(Full::<Bytes>::default()).unwrap();
        let response = sender.send_request(request).await.unwrap();
        response.into_body().collect().await.unwrap();
        while !sender.is_closed() {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn an_upstream_that_never_answers_is_a_504() {
    let upstream = Upstream::scripted(|connection| {
        connection.rest();
    });
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.backends[0].timeouts.first_byte = SHORT;
    });
    let mut client = Client::of(&proxy);
    assert_eq!(client.send(GET).response().status, 504);
    assert_eq!(client.send(GET).response().status, 504);
}

#[test]
fn the_time_for_the_first_byte_begins_when_the_request_is_complete() {
    let upstream = Upstream::scripted(|connection| {
        connection.request();
        connection.send(OK);
    });
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.backends[0].timeouts.first_byte = SHORT;
    });
    let mut client = Client::of(&proxy);
    client.send("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\na");
    // Another client waits out the timeout meanwhile.
    let silent = Upstream::scripted(|connection| {
        connection.rest();
    });
    let other = Proxy::with(&[silent.address], |settings| {
        settings.backends[0].timeouts.first_byte = SHORT * 2;
    });
    assert_eq!(Client::of(&other).send(GET).response().status, 504);
    assert_eq!(client.send("b").response().status, 200);
}

#[test]
fn an_upload_that_stalls_is_a_408() {
    let upstream = Upstream::answering(OK);
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.backends[0].timeouts.progress = SHORT;
    });
    let mut client = Client::of(&proxy);
    let response = client
        .send("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhalf")
        .response();
    assert_eq!(response.status, 408);
    assert_eq!(client.end(), (Vec::new(), End::Proper));
}

#[test]
fn a_response_that_stalls_is_cut() {
    let upstream = Upstream::scripted(|connection| {
        connection.head();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        connection.rest();
    });
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.backends[0].timeouts.progress = SHORT;
    });
    let mut client = Client::of(&proxy);
    let (received, end) = client.send(GET).end();
    assert!(received.ends_with(b"half") && end == End::Cut);
}

/// A proxy whose bodies may stand still for `SHORT`, and a backend that begins its response at once.
fn streaming(then: impl Fn(&mut Connection) + Send + Sync + 'static) -> (Upstream, Proxy) {
    let upstream = Upstream::scripted(move |connection| {
        connection.head();
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        then(connection);
    });
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.backends[0].timeouts.progress = SHORT;
    });
    (upstream, proxy)
}

#[test]
fn a_client_may_be_silent_for_as_long_as_its_response_goes_on() {
    let (_upstream, proxy) = streaming(|connection| {
        for _ in 0..6 {
            std::thread::sleep(SHORT / 2);
            connection.send("4\r\nnews\r\n");
        }
        connection.send("0\r\n\r\n");
    });
    let mut frames = Frames::of(&proxy);
    frames.open(1, &POST, false);
    assert_eq!(frames.body(1), b"news".repeat(6));
    let mut client = Client::of(&proxy);
    let response = client.send(UPLOAD).response();
    assert_eq!(response.body, b"news".repeat(6));
}

#[test]
fn a_response_may_be_silent_for_as_long_as_its_request_goes_on() {
    let (_upstream, proxy) = streaming(|connection| {
        for _ in 0..6 {
            connection.bytes("4\r\npart\r\n".len());
        }
        connection.send("4\r\ndone\r\n0\r\n\r\n");
    });
    let mut frames = Frames::of(&proxy);
    frames.open(1, &POST, false);
    let mut client = Client::of(&proxy);
    client.send(UPLOAD);
    for _ in 0..6 {
        std::thread::sleep(SHORT / 2);
        frames.send(DATA, 0, 1, b"part");
        client.send("4\r\npart\r\n");
    }
    assert_eq!(frames.body(1), b"done");
    assert_eq!(client.response().text(), "done");
}

#[test]
fn a_client_that_takes_no_bytes_is_given_up() {
    for over_http2 in [false, true] {
        let (told, heard) = std::sync::mpsc::channel();
        let upstream = Upstream::scripted(move |connection| {
            connection.head();
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
            // Ends when the proxy closes the connection.
            while connection.stream().write_all(chunk.as_bytes()).is_ok() {}
            told.send(()).unwrap();
        });
        let proxy = Proxy::with(&[upstream.address], |settings| {
            settings.timeouts.idle = SHORT * 4;
        });
        if over_http2 {
            http2(&proxy, async |mut sender| {
                let request = Request::get("https://a.test/").body(Full::<Bytes>::default()).unwrap();
                let _unread = sender.send_request(request).await.unwrap();
                while heard.try_recv().is_err() {
                    tokio::task::yield_now().await;
                }
            });
        } else {
            let mut client = Client::of(&proxy);
            client.send(GET);
            heard.recv_timeout(PATIENCE).unwrap();
        }
    }
}

#[test]
fn an_unused_upstream_connection_is_closed() {
    let (told, heard) = std::sync::mpsc::channel();
    let upstream = Upstream::scripted(move |connection| {
        connection.request();
        connection.send(OK);
        connection.rest();
        told.send(()).unwrap();
    });
    let proxy = Proxy::with(&[upstream.address], |settings| {
        settings.backends[0].timeouts.idle = SHORT;
    });
    let mut client = Client::of(&proxy);
    assert_eq!(client.send(GET).response().status, 200);
    heard.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn at_the_connection_limit_the_next_client_waits_for_one_to_leave() {
    let proxy = Proxy::with(&[Upstream::answering(OK).address], |settings| {
        settings.limits.connections = 1;
    });
    let mut first = Client::of(&proxy);
    assert_eq!(first.send(GET).response().status, 200);
    let mut second = Client::of(&proxy);
    second.stream.sock.set_read_timeout(Some(SHORT)).unwrap();
    // Its handshake gets no answer.
    assert!(second.stream.write_all(GET.as_bytes()).is_err());
    drop(first);
    second.stream.sock.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(second.send(GET).response().status, 200);
}
