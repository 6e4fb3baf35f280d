//! The examination of one client, in one handshake.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertRevocationListError, CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    SignatureScheme,
};

use super::{ClientCertificates, Examiner, RefusedCertificate};

/// What came of it.
pub(in crate::tls) type Verdict = Result<Arc<ClientCertificates>, RefusedCertificate>;

/// The examination of one client. rustls keeps what the client sent, but not what was verified of it, nor why it was
/// refused; this does.
#[derive(Debug)]
pub(in crate::tls) struct Examination {
    examiner: Arc<Examiner>,
    is_required: bool,
    verdict: Arc<OnceLock<Verdict>>,
}

impl Examination {
    /// An examination by `examiner`; its result is left in `verdict`.
    pub(in crate::tls) fn new(examiner: Arc<Examiner>, is_required: bool, verdict: Arc<OnceLock<Verdict>>) -> Self {
        Self {
            examiner,
            is_required,
            verdict,
        }
    }
}

impl ClientCertVerifier for Examination {
    fn client_auth_mandatory(&self) -> bool {
        self.is_required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.examiner.hints()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let examined = self.examiner.examine(end_entity, intermediates, now);
        let verdict = match &examined {
            Ok(certificates) => Ok(Arc::new(certificates.clone())),
            Err(error) => Err(RefusedCertificate::new(end_entity, error)),
        };
        // rustls asks once a handshake.
        let _ = self.verdict.set(verdict);
        match examined {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(error) => Err(for_the_alert(error)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, self.examiner.algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, self.examiner.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.examiner.algorithms().supported_schemes()
    }
}

/// What rustls makes the fitting alert of (RFC 8446 section 6.2): certificate_expired, unknown_ca and so on.
fn for_the_alert(error: webpki::Error) -> Error {
    use webpki::Error as Webpki;
    match error {
        Webpki::UnknownIssuer => CertificateError::UnknownIssuer.into(),
        Webpki::CertExpired { .. } | Webpki::InvalidCertValidity => CertificateError::Expired.into(),
        Webpki::CertNotValidYet { .. } => CertificateError::NotValidYet.into(),
        Webpki::CertRevoked => CertificateError::Revoked.into(),
        Webpki::UnknownRevocationStatus => CertificateError::UnknownRevocationStatus.into(),
        Webpki::CrlExpired { .. } => CertificateError::ExpiredRevocationList.into(),
        Webpki::InvalidCrlSignatureForPublicKey => CertRevocationListError::BadSignature.into(),
        Webpki::IssuerNotCrlSigner => CertRevocationListError::IssuerInvalidForCrl.into(),
        Webpki::RequiredEkuNotFoundContext(_) => CertificateError::InvalidPurpose.into(),
        Webpki::BadDer | Webpki::BadDerTime | Webpki::TrailingData(_) => CertificateError::BadEncoding.into(),
        Webpki::InvalidSignatureForPublicKey => CertificateError::BadSignature.into(),
        other => CertificateError::Other(OtherError(Arc::new(other))).into(),
    }
}
