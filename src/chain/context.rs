//! What a chain is assembled for: the arguments that are not certificates.

use std::collections::HashSet;

use rustls_pki_types::{SignatureVerificationAlgorithm, UnixTime};

use super::signatures::SignatureCheck;
use super::{Anchors, Certificate, Policy, Sha256, Signatures};

/// The arguments of [`assemble`](super::assemble()) besides the leaf and the store.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Where a chain may end.
    pub anchors: &'a Anchors,
    /// The instant for which validity is judged.
    pub at: UnixTime,
    /// What decides between chains that are equally good for a modern client.
    pub policy: Policy,
    /// Certificates and keys that are never used.
    pub disallowed: &'a Disallowed,
    /// The signature algorithms that clients accept, such as
    /// `rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.all`.
    pub algorithms: &'a [&'a dyn SignatureVerificationAlgorithm],
    /// Algorithms that no client accepts any more, only to tell a weak link from a missing one. May be empty.
    pub weak_algorithms: &'a [&'a dyn SignatureVerificationAlgorithm],
    /// What earlier assemblies found out about signatures.
    pub signatures: &'a Signatures,
    /// Accept a leaf that is itself a CA certificate.
    pub allow_ca_leaf: bool,
    /// Send an anchor that is not self-signed, being an intermediate of somebody else's root: other clients may need
    /// it.
    pub send_intermediate_anchor: bool,
}

impl Context<'_> {
    /// Whether the key of `issuer` made the signature on `child`, with algorithms and a key that clients accept. Not
    /// remembered: strangers offer certificates without end, and what is of use is checked again in assembly.
    pub fn is_signed_by(&self, child: &Certificate, issuer: &Certificate) -> bool {
        child.weak_signature().is_none()
            && issuer.key_algorithm().weakness().is_none()
            && child.signed().check(issuer, self.algorithms) == SignatureCheck::Valid
    }
}

/// Certificates and keys that are never used, as in the `Disallowed` store of Windows: SHA-256 of the whole
/// certificate or of its subjectPublicKeyInfo.
#[derive(Clone, Debug, Default)]
pub struct Disallowed(HashSet<Sha256>);

impl Disallowed {
    /// Whether `certificate` or its key is listed.
    pub fn contains(&self, certificate: &Certificate) -> bool {
        self.0.contains(&certificate.fingerprint()) || self.0.contains(&certificate.key_fingerprint())
    }
}

impl FromIterator<Sha256> for Disallowed {
    fn from_iter<I: IntoIterator<Item = Sha256>>(digests: I) -> Self {
        Self(digests.into_iter().collect())
    }
}
