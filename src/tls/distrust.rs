//! Why a server is not spoken to over TLS, in words that say what to do.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{AlertDescription, CertificateError, Error, OtherError};

use crate::chain::Certificate;

/// Why a server is not spoken to over TLS.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnectError {
    /// Its certificate is not accepted; the text says why.
    #[error("its certificate is not accepted: {0}")]
    Distrusted(String),
    /// It ended the handshake with an alert.
    #[error("it refused the TLS handshake: {0:?}")]
    Refused(AlertDescription),
    /// It speaks no HTTP/2, or no ALPN, which HTTP/2 over TLS needs (RFC 9113 section 3.2).
    #[error("it does not agree to HTTP/2 in the TLS handshake")]
    NoHttp2,
    /// It answers with something that is not TLS.
    #[error("it does not speak TLS")]
    NotTls,
    /// The two sides have nothing in common, or the server breaks the protocol.
    #[error("the TLS handshake failed")]
    Protocol(#[source] Error),
    /// The connection broke, or the server ended it without a word.
    #[error("the connection ended during the TLS handshake")]
    Closed(#[source] Arc<io::Error>),
}

/// The certificates lead to an issuer that is neither there nor trusted, or is another one of the same name.
#[derive(Debug)]
struct MissingIssuer {
    leaf: String,
    issuer: String,
    sent: usize,
    is_another: bool,
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        let Some(source) = error.get_ref().and_then(|source| source.downcast_ref::<Error>()) else {
            return Self::Closed(Arc::new(error));
        };
        match source {
            Error::InvalidCertificate(CertificateError::Other(OtherError(reason))) => {
                Self::Distrusted(reason.to_string())
            }
            Error::InvalidCertificate(reason) => Self::Distrusted(reason.to_string()),
            Error::AlertReceived(alert) => Self::Refused(*alert),
            Error::InvalidMessage(_) => Self::NotTls,
            other => Self::Protocol(other.clone()),
        }
    }
}

/// rustls says that an issuer is unknown, or has not made a signature, and not which.
pub(super) fn explained(error: Error, leaf: &CertificateDer<'_>, beside: &[CertificateDer<'_>]) -> Error {
    let is_another = match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => false,
        Error::InvalidCertificate(CertificateError::BadSignature) => true,
        _ => return error,
    };
    match MissingIssuer::of(leaf, beside, is_another) {
        Some(missing) => Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(missing)))),
        None => error,
    }
}

impl MissingIssuer {
    /// Goes up from the leaf as far as the certificates that were sent lead.
    fn of(leaf: &CertificateDer<'_>, beside: &[CertificateDer<'_>], is_another: bool) -> Option<Self> {
        let leaf = Certificate::from_der(leaf.clone().into_owned()).ok()?;
        let mut others: Vec<Certificate> = beside
            .iter()
            .filter_map(|certificate| Certificate::from_der(certificate.clone().into_owned()).ok())
            .collect();
        let mut issuer = leaf.issuer().clone();
        while let Some(position) = others.iter().position(|other| *other.subject() == issuer) {
            issuer = others.swap_remove(position).issuer().clone();
        }
        Some(Self {
            leaf: leaf.subject().to_string(),
            issuer: issuer.to_string(),
            sent: 1 + beside.len(),
            is_another,
        })
    }
}

impl fmt::Display for MissingIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" leads to the issuer \"{}\", ", self.leaf, self.issuer)?;
        match (self.is_another, self.sent) {
            (true, _) => f.write_str("and the signatures are not by the one that is trusted, or that was sent"),
            (false, 1) => f.write_str("which is not trusted, and it sent no other certificate"),
            (false, sent) => write!(f, "which is not trusted and not among the {sent} certificates it sent"),
        }
    }
}

impl std::error::Error for MissingIssuer {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuer_that_is_missing_is_named() {
        let certified = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let error = explained(unknown, certified.cert.der(), &[]);
        let text = ConnectError::from(io::Error::other(error)).to_string();
        assert!(
            text.starts_with("its certificate is not accepted: \"CN=rcgen self signed cert\" leads to the issuer")
                && text.ends_with("which is not trusted, and it sent no other certificate"),
            "{text}"
        );
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        let told = |error: Error| ConnectError::from(io::Error::other(error)).to_string();
        assert!(told(Error::InvalidCertificate(CertificateError::Expired)).contains("not accepted: "));
        assert!(told(Error::AlertReceived(AlertDescription::HandshakeFailure)).contains("HandshakeFailure"));
        let closed = ConnectError::from(io::Error::from(io::ErrorKind::UnexpectedEof));
        assert!(matches!(closed, ConnectError::Closed(_)));
    }
}
