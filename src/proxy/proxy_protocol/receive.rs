//! The header taken off a socket, and not a byte more.

use std::io;

use tokio::io::AsyncReadExt;

use super::read::{self, Header, Malformed, parse};
use crate::proxy::socket::{Socket, peek};

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
pub(in crate::proxy) enum ReceiveError {
    /// What came is none.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The connection ended before it was complete.
    #[error("the connection ended")]
    Closed(#[source] io::Error),
}

/// Takes the header off `socket`. What follows is looked at and left there: it is for TLS or HTTP to read.
pub(in crate::proxy) async fn receive(socket: &mut Socket) -> Result<Header, ReceiveError> {
    // Most headers are shorter than the first look; those that are not are read to the end of the second.
    let mut seen = vec![0; 256];
    let mut taken = 0;
    loop {
        let room = seen.get_mut(taken..).unwrap_or_default();
        let count = peek(socket, room).await.map_err(ReceiveError::Closed)?;
        if count == 0 {
            return Err(ReceiveError::Closed(io::ErrorKind::UnexpectedEof.into()));
        }
        let end = taken + count;
        let header = parse(seen.get(..end).unwrap_or_default())?;
        // As long as the header is not complete all of it belongs to it.
        let end = header.map_or(end, |header| header.length);
        let part = seen.get_mut(taken..end).unwrap_or_default();
        socket.read_exact(part).await.map_err(ReceiveError::Closed)?;
        if let Some(header) = header {
            return Ok(header);
        }
        taken = end;
        if taken == seen.len() {
            seen.resize(read::LONGEST, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::proxy::proxy_protocol::{Tls, version_1, version_2};

    #[test]
    fn what_follows_the_header_is_left_on_the_socket() {
        let name = "a".repeat(250);
        let tls = Tls {
            server_name: Some(&name),
            ..Tls::default()
        };
        for header in [version_1(None), version_2(None, None), version_2(None, Some(&tls))] {
            for step in [1, 7, header.len(), header.len() + 4] {
                let sent = [header.as_slice(), b"rest"].concat();
                assert_eq!(received_in_steps(&sent, step), (header.len(), "rest".to_owned()));
            }
        }
    }

    #[test]
    fn an_end_before_the_end_of_the_header_is_told() {
        for sent in [&b""[..], b"PROXY UNK"] {
            let error = run(async {
                let (near, far) = UnixStream::pair().unwrap();
                let (mut near, mut far) = (of(near), of(far));
                far.write_all(sent).await.unwrap();
                drop(far);
                receive(&mut near).await.unwrap_err()
            });
            assert!(matches!(error, ReceiveError::Closed(_)));
        }
    }

    /// The length of the header, and what is left after it.
    fn received_in_steps(sent: &[u8], step: usize) -> (usize, String) {
        run(async {
            let (near, far) = UnixStream::pair().unwrap();
            let (mut near, mut far) = (of(near), of(far));
            let send = async {
                for part in sent.chunks(step) {
                    far.write_all(part).await.unwrap();
                    tokio::task::yield_now().await;
                }
                drop(far);
            };
            let (header, ()) = tokio::join!(receive(&mut near), send);
            let mut rest = String::new();
            near.read_to_string(&mut rest).await.unwrap();
            (header.unwrap().length, rest)
        })
    }

    fn of(socket: UnixStream) -> Socket {
        socket.set_nonblocking(true).unwrap();
        Socket::Right(tokio::net::UnixStream::from_std(socket).unwrap())
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap()
            .block_on(future)
    }
}
