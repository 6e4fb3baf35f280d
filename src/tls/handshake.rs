//! A TCP connection becomes a TLS connection, or a failure that is classified and logged once, here.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::server::TlsStream;

use super::{Settings, Snapshot};
use crate::live::Live;

/// Takes connections through the TLS handshake with the snapshot of the moment.
#[derive(Debug)]
pub struct Handshaker {
    live: Arc<Live<Snapshot>>,
    settings: Settings,
}

/// A connection after its handshake.
#[derive(Debug)]
pub struct Accepted<IO> {
    /// The decrypted stream; whoever ends it calls `shutdown`, so that the client sees close_notify.
    pub stream: TlsStream<IO>,
    /// What the client asked for.
    pub hello: Hello,
}

/// What the handshake agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The name of the server_name extension (RFC 6066 section 3), lower case.
    pub server_name: Option<Box<str>>,
    /// What ALPN chose; HTTP/1.1 where the client offers no ALPN.
    pub protocol: ApplicationProtocol,
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// Whether the session was resumed.
    pub resumed: bool,
}

/// What is spoken inside TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplicationProtocol {
    /// `http/1.1`
    Http1,
    /// `h2`
    Http2,
}

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// stub
    #[error("not written")]
    NotWritten,
}

impl Handshaker {
    /// A handshaker that reads `live` once per connection.
    pub fn new(live: Arc<Live<Snapshot>>, settings: Settings) -> Self {
        Self { live, settings }
    }

    /// Runs the handshake within its deadline. A failure has been logged when it is returned.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`] where the client and the snapshot do not come together in time.
    pub async fn accept<IO>(&self, _io: IO, _peer: SocketAddr) -> Result<Accepted<IO>, HandshakeError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let _ = (&self.live, &self.settings);
        Err(HandshakeError::NotWritten)
    }
}
