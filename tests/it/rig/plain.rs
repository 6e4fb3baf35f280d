//! Clients without TLS.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::PATIENCE;

/// A connection to `address`.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// A connection to the Unix socket at `path`.
pub(crate) fn connect_unix(path: &Path) -> UnixStream {
    let socket = UnixStream::connect(path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Sends `bytes` and reads until the other side ends the connection, in whatever way.
pub(crate) fn exchange(mut socket: impl Read + Write, bytes: impl AsRef<[u8]>) -> String {
    // A server that ends the connection early need not read everything.
    let _ = socket.write_all(bytes.as_ref());
    let mut received = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        match socket.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => received.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("the proxy does not end the connection: {error}"),
        }
    }
    String::from_utf8_lossy(&received).into_owned()
}

/// A request for `target` that is the last on its connection.
pub(crate) fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
}
