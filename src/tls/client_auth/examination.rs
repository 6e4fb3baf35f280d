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

#[cfg(test)]
mod tests {
    use rustls::HandshakeKind::Full;
    use rustls::version::{TLS12, TLS13};

    use super::*;
    use crate::tls::rig::{Client, Pki, client_auth, examiner, snapshot};
    use crate::tls::{Demand, Revocation, Snapshot};

    const HOSTS: [&str; 3] = ["off.test", "optional.test", "required.test"];

    /// Asks nothing, something and everything of the clients of its three hosts.
    fn house(pki: &Pki) -> Snapshot {
        let examiner = Arc::new(examiner(&[pki], vec![pki.crl(&[9], 2100)], Some(Revocation::default())));
        snapshot([pki.identity(&HOSTS)]).with_client_auth(client_auth([
            ("optional.test", Demand::Optional(Arc::clone(&examiner))),
            ("required.test", Demand::Required(examiner)),
        ]))
    }

    #[test]
    fn each_host_asks_what_its_policy_says_in_both_versions() {
        let pki = Pki::new();
        let house = house(&pki);
        for version in [&TLS12, &TLS13] {
            let bare = || Client::of(&pki).version(version);
            let known = || bare().showing(pki.client("known", 1));
            for (host, without) in HOSTS.into_iter().zip([true, true, false]) {
                assert_eq!(bare().handshake(&house, host).is_ok(), without, "{host}");
                let agreed = known().handshake(&house, host).unwrap();
                assert_eq!(agreed.client.is_some(), host != "off.test", "{host}");
            }
            for refused in [Pki::named("stranger").client("c", 1), pki.client("revoked", 9)] {
                let client = || bare().showing(refused.clone());
                assert!(client().handshake(&house, "off.test").is_ok());
                assert!(client().handshake(&house, "optional.test").is_err());
                assert!(client().handshake(&house, "required.test").is_err());
            }
        }
    }

    /// CVE-2025-23419: a session that began with one host's authentication, or without any, goes on nowhere else.
    #[test]
    fn no_session_takes_authentication_from_one_host_to_another_or_goes_on_without_it() {
        let pki = Pki::new();
        let house = house(&pki);
        for version in [&TLS12, &TLS13] {
            let client = Client::of(&pki)
                .version(version)
                .showing(pki.client("known", 1))
                .that_confuses_names();
            for host in [
                "off.test",
                "optional.test",
                "required.test",
                "optional.test",
                "required.test",
            ] {
                assert_eq!(client.handshake(&house, host).unwrap().kind, Some(Full), "{host}");
            }
            // One that has no certificate does not get in with a session of another host.
            let bare = Client::of(&pki).version(version).that_confuses_names();
            assert!(bare.handshake(&house, "off.test").is_ok());
            assert!(bare.handshake(&house, "required.test").is_err());
        }
    }

    #[test]
    fn where_nothing_is_asked_sessions_go_on_as_ever() {
        use rustls::HandshakeKind::Resumed;

        let pki = Pki::new();
        let house = house(&pki);
        for version in [&TLS12, &TLS13] {
            let client = Client::of(&pki).version(version);
            assert_eq!(client.handshake(&house, "off.test").unwrap().kind, Some(Full));
            assert_eq!(client.handshake(&house, "off.test").unwrap().kind, Some(Resumed));
        }
    }

    #[test]
    fn a_client_without_a_name_is_asked_what_all_others_are() {
        let pki = Pki::new();
        let examiner = Arc::new(pki.examiner());
        let house = snapshot([pki.identity(&HOSTS)]).with_client_auth(client_auth([
            ("", Demand::Required(examiner)),
            ("off.test", Demand::Nothing),
        ]));
        let bare = || Client::of(&pki);
        assert!(bare().without_server_name().handshake(&house, "off.test").is_err());
        assert!(bare().handshake(&house, "off.test").is_ok());
        let known = bare().without_server_name().showing(pki.client("known", 1));
        assert!(known.handshake(&house, "off.test").unwrap().client.is_some());
    }
}
