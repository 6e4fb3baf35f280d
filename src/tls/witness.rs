//! A verifier that takes down what a server presents and believes nothing and everything: for looking alone.

use std::sync::OnceLock;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};

/// Takes down what a server presents and agrees to everything.
#[derive(Debug)]
pub(super) struct Witness {
    schemes: Vec<SignatureScheme>,
    testimony: OnceLock<Testimony>,
}

/// What was taken down.
#[derive(Debug)]
pub(super) struct Testimony {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) ocsp_response: Option<Vec<u8>>,
}

impl Witness {
    /// Has heard nothing yet, and offers these signature schemes.
    pub(super) fn new(schemes: Vec<SignatureScheme>) -> Self {
        Self {
            schemes,
            testimony: OnceLock::new(),
        }
    }

    /// What the server presented, if it came to that.
    pub(super) fn testimony(&self) -> Option<&Testimony> {
        self.testimony.get()
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        beside: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp_response: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.testimony.get_or_init(|| Testimony {
            certificates: [leaf]
                .into_iter()
                .chain(beside)
                .map(|certificate| certificate.clone().into_owned())
                .collect(),
            ocsp_response: (!ocsp_response.is_empty()).then(|| ocsp_response.to_vec()),
        });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}
