//! Why a handshake failed, and how that is told.

use std::time::Duration;
use std::{fmt, io};

use rustls::AlertDescription;

use super::memory::Memory;
use super::{Error, RefusedCertificate};
use crate::telemetry::Causes;

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The client names no host and there is no identity to serve without a name.
    #[error("the client sent no server name and no certificate is configured for that")]
    NoServerName,
    /// No identity covers the name.
    #[error("no certificate covers the name")]
    UnknownName,
    /// A certificate is required and the client showed none.
    #[error("the client showed no certificate, and `client_auth` requires one for the host")]
    NoClientCertificate,
    /// The client's certificate did not stand the examination.
    #[error(transparent)]
    ClientCertificate(RefusedCertificate),
    /// TLS cannot be set up.
    #[error("the handshake cannot be set up")]
    SetUp(#[source] Error),
    /// The client ended the handshake with an alert, for instance because it does not trust the chain.
    #[error("the client refused: {0:?}")]
    Refused(AlertDescription),
    /// The two sides have no version, cipher suite or key exchange in common, or the bytes are no TLS.
    #[error("the TLS handshake failed")]
    Protocol(#[source] rustls::Error),
    /// A plain HTTP request on the TLS port; it has been answered.
    #[error("plain HTTP on the TLS port")]
    PlainHttp,
    /// The handshake took too long.
    #[error("the handshake took longer than {0:?}")]
    TimedOut(Duration),
    /// The client went away.
    #[error("the connection ended during the handshake")]
    Closed(#[source] io::Error),
}

impl HandshakeError {
    /// What kind of failure `error` is, given the name the client asked for and what had come of the handshake.
    pub(super) fn of(error: io::Error, server_name: Option<&str>, memory: &Memory) -> Self {
        match error
            .get_ref()
            .and_then(|source| source.downcast_ref::<rustls::Error>())
        {
            None => Self::Closed(error),
            // In a handshake this variant has one cause: the resolver had no identity to give.
            Some(rustls::Error::General(_)) if server_name.is_some() => Self::UnknownName,
            Some(rustls::Error::General(_)) => Self::NoServerName,
            Some(rustls::Error::AlertReceived(alert)) => Self::Refused(*alert),
            Some(rustls::Error::NoCertificatesPresented) => Self::NoClientCertificate,
            Some(error) => match memory.verdict.get() {
                Some(Err(refused)) => Self::ClientCertificate(refused.clone()),
                _ => Self::Protocol(error.clone()),
            },
        }
    }

    /// Every word of [`cause`](Self::cause).
    pub const CAUSES: [&'static str; 18] = [
        "no-server-name",
        "unknown-name",
        "no-client-certificate",
        "client-certificate-unknown-ca",
        "client-certificate-expired",
        "client-certificate-not-yet-valid",
        "client-certificate-revoked",
        "client-certificate-no-crl",
        "client-certificate-crl-expired",
        "client-certificate-crl-signature",
        "client-certificate-purpose",
        "client-certificate",
        "set-up",
        "refused",
        "protocol",
        "plain-http",
        "time",
        "closed",
    ];

    /// Why, in a word that stays the same: for whoever searches or counts logs.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::NoServerName => "no-server-name",
            Self::UnknownName => "unknown-name",
            Self::NoClientCertificate => "no-client-certificate",
            Self::ClientCertificate(refused) => refused.because.cause(),
            Self::SetUp(_) => "set-up",
            Self::Refused(_) => "refused",
            Self::Protocol(_) => "protocol",
            Self::PlainHttp => "plain-http",
            Self::TimedOut(_) => "time",
            Self::Closed(_) => "closed",
        }
    }

    /// Says that the handshake of `peer`, which asked for `server_name`, failed.
    pub(super) fn log(&self, peer: &impl fmt::Display, server_name: Option<&str>) {
        let (cause, error) = (self.cause(), Causes(self));
        match self {
            // Port scans and health checks connect and leave: no news.
            Self::Closed(_) => tracing::debug!(%peer, server_name, cause, %error, "handshake failed"),
            _ => tracing::info!(%peer, server_name, cause, %error, "handshake failed"),
        }
    }
}
