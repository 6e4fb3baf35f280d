//! A socket whose peer must take what is written to it.
//!
//! It sits beneath TLS, where progress is what the kernel accepts. A peer that takes nothing for the whole timeout is
//! given up: this is what ends slow readers, whatever protocol is spoken above.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::alarm::Alarm;

/// Hears whether the peer takes bytes.
pub(super) trait Observer {
    /// The peer takes no bytes for now.
    fn write_blocked(&self) {}
    /// The peer takes bytes again, after it took none.
    fn write_resumed(&self) {}
    /// The peer takes no bytes any more. Returns whether writers are not to be told while there may be something left
    /// to read.
    fn write_refused(&self) -> bool {
        false
    }
}

/// A socket whose peer must take what is written to it.
#[derive(Debug)]
pub(super) struct Stream<IO, O> {
    io: IO,
    observer: O,
    write_timeout: Duration,
    blocked: Option<Instant>,
    /// What is written goes nowhere.
    discarding: bool,
    alarm: Alarm,
}

impl<IO, O: Observer> Stream<IO, O> {
    /// Wraps `io`; a write that makes no progress for `write_timeout` fails with [`io::ErrorKind::TimedOut`].
    pub(super) fn new(io: IO, observer: O, write_timeout: Duration) -> Self {
        Self {
            io,
            observer,
            write_timeout,
            blocked: None,
            discarding: false,
            alarm: Alarm::default(),
        }
    }

    /// Passes on what a write of `length` bytes came to, or fails where it has been pending for too long.
    fn watch(
        &mut self,
        outcome: Poll<io::Result<usize>>,
        length: usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Err(error)) = &outcome
            && matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
            && self.observer.write_refused()
        {
            self.discarding = true;
            return Poll::Ready(Ok(length));
        }
        if outcome.is_ready() {
            if self.blocked.take().is_some() {
                self.observer.write_resumed();
            }
            return outcome;
        }
        if self.blocked.is_none() {
            self.observer.write_blocked();
        }
        let since = *self.blocked.get_or_insert_with(Instant::now);
        self.alarm
            .poll(context, since + self.write_timeout)
            .map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes no bytes")))
    }
}

impl<IO: AsyncRead + Unpin, O: Observer + Unpin> AsyncRead for Stream<IO, O> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.io).poll_read(context, buffer);
        if outcome.is_ready() && buffer.filled().len() == before {
            // The end, or an error: there is nothing to keep writers waiting for.
            this.discarding = false;
        }
        outcome
    }
}

impl<IO: AsyncWrite + Unpin, O: Observer + Unpin> AsyncWrite for Stream<IO, O> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.discarding {
            return Poll::Ready(Ok(bytes.len()));
        }
        let outcome = Pin::new(&mut this.io).poll_write(context, bytes);
        this.watch(outcome, bytes.len(), context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let length = slices.iter().map(|slice| slice.len()).sum();
        if this.discarding {
            return Poll::Ready(Ok(length));
        }
        let outcome = Pin::new(&mut this.io).poll_write_vectored(context, slices);
        this.watch(outcome, length, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket holds nothing back: there is nothing to wait for.
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[derive(Debug)]
    struct Nobody;

    impl Observer for Nobody {}

    #[test]
    fn a_peer_that_takes_no_bytes_is_given_up() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (near, _far) = tokio::io::duplex(16);
            let mut stream = Stream::new(near, Nobody, Duration::from_millis(1));
            let error = stream.write_all(&[0; 64]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        });
    }
}
