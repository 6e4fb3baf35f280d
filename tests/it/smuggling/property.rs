//! Whatever bytes a client sends: what reaches the backend is, to a strict reader, the same requests with the same
//! bodies as were answered.

use std::cell::Cell;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::rig::client::Client;
use crate::rig::proxy::Proxy;
use crate::rig::strict::{self, Fault};
use crate::rig::upstream::Upstream;

/// What requests, good and bad, are made of.
const PIECES: [&str; 40] = [
    "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "GET /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello",
    "POST /b HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nworld",
    "POST /c HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "POST /d HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST /e HTTP/1.1\r\nHost: a.test\r\nContent-Length: 40\r\n\r\n",
    "PUT /f HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    "GET /g HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "GET /h HTTP/1.1\r\n",
    "POST /i HTTP/1.1\r\n",
    "POST /j HTTP/1.0\r\n",
    "Host: a.test\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "content-length:5\r\n",
    "Content-Length: 5",
    "Transfer-Encoding: chunked\r\n",
    "transfer-encoding:chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding\t: chunked\r\n",
    "Connection: close\r\n",
    "Connection: content-length\r\n",
    "X: y\r\n",
    "\r\n",
    "\r\n\r\n",
    "5\r\nhello\r\n",
    "5;a=b\r\nhello\r\n",
    "0\r\n\r\n",
    "0\r\nX: y\r\n\r\n",
    "00000005\r\nhello\r\n",
    "hello",
    "\n",
    "\r",
    " ",
    "\t",
    "\0",
    ":",
    ",",
    "\u{b}",
    "é",
];

/// What a backend made of what it received.
#[derive(Default)]
struct Log {
    answered: Vec<strict::Request>,
    faults: Vec<Fault>,
}

/// A backend that answers each request with its number.
fn counting() -> (Upstream, Arc<Mutex<Log>>) {
    let answered = Arc::new(Mutex::new(Log::default()));
    let log = Arc::clone(&answered);
    let upstream = Upstream::scripted(move |connection| {
        let (mut received, mut known) = (Vec::new(), 0);
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = connection.stream().read(&mut buffer) {
            received.extend_from_slice(&buffer[..count]);
            let (requests, fault) = strict::requests(&received);
            let mut log = log.lock().unwrap();
            log.faults.extend(fault.filter(|fault| *fault != Fault::Unfinished));
            for request in &requests[known..] {
                let number = log.answered.len().to_string();
                log.answered.push(request.clone());
                let length = number.len();
                let _ = connection
                    .stream()
                    .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{number}").as_bytes());
            }
            known = requests.len();
        }
    });
    (upstream, answered)
}

/// The bodies of the responses with 200 in what a client received; what is wrong otherwise.
fn numbers(mut received: &str) -> Result<Vec<usize>, String> {
    let mut numbers = Vec::new();
    while !received.is_empty() {
        let (head, rest) = received.split_once("\r\n\r\n").ok_or("half a head")?;
        if head.starts_with("HTTP/1.1 100 ") {
            received = rest;
            continue;
        }
        let head = head.to_ascii_lowercase();
        let (_, length) = head.split_once("content-length: ").ok_or("no length")?;
        let length: usize = length
            .lines()
            .next()
            .unwrap_or_default()
            .parse()
            .map_err(|_| "bad length")?;
        let (body, rest) = rest.split_at_checked(length).ok_or("half a body")?;
        if head.starts_with("http/1.1 200 ") || head.starts_with("http/1.0 200 ") {
            numbers.push(body.parse().map_err(|_| format!("{body:?} is no number"))?);
        }
        received = rest;
    }
    Ok(numbers)
}

#[test]
fn what_reaches_the_backend_is_what_is_answered() {
    let pieces = prop::collection::vec((prop::sample::select(&PIECES[..]), any::<u16>(), 0..100_u8), 1..8);
    let mut runner = TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let heard = Cell::new(0);
    let case = |pieces: Vec<(&str, u16, u8)>| {
        let mut bytes = Vec::new();
        for (piece, place, damage) in pieces {
            let start = bytes.len();
            bytes.extend_from_slice(piece.as_bytes());
            let at = start + usize::from(place) % piece.len();
            // Most pieces stay as they are; of the others a byte goes, comes twice or is another.
            match damage {
                0..4 => drop(bytes.remove(at)),
                4..8 => bytes.insert(at, bytes[at]),
                8..12 => bytes[at] = place.to_be_bytes()[0],
                12..15 => bytes.insert(at, b'\n'),
                _ => {}
            }
        }
        prop_assume!(!bytes.is_empty());
        // Of its own: what a client leaves behind when it ends arrives some time.
        let (upstream, answered) = counting();
        let proxy = Proxy::of(&upstream);
        let mut client = Client::of(&proxy);
        let _ = client.stream.write_all(&bytes);
        client.stream.conn.send_close_notify();
        let _ = client.stream.flush();
        let (received, _) = client.end();
        let received = String::from_utf8_lossy(&received).into_owned();
        let numbers = numbers(&received).map_err(|error| TestCaseError::fail(format!("{error}: {received:?}")))?;
        let log = answered.lock().unwrap();
        prop_assert!(
            log.faults.is_empty(),
            "{:?}: {:?}",
            String::from_utf8_lossy(&bytes),
            log.faults
        );
        heard.set(heard.get() + usize::from(!numbers.is_empty()));
        // A client that has ended may miss the last answers, but gets no other's, and in order.
        let expected: Vec<usize> = (0..numbers.len()).collect();
        prop_assert_eq!(&numbers, &expected, "{:?}", String::from_utf8_lossy(&bytes));
        for request in &log.answered {
            let bodies: [&[u8]; 3] = [b"", b"hello", b"world"];
            let known = bodies.contains(&request.body.as_slice()) || contains(&bytes, &request.body);
            prop_assert!(known, "{:?}: {:?}", String::from_utf8_lossy(&bytes), request);
            prop_assert!(contains(&bytes, request.target.as_bytes()), "{:?}", request);
        }
        Ok(())
    };
    runner.run(&pieces, case).unwrap();
    // About one case in seven begins with a request that is whole: a proxy that refuses everything proves nothing.
    assert!(heard.get() > 10, "{} of the cases were answered", heard.get());
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
}
