//! The TCP connection under a handshake that only looks: never past its deadline, and with a memory of how the other
//! side began, which tells what speaks there if it is not TLS.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::presented::PresentError;

/// A TCP connection with a deadline for everything, which remembers how the other side began.
pub(super) struct Wire {
    stream: TcpStream,
    deadline: Instant,
    beginning: Vec<u8>,
}

/// Why a handshake did not come to its end.
pub(super) enum Failure {
    Wire(io::Error),
    Tls(rustls::Error),
}

/// Enough of a foreign greeting to know it by.
const BEGINNING_BYTES: usize = 40;

impl Wire {
    /// Connects before `deadline`.
    pub(super) fn connect(address: SocketAddr, deadline: Instant) -> Result<Self, PresentError> {
        let patience = left(deadline).map_err(|_| PresentError::TimedOut)?;
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::TimedOut => PresentError::TimedOut,
            _ => PresentError::Connect { address, source },
        };
        let stream = TcpStream::connect_timeout(&address, patience).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        Ok(Self {
            stream,
            deadline,
            beginning: Vec::new(),
        })
    }

    /// What `failure` means, seen together with what has come.
    pub(super) fn explain(&self, failure: Failure) -> PresentError {
        let is_tls = |first: &u8| CONTENT_TYPES.contains(first);
        match failure {
            Failure::Wire(error) if is_timeout(&error) && self.beginning.is_empty() => PresentError::TimedOut,
            _ if self.beginning.starts_with(b"HTTP/") => PresentError::PlainHttp,
            _ if self.beginning.first().is_some_and(|first| !is_tls(first)) => {
                let mut lines = self.beginning.split(|byte| matches!(byte, b'\r' | b'\n'));
                PresentError::NotTls(lines.next().unwrap_or_default().escape_ascii().to_string())
            }
            Failure::Wire(error) if is_timeout(&error) => PresentError::TimedOut,
            Failure::Wire(error) => PresentError::Closed(error),
            Failure::Tls(rustls::Error::AlertReceived(alert)) => PresentError::Refused(alert),
            Failure::Tls(error) => PresentError::Protocol(error),
        }
    }
}

/// change_cipher_spec, alert, handshake, application_data: what a record may begin with (RFC 8446 section 5.1).
const CONTENT_TYPES: std::ops::RangeInclusive<u8> = 20..=23;

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(left(self.deadline)?))?;
        let length = self.stream.read(buffer)?;
        let wanted = BEGINNING_BYTES.saturating_sub(self.beginning.len());
        self.beginning.extend(buffer.iter().take(length.min(wanted)));
        Ok(length)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(left(self.deadline)?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// The time to `deadline`; never zero, which sockets take for no limit at all.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}

/// Unix says WouldBlock where a timeout of the socket passes, Windows TimedOut.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}
