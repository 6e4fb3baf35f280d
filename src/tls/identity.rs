//! A leaf's chains with its signing key and its names, ready for rustls.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{DistinguishedName, SignatureAlgorithm, SignatureScheme};

use super::Error;

/// What the server can prove itself with: a leaf, its key, the names it stands for, and its chains, of which a client
/// gets one.
#[derive(Clone)]
pub struct Identity {
    /// What a client gets that does not say which authorities it trusts, or none that any chain here leads to.
    default: IdentityChain,
    /// For clients that name another authority.
    others: Arc<[IdentityChain]>,
    names: Arc<[Box<str>]>,
    /// The name it goes before all others for.
    made_for: Option<Arc<str>>,
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
            default: IdentityChain::new(CertifiedKey::new(chain, key)),
            others: Arc::new([]),
            names: names.into(),
            made_for: None,
            schemes,
        })
    }

    /// The same identity, which has `others` too: chains of the same leaf, for clients that name one of the authorities
    /// in them (RFC 8446 section 4.2.4). The earlier one is preferred, the default chain to all of them.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyChain`], or [`Error::OtherLeaf`] where a chain is another leaf's.
    pub fn with_other_chains(mut self, others: Vec<Vec<CertificateDer<'static>>>) -> Result<Self, Error> {
        for other in &others {
            match other.first() {
                None => return Err(Error::EmptyChain),
                Some(leaf) if self.chain().first() != Some(leaf) => return Err(Error::OtherLeaf),
                Some(_) => {}
            }
        }
        let others = others.into_iter().map(|chain| self.default.with_certificates(chain));
        self.others = others.collect();
        Ok(self)
    }

    /// The same with `staple`, the DER of an OCSP response, or without any. The key is shared, the chains are copied.
    #[must_use]
    pub fn with_staple(&self, staple: Option<Vec<u8>>) -> Self {
        Self {
            default: self.default.with_staple(staple.clone()),
            others: self
                .others
                .iter()
                .map(|other| other.with_staple(staple.clone()))
                .collect(),
            ..self.clone()
        }
    }

    /// The OCSP response that goes with the leaf.
    pub fn staple(&self) -> Option<&[u8]> {
        self.default.certified_key.ocsp.as_deref()
    }

    /// The same, shown for `name` before all that were not made for it, and even if it is not among its names.
    pub fn made_for(self, name: &str) -> Self {
        Self {
            made_for: Some(name.into()),
            ..self
        }
    }

    /// The certificates as sent to most clients, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.default.certified_key.cert
    }

    /// The chains given to [`Identity::with_other_chains`].
    pub fn other_chains(&self) -> impl Iterator<Item = &[CertificateDer<'static>]> {
        self.others.iter().map(|other| &*other.certified_key.cert)
    }

    /// The names given to [`Identity::new`].
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// The same, to be kept beyond the identity.
    pub(super) fn shared_names(&self) -> &Arc<[Box<str>]> {
        &self.names
    }

    /// The kind of key.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.default.certified_key.key.algorithm()
    }

    /// The chain that most clients get.
    pub(super) fn default_chain(&self) -> &Arc<CertifiedKey> {
        &self.default.certified_key
    }

    /// The first chain in which a certificate was issued by one of `authorities`.
    pub(super) fn chain_from(&self, authorities: &[DistinguishedName]) -> Option<&Arc<CertifiedKey>> {
        let mut chains = std::iter::once(&self.default).chain(&*self.others);
        chains
            .find(|chain| chain.is_from(authorities))
            .map(|chain| &chain.certified_key)
    }

    /// The name it goes before all others for.
    pub(super) fn preferred_name(&self) -> Option<&str> {
        self.made_for.as_deref()
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

/// One chain with its key, and the authorities it answers for.
#[derive(Clone)]
struct IdentityChain {
    certified_key: Arc<CertifiedKey>,
    /// The DER of each certificate's issuer, the last of which is the anchor's subject.
    issuers: Arc<[Box<[u8]>]>,
}

impl IdentityChain {
    fn new(certified_key: CertifiedKey) -> Self {
        // One that cannot be read answers for nobody and is sent all the same.
        let issuer = |certificate: &CertificateDer<'_>| {
            let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
            Some(Box::from(certificate.issuer().as_raw()))
        };
        Self {
            issuers: certified_key.cert.iter().filter_map(issuer).collect(),
            certified_key: Arc::new(certified_key),
        }
    }

    /// The same key, and whatever else belongs to the leaf, with another chain.
    fn with_certificates(&self, chain: Vec<CertificateDer<'static>>) -> Self {
        Self::new(CertifiedKey {
            cert: chain,
            ..CertifiedKey::clone(&self.certified_key)
        })
    }

    fn with_staple(&self, staple: Option<Vec<u8>>) -> Self {
        Self {
            certified_key: Arc::new(CertifiedKey {
                ocsp: staple,
                ..CertifiedKey::clone(&self.certified_key)
            }),
            issuers: Arc::clone(&self.issuers),
        }
    }

    /// Whether one of `authorities` issued a certificate of the chain: "a root or a subordinate CA" may be named (RFC
    /// 8446 section 4.2.4). Names are compared byte for byte: a client takes them from the certificates that it has.
    fn is_from(&self, authorities: &[DistinguishedName]) -> bool {
        let is_issuer =
            |authority: &DistinguishedName| self.issuers.iter().any(|issuer| **issuer == *authority.as_ref());
        authorities.iter().take(MOST_AUTHORITIES).any(is_issuer)
    }
}

/// Authorities of one client that are looked at. Browsers' root stores hold 150 to 400; an extension has room for
/// 20,000 that mean nothing.
const MOST_AUTHORITIES: usize = 1_000;

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
        assert!(Arc::ptr_eq(&stapled.default_chain().key, &identity.default_chain().key));
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
    fn further_chains_answer_for_the_authorities_in_them_and_share_the_key() {
        let (pki, older) = (Pki::new(), Pki::named("older"));
        let identity = pki.identity(&["a.test"]);
        // What matters here is who issued it.
        let (cross, _) = older.leaf(&["cross"], KeyPair::generate().unwrap());
        let long = [identity.chain(), &cross].concat();
        let identity = identity.with_other_chains(vec![long.clone()]).unwrap();
        let chain_from = |authorities: &[DistinguishedName]| identity.chain_from(authorities).cloned();
        let to_older = chain_from(&[older.authority()]).unwrap();
        assert_eq!(to_older.cert, long);
        assert!(Arc::ptr_eq(&to_older.key, &identity.default_chain().key));
        let both = chain_from(&[older.authority(), pki.authority()]).unwrap();
        assert!(Arc::ptr_eq(&both, identity.default_chain()));
        assert!(chain_from(&[Pki::named("stranger").authority()]).is_none());
        assert!(chain_from(&[]).is_none());
    }

    #[test]
    fn a_further_chain_is_for_the_same_leaf() {
        let pki = Pki::new();
        let refused = |other: Vec<_>| pki.identity(&["a.test"]).with_other_chains(vec![other]).unwrap_err();
        let (other, _) = pki.leaf(&["a.test"], KeyPair::generate().unwrap());
        assert!(matches!(refused(other), Error::OtherLeaf));
        assert!(matches!(refused(Vec::new()), Error::EmptyChain));
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
