//! Why a response is not stapled.

use std::fmt;

use rustls_pki_types::UnixTime;

use super::staple::MOST_BYTES;
use crate::chain::rfc3339;

/// Why a response is not a staple.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It has more bytes than any client should be sent in every handshake.
    #[error("expected an OCSP response of at most {MOST_BYTES} bytes, found {0}")]
    TooLarge(usize),
    /// It is not the DER of a response.
    #[error("expected the DER of an OCSP response (RFC 6960 section 4.2.1), found something else at {0}")]
    Malformed(&'static str),
    /// It is of another type than id-pkix-ocsp-basic, the only one there is.
    #[error("expected a basic OCSP response, found one of another type")]
    NotBasic,
    /// It has an extension that must be understood and is not.
    #[error("expected no critical extension, found one in {0}")]
    CriticalExtension(&'static str),
    /// The responder gives no answer.
    #[error("the responder answers: {0}")]
    NoAnswer(ResponseStatus),
    /// It answers for other certificates.
    #[error("expected an answer for this certificate and its issuer, found one for another")]
    OtherCertificate,
    /// Neither the issuer nor a certificate in the response bears the responder's name or key.
    #[error("expected the issuer or a responder whose certificate is in the response to have signed, found neither")]
    UnknownResponder,
    /// Whoever signed may not speak for the issuer.
    #[error("the responder {responder} may not answer for the issuer: {reason}")]
    Unauthorized {
        /// Its certificate.
        responder: String,
        /// What its certificate lacks.
        reason: &'static str,
    },
    /// The signature was not made by the key of whom it names.
    #[error("the signature does not verify")]
    BadSignature,
    /// The signature is of a kind that clients do not accept.
    #[error("the signature is by an algorithm that clients refuse")]
    UnsupportedSignature,
    /// It is from the future.
    #[error("it counts from {} on only", rfc3339(*.0))]
    NotYetValid(UnixTime),
    /// It is too old, or whoever signed it is by now.
    #[error("it counted until {} only", rfc3339(*.0))]
    Expired(UnixTime),
    /// The certificate is revoked.
    #[error("the certificate is revoked since {}, reason: {reason}", rfc3339(*.since))]
    Revoked {
        /// From when on.
        since: UnixTime,
        /// Why.
        reason: RevocationReason,
        /// From when the answer is: only a newer one takes it back.
        this_update: UnixTime,
    },
    /// The responder knows nothing of the certificate.
    #[error("the responder does not know the certificate")]
    Unknown,
}

impl Error {
    /// Whether it says that the certificate is revoked: nothing that a later try will mend.
    pub fn is_revocation(&self) -> bool {
        matches!(self, Self::Revoked { .. })
    }
}

/// What a responder says instead of an answer (RFC 6960 section 4.2.1, OCSPResponseStatus).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseStatus(pub u8);

impl fmt::Display for ResponseStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "successful",
            1 => "malformedRequest",
            2 => "internalError",
            3 => "tryLater",
            5 => "sigRequired",
            6 => "unauthorized",
            other => return write!(f, "response status {other}"),
        })
    }
}

/// Why a certificate is revoked (RFC 5280 section 5.3.1, CRLReason).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevocationReason(pub u8);

impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "unspecified",
            1 => "keyCompromise",
            2 => "cACompromise",
            3 => "affiliationChanged",
            4 => "superseded",
            5 => "cessationOfOperation",
            6 => "certificateHold",
            8 => "removeFromCRL",
            9 => "privilegeWithdrawn",
            10 => "aACompromise",
            other => return write!(f, "code {other}"),
        })
    }
}
