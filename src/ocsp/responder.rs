//! Who may answer for a CA (RFC 6960 section 4.2.2.2): itself, or whoever it gave a certificate for that purpose.

use rustls_pki_types::{SignatureVerificationAlgorithm, UnixTime};

use super::Error;
use super::certificate_id::sha1;
use super::der::{Elements, SEQUENCE};
use super::response::{ResponderId, Response};
use crate::chain::{Certificate, SignatureCheck};

/// Checks that `issuer`, or a responder that it authorized, signed `response`. Returns the last instant at which it may,
/// if there is one.
pub(super) fn authorized_until(
    response: &Response<'_>,
    issuer: &Certificate,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    at: UnixTime,
) -> Result<Option<UnixTime>, Error> {
    let mut refusal = Error::UnknownResponder;
    if response.responder.is(issuer) {
        match verified(response.signed.check(issuer, algorithms)) {
            Ok(()) => return Ok(None),
            Err(error) => refusal = error,
        }
    }
    // The size of the whole bounds their number. What cannot be read is not what signed.
    let certificates = response.certificates.iter();
    let certificates = certificates.filter_map(|der| certificate(der).ok());
    for responder in certificates.filter(|certificate| response.responder.is(certificate)) {
        let checked = authorize(&responder, issuer, algorithms, at)
            .and_then(|()| verified(response.signed.check(&responder, algorithms)));
        match checked {
            Ok(()) => return Ok(Some(responder.not_after())),
            // That the issuer itself is in the response, too, says nothing new.
            Err(_) if responder.key_fingerprint() == issuer.key_fingerprint() => {}
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

/// The certificate that `der` is. What lies around its signed part is read more strictly than elsewhere: it is passed on
/// to clients, and no signature covers it.
fn certificate(der: &[u8]) -> Result<Certificate, Error> {
    const NAME: &str = "certs";
    let mut parts = Elements::of(der).enter(SEQUENCE, NAME)?;
    parts.expect(SEQUENCE, NAME)?;
    parts.expect(SEQUENCE, NAME)?;
    parts.octets(NAME)?;
    parts.end(NAME)?;
    Certificate::from_der(der.to_vec()).map_err(|_| Error::Malformed(NAME))
}

/// Whether `issuer` lets `responder` answer for it, at the instant `at`.
fn authorize(
    responder: &Certificate,
    issuer: &Certificate,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    at: UnixTime,
) -> Result<(), Error> {
    let unauthorized = |reason| Error::Unauthorized {
        responder: responder.to_string(),
        reason,
    };
    let is_issued =
        responder.issuer() == issuer.subject() && responder.signed().check(issuer, algorithms) == SignatureCheck::Valid;
    if !is_issued {
        return Err(unauthorized("its certificate is not by the issuer of the leaf"));
    }
    if !responder.may_sign_ocsp() {
        return Err(unauthorized("its certificate is not for OCSPSigning"));
    }
    if !(responder.not_before().as_secs()..=responder.not_after().as_secs()).contains(&at.as_secs()) {
        return Err(unauthorized("its certificate is not valid now"));
    }
    if responder.unknown_critical_extension().is_some() {
        return Err(unauthorized("its certificate has an unknown critical extension"));
    }
    Ok(())
}

fn verified(check: SignatureCheck) -> Result<(), Error> {
    match check {
        SignatureCheck::Valid => Ok(()),
        SignatureCheck::Invalid => Err(Error::BadSignature),
        SignatureCheck::Unsupported => Err(Error::UnsupportedSignature),
    }
}

impl ResponderId<'_> {
    /// Whether `certificate` is whom it names.
    fn is(&self, certificate: &Certificate) -> bool {
        match self {
            Self::ByName(name) => *name == certificate.subject().der(),
            Self::ByKey(hash) => *hash == sha1(certificate.key()),
        }
    }
}
