//! The certificates that a client has proved itself with.

use rustls::pki_types::CertificateDer;

/// The certificates that a client has proved itself with, verified up to a configured CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificates {
    leaf: CertificateDer<'static>,
    intermediates: Vec<CertificateDer<'static>>,
}

impl ClientCertificates {
    pub(super) fn new(leaf: CertificateDer<'static>, intermediates: Vec<CertificateDer<'static>>) -> Self {
        Self { leaf, intermediates }
    }

    /// The client's own.
    pub fn leaf(&self) -> &CertificateDer<'static> {
        &self.leaf
    }

    /// Those between it and the configured CA, each the issuer of the one before. What else the client sent is not among
    /// them.
    pub fn intermediates(&self) -> &[CertificateDer<'static>] {
        &self.intermediates
    }
}
