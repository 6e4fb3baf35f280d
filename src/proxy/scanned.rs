//! Decrypted HTTP/1.1 with its scanner listening: what hyper would let pass is stopped before hyper has it.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::activity::Activity;
use super::headers::framing::Doubt;
use super::scanner::Scanner;

/// A byte stream whose reading side is scanned.
#[derive(Debug)]
pub(super) struct Scanned<IO> {
    io: IO,
    scanner: Scanner,
    activity: Rc<Activity>,
    verdict: Rc<Verdict>,
    malformed: bool,
}

/// About which request there is a doubt, told where the bytes are read and asked where requests are handled. Bytes may be
/// read several requests ahead.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    doubt: Cell<Option<(u64, Doubt)>>,
    handled: Cell<u64>,
}

impl Verdict {
    /// The doubt about the next request; asked once for each, in order.
    pub(super) fn about_next(&self) -> Option<Doubt> {
        let number = self.handled.get();
        self.handled.set(number + 1);
        let (doubtful, doubt) = self.doubt.get()?;
        (doubtful == number).then_some(doubt)
    }
}

impl<IO> Scanned<IO> {
    /// Wraps `io` before its first request.
    pub(super) fn new(io: IO, activity: Rc<Activity>, verdict: Rc<Verdict>) -> Self {
        Self {
            io,
            scanner: Scanner::default(),
            activity,
            verdict,
            malformed: false,
        }
    }

    /// The stream without the scanner.
    pub(super) fn into_inner(self) -> IO {
        self.io
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Scanned<IO> {
    /// Reads up to the line that is malformed, and fails from there on: to hyper that is a broken body.
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, "malformed chunked coding");
        if this.malformed {
            return Poll::Ready(Err(malformed()));
        }
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.io).poll_read(context, buffer);
        let new = buffer.filled().get(before..).unwrap_or_default();
        if new.is_empty() {
            return outcome;
        }
        let scanned = this.scanner.scan(new);
        this.activity.in_header(Instant::now(), this.scanner.is_in_header());
        this.verdict.doubt.set(this.scanner.doubt());
        let Err(fault) = scanned else { return outcome };
        this.malformed = true;
        buffer.set_filled(before + fault.good);
        match fault.good {
            0 => Poll::Ready(Err(malformed())),
            _ => outcome,
        }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Scanned<IO> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}
