//! A backend as they stand behind such proxies: HTTP/1.0, the end of the body is the end of the connection, odd
//! header case.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// What the backend answers.
pub(super) const GREETING: &str = "Greetings from a legacy backend.\n";

/// How long it waits for a request.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts the backend, which lives as long as the process, and returns its address.
pub(super) fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::Builder::new()
        .name("legacy-backend".to_owned())
        .spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away is its own affair.
                thread::spawn(move || answer(&stream));
            }
        })?;
    Ok(address)
}

fn answer(mut stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    write!(
        stream,
        "HTTP/1.0 200 OK\r\nSERVER: LegacyD/0.9\r\nContent-TYPE: text/plain\r\n\r\n{GREETING}"
    )
}
