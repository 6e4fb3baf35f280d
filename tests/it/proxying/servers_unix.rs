//! Servers on a Unix socket.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::thread;

use fullchain::proxy::settings::ServerAddress;
use tempfile::TempDir;

use crate::rig::client::Client;
use crate::rig::proxy::Proxy;

const GET: &str = "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n";

#[test]
fn a_server_on_a_unix_socket_is_spoken_to_like_any_other() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut heads = Vec::new();
        for _ in 0..2 {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            heads.push(String::from_utf8(head).unwrap());
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .unwrap();
        }
        heads
    });
    let proxy = Proxy::with(&[], |settings| {
        settings.backends[0].servers = vec![ServerAddress::unix(&path)];
    });
    let mut client = Client::of(&proxy);
    for _ in 0..2 {
        assert_eq!(client.send(GET).response().text(), "ok");
    }
    for head in server.join().unwrap() {
        assert!(
            head.starts_with("GET /x HTTP/1.1\r\n") && head.contains("\r\nHost: a.test\r\n"),
            "{head}"
        );
    }
}

#[test]
fn a_socket_that_is_not_there_is_a_502_until_it_is() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("app.sock");
    let proxy = Proxy::with(&[], |settings| {
        settings.backends[0].servers = vec![ServerAddress::unix(&path)];
    });
    let mut client = Client::of(&proxy);
    assert_eq!(client.send(GET).response().status, 502);
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
    });
    assert_eq!(client.send(GET).response().status, 204);
}
