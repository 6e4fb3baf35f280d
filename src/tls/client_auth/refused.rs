//! Why a client's certificate was refused, in words that help whoever reads the log.

use std::fmt;

use rustls::pki_types::CertificateDer;

use crate::chain::Certificate;

/// A client's certificate that did not stand the examination.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client's certificate {certificate} {because}")]
pub struct RefusedCertificate {
    /// Whose it is, and who issued it.
    pub certificate: Box<str>,
    /// Why.
    pub because: RefusedBecause,
}

/// Why a client's certificate was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefusedBecause {
    /// It leads to none of the configured CAs.
    UnknownIssuer,
    /// It, or one between it and the CA, has ended.
    Expired,
    /// It, or one between it and the CA, begins later.
    NotYetValid,
    /// The CA has revoked it.
    Revoked,
    /// CRLs are configured and none is its issuer's.
    NoRevocationList,
    /// The CRL of its issuer is out of date.
    RevocationListExpired,
    /// No key of its issuer made the signature of the CRL.
    RevocationListNotSigned,
    /// extendedKeyUsage does not let it authenticate clients.
    Purpose,
    /// Anything else; what verification says of it.
    Other(webpki::Error),
}

impl RefusedCertificate {
    pub(super) fn new(certificate: &CertificateDer<'_>, error: &webpki::Error) -> Self {
        Self {
            certificate: describe(certificate),
            because: RefusedBecause::of(error),
        }
    }
}

/// A name may be as long as a handshake; a line of the log need not be.
const MOST_CHARACTERS: usize = 200;

fn describe(der: &CertificateDer<'_>) -> Box<str> {
    let Ok(certificate) = Certificate::from_der(der.clone().into_owned()) else {
        return "(which cannot be read)".into();
    };
    let shortened = |name: String| name.chars().take(MOST_CHARACTERS).collect::<String>();
    let (subject, issuer) = (certificate.subject().to_string(), certificate.issuer().to_string());
    format!("{:?} from {:?}", shortened(subject), shortened(issuer)).into()
}

impl RefusedBecause {
    fn of(error: &webpki::Error) -> Self {
        use webpki::Error;
        match error {
            Error::UnknownIssuer => Self::UnknownIssuer,
            Error::CertExpired { .. } | Error::InvalidCertValidity => Self::Expired,
            Error::CertNotValidYet { .. } => Self::NotYetValid,
            Error::CertRevoked => Self::Revoked,
            Error::UnknownRevocationStatus => Self::NoRevocationList,
            Error::CrlExpired { .. } => Self::RevocationListExpired,
            Error::InvalidCrlSignatureForPublicKey | Error::IssuerNotCrlSigner => Self::RevocationListNotSigned,
            Error::RequiredEkuNotFoundContext(_) => Self::Purpose,
            other => Self::Other(other.clone()),
        }
    }

    /// One word for logs and counters.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::UnknownIssuer => "client-certificate-unknown-ca",
            Self::Expired => "client-certificate-expired",
            Self::NotYetValid => "client-certificate-not-yet-valid",
            Self::Revoked => "client-certificate-revoked",
            Self::NoRevocationList => "client-certificate-no-crl",
            Self::RevocationListExpired => "client-certificate-crl-expired",
            Self::RevocationListNotSigned => "client-certificate-crl-signature",
            Self::Purpose => "client-certificate-purpose",
            Self::Other(_) => "client-certificate",
        }
    }
}

impl fmt::Display for RefusedBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownIssuer => {
                "leads to none of the CAs in `ca`: a CA is missing there, or the client did not send its intermediates"
            }
            Self::Expired => "has expired, or one between it and its CA has",
            Self::NotYetValid => "is not yet valid: a clock may be wrong",
            Self::Revoked => "has been revoked by its CA",
            Self::NoRevocationList => {
                "is from a CA without a CRL in `crl`: add its CRL, or see `crl_check` and `crl_policy`"
            }
            Self::RevocationListExpired => {
                "is from a CA whose CRL is out of date: have it renewed, or see `crl_policy`"
            }
            Self::RevocationListNotSigned => "is from a CA that did not sign the CRL of its name",
            Self::Purpose => "is not for authenticating clients (extendedKeyUsage)",
            Self::Other(error) => return write!(f, "cannot be verified: {error}"),
        })
    }
}
