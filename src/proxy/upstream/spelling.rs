//! Field names in a spelling of the operator's choice.
//!
//! hyper writes a name as it was received where the message carries what it remembers of that: an extension of a type
//! of its own, made by its parser alone and meant for proxies (`preserve_header_case`). So that is asked for once: a
//! request with these spellings goes through hyper's parser, and the extension that comes out goes with every request.
//! The other way, respelling names in the bytes that hyper writes, would have to know where a head begins; bytes of the
//! body before it may still be waiting to be written, and a line of an upload that looks like a field would be changed.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Extensions, HeaderName, Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::proxy::settings::HeaderSpelling;

/// How many fields of one name are spelled; hyper takes one spelling for each. Further ones are rare enough.
const REPEATED: usize = 8;

/// What makes hyper write the names in `spellings` so; nothing where there are none.
pub(super) fn extensions(spellings: &[HeaderSpelling]) -> Extensions {
    if spellings.is_empty() {
        return Extensions::new();
    }
    let mut head = b"GET / HTTP/1.1\r\n".to_vec();
    let mut named: Vec<(HeaderName, &HeaderSpelling)> = spellings
        .iter()
        .filter_map(|spelling| Some((HeaderName::from_bytes(spelling.as_str().as_bytes()).ok()?, spelling)))
        .collect();
    // After a transfer coding hyper would pass over the length.
    named.sort_by_key(|(name, _)| *name == TRANSFER_ENCODING);
    for (name, spelling) in named {
        // What the parser looks at has to make sense, and never stands twice.
        let (value, times) = match name {
            CONTENT_LENGTH => ("0", 1),
            TRANSFER_ENCODING => ("chunked", 1),
            _ => ("", REPEATED),
        };
        for _ in 0..times {
            head.extend_from_slice(spelling.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
    }
    head.extend_from_slice(b"\r\n");
    parsed(head, spellings.len() * REPEATED)
}

fn parsed(head: Vec<u8>, fields: usize) -> Extensions {
    let found = RefCell::new(Extensions::new());
    let service = service_fn(|request: Request<Incoming>| {
        *found.borrow_mut() = request.extensions().clone();
        async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) }
    });
    let length = head.len();
    let mut connection = pin!(
        http1::Builder::new()
            .preserve_header_case(true)
            .max_headers(fields)
            .max_buf_size(length.max(8192))
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(Memory(head)), service)
    );
    // Nothing is waited for: all of it is there, and whatever is written is taken.
    let _ = connection.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let mut found = found.take();
    // Where "Upgrade" is among the names.
    found.remove::<OnUpgrade>();
    found
}

/// A connection that has sent this and takes everything.
struct Memory(Vec<u8>);

impl AsyncRead for Memory {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let bytes = &mut self.get_mut().0;
        let count = bytes.len().min(buffer.remaining());
        buffer.put_slice(&bytes.drain(..count).collect::<Vec<u8>>());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_something_to_go_by_for_whatever_names() {
        let spellings =
            |names: &[&str]| -> Vec<HeaderSpelling> { names.iter().map(|name| name.parse().unwrap()).collect() };
        assert!(extensions(&[]).is_empty());
        for names in [
            &["SOAPAction"][..],
            &["Content-length", "hOST", "Connection", "EXPECT", "uPgRaDe"],
            &["TRANSFER-encoding"],
            &["Content-length", "Transfer-encoding"],
        ] {
            assert_eq!(extensions(&spellings(names)).len(), 1, "{names:?}");
        }
        let many: Vec<String> = (0..500).map(|number| format!("X-NUMBER-{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(extensions(&spellings(&many)).len(), 1);
    }
}
