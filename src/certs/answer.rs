//! Certificates from anywhere but a file: what a server answers to the question for an issuer.

use std::sync::Arc;

use super::contents::{Contents, ContentsError};
use crate::chain::{Certificate, ParseError};

/// Why bytes hold no certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// They are of no format that is read here, or broken.
    #[error("expected certificates as DER, PEM or PKCS#7, found {0}")]
    Contents(#[from] ContentsError),
    /// They are sound and hold other things.
    #[error("expected a certificate, found {0}")]
    NoCertificate(String),
    /// What should be a certificate is none, and there is no other.
    #[error("expected an X.509 certificate, found something else: {0}")]
    Certificate(#[from] ParseError),
}

/// Every certificate in `bytes`, whether DER, PEM or PKCS#7 (RFC 5280 section 4.2.2.1 has servers answer with DER or
/// a "certs-only" CMS message, RFC 5272; many answer with PEM). One that is broken does not hide the others.
///
/// # Errors
///
/// [`AnswerError`] where there is none.
pub fn certificates_in(bytes: &[u8]) -> Result<Vec<Arc<Certificate>>, AnswerError> {
    let contents = Contents::of_store(bytes)?;
    let summary = contents.summary();
    let mut certificates = Vec::new();
    let mut broken = None;
    for der in contents.certificates {
        match Certificate::from_der(der) {
            Ok(certificate) => certificates.push(Arc::new(certificate)),
            Err(error) => broken = Some(error),
        }
    }
    match (certificates.is_empty(), broken) {
        (false, _) => Ok(certificates),
        (true, Some(error)) => Err(error.into()),
        (true, None) => Err(AnswerError::NoCertificate(summary)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certs::testing::fixture;

    #[test]
    fn certificates_are_found_in_every_format() {
        let pem = [fixture("ec.test.pem"), fixture("ca.pem")].concat();
        let expected = certificates_in(&pem).unwrap();
        assert_eq!(expected.len(), 2);
        assert_eq!(certificates_in(expected[1].der()).unwrap(), expected[1..]);
        for name in ["ec.p7b", "ec.p7b.pem"] {
            assert_eq!(certificates_in(&fixture(name)).unwrap(), expected, "{name}");
        }
    }

    #[test]
    fn what_is_found_instead_is_named() {
        let message = |bytes: &[u8]| certificates_in(bytes).unwrap_err().to_string();
        assert!(message(b"<html>not here</html>").contains("found 21 bytes that are neither"));
        assert!(message(b"").contains("found an empty file"));
        assert!(message(&fixture("ec.pkcs8.pem")).contains("found 1 private key"));
        let broken = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        assert!(message(broken).contains("found something else"));
        assert_eq!(
            certificates_in(&[&broken[..], &fixture("ca.pem")].concat())
                .unwrap()
                .len(),
            1
        );
    }
}
