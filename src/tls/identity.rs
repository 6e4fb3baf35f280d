//! A chain with its signing key and its names, ready for rustls.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};

use super::Error;

/// What the server can prove itself with to one client: a chain, its key, and the names it stands for.
#[derive(Clone)]
pub struct Identity {
    certified_key: Arc<CertifiedKey>,
    names: Arc<[Box<str>]>,
    /// What the key can sign for; asked once here, because rustls allocates a signer for every answer.
    schemes: Arc<[SignatureScheme]>,
}

impl Identity {
    /// Puts `chain` (leaf first, as it will be sent) and its `key` together.
    ///
    /// `names` are those of the leaf: DNS names in lower case, `*.` wildcards included, and IP addresses as text.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyChain`], [`Error::Leaf`], [`Error::Key`], or [`Error::KeyMismatch`] where `key` is another
    /// certificate's.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: &PrivateKeyDer<'static>,
        names: Vec<Box<str>>,
    ) -> Result<Self, Error> {
        let leaf = chain.first().ok_or(Error::EmptyChain)?;
        let key = any_supported_type(key).map_err(Error::Key)?;
        check_key_fits(leaf, &*key)?;
        let schemes = SCHEMES
            .iter()
            .copied()
            .filter(|scheme| key.choose_scheme(&[*scheme]).is_some())
            .collect();
        Ok(Self {
            certified_key: Arc::new(CertifiedKey::new(chain, key)),
            names: names.into(),
            schemes,
        })
    }

    /// The same with `staple`, the DER of an OCSP response, or without any. The key is shared, the chain is copied.
    #[must_use]
    pub fn with_staple(&self, staple: Option<Vec<u8>>) -> Self {
        let certified_key = CertifiedKey {
            ocsp: staple,
            ..CertifiedKey::clone(&self.certified_key)
        };
        Self {
            certified_key: Arc::new(certified_key),
            ..self.clone()
        }
    }

    /// The OCSP response that goes with the chain.
    pub fn staple(&self) -> Option<&[u8]> {
        self.certified_key.ocsp.as_deref()
    }

    /// The certificates as sent, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified_key.cert
    }

    /// The names given to [`Identity::new`].
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// The kind of key.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.certified_key.key.algorithm()
    }

    pub(super) fn certified_key(&self) -> &Arc<CertifiedKey> {
        &self.certified_key
    }

    /// The signature schemes the key can sign with.
    pub(super) fn schemes(&self) -> &[SignatureScheme] {
        &self.schemes
    }
}

/// Never shows the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("names", &self.names)
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}

/// As [`CertifiedKey::keys_match`], but reads the leaf leniently: rustls-webpki refuses X.509 version 1 and unknown
/// critical extensions, which other clients of a private PKI may well accept.
fn check_key_fits(leaf: &CertificateDer<'_>, key: &dyn SigningKey) -> Result<(), Error> {
    let (_, leaf) = x509_parser::parse_x509_certificate(leaf).map_err(Error::Leaf)?;
    match key.public_key() {
        Some(public_key) if public_key.as_ref() == leaf.public_key().raw => Ok(()),
        _ => Err(Error::KeyMismatch),
    }
}

/// Every scheme a key of this provider may sign with (RFC 8446 section 4.2.3).
const SCHEMES: &[SignatureScheme] = &[
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED25519,
    SignatureScheme::ML_DSA_44,
    SignatureScheme::ML_DSA_65,
    SignatureScheme::ML_DSA_87,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
];

#[cfg(test)]
mod tests {
    use rcgen::KeyPair;

    use super::*;
    use crate::tls::rig::Pki;

    #[test]
    fn a_key_signs_for_the_schemes_of_its_kind() {
        let pki = Pki::new();
        let ecdsa = pki.identity(&["a.test"]);
        assert_eq!(ecdsa.algorithm(), SignatureAlgorithm::ECDSA);
        assert_eq!(ecdsa.schemes(), [SignatureScheme::ECDSA_NISTP256_SHA256]);
        let rsa = pki.rsa_identity(&["a.test"]);
        assert_eq!(rsa.algorithm(), SignatureAlgorithm::RSA);
        assert!(rsa.schemes().contains(&SignatureScheme::RSA_PSS_SHA256));
        assert!(!rsa.schemes().contains(&SignatureScheme::ECDSA_NISTP256_SHA256));
    }

    #[test]
    fn a_staple_is_put_on_and_taken_off_and_all_else_stays() {
        let identity = Pki::new().identity(&["a.test"]);
        let stapled = identity.with_staple(Some(vec![7]));
        assert_eq!((identity.staple(), stapled.staple()), (None, Some(&[7][..])));
        assert_eq!(stapled.chain(), identity.chain());
        assert!(Arc::ptr_eq(&stapled.certified_key.key, &identity.certified_key.key));
        assert_eq!(stapled.with_staple(None).staple(), None);
    }

    #[test]
    fn the_key_of_another_certificate_is_refused() {
        let (chain, _) = Pki::new().leaf(&["a.test"], KeyPair::generate().unwrap());
        let other = KeyPair::generate().unwrap().into();
        let refused = Identity::new(chain, &other, Vec::new());
        assert!(matches!(refused, Err(Error::KeyMismatch)));
    }

    #[test]
    fn a_chain_needs_a_leaf_that_can_be_read() {
        let key = KeyPair::generate().unwrap().into();
        let empty = Identity::new(Vec::new(), &key, Vec::new());
        assert!(matches!(empty, Err(Error::EmptyChain)));
        let garbage = Identity::new(vec![CertificateDer::from(vec![0x30, 0x82])], &key, Vec::new());
        assert!(matches!(garbage, Err(Error::Leaf(_))));
    }

    #[test]
    fn bytes_that_are_no_key_are_refused() {
        let (chain, _) = Pki::new().leaf(&["a.test"], KeyPair::generate().unwrap());
        let key = PrivateKeyDer::Pkcs8(b"not a key".to_vec().into());
        assert!(matches!(Identity::new(chain, &key, Vec::new()), Err(Error::Key(_))));
    }

    #[test]
    fn debug_output_names_the_identity_and_nothing_secret() {
        let text = format!("{:?}", Pki::new().identity(&["a.test"]));
        assert_eq!(text, r#"Identity { names: ["a.test"], algorithm: ECDSA, .. }"#);
    }
}
