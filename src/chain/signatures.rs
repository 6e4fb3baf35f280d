//! Signature checks, each done once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rustls_pki_types::SignatureVerificationAlgorithm;

use super::{Certificate, Sha256};

/// Remembers which key's signature each certificate carries. Kept across reloads, it makes the cost of assembly grow
/// with the links that are new, not with the paths: every cross-certificate of a CA shares one check.
#[derive(Debug, Default)]
pub struct Signatures {
    checked: Mutex<HashMap<(Sha256, Sha256), SignatureCheck>>,
}

/// A message with the signature on it, as X.509 certificates and OCSP responses have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed<'a> {
    /// The DER that was signed.
    pub message: &'a [u8],
    /// The content of the AlgorithmIdentifier.
    pub algorithm: &'a [u8],
    /// The content of the BIT STRING.
    pub signature: &'a [u8],
}

/// Whether a key made a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureCheck {
    /// It did.
    Valid,
    /// It did not.
    Invalid,
    /// No algorithm at hand fits the signature and the key.
    Unsupported,
}

/// About 20 MiB: ten thousand leaves with two dozen candidate keys each. Beyond it everything is forgotten and
/// checked anew.
const MOST_REMEMBERED: usize = 1 << 18;

impl Signatures {
    /// Nothing remembered yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the key of `issuer` signed `child`.
    pub(super) fn check<'a>(
        &self,
        child: &Certificate,
        issuer: &Certificate,
        algorithms: impl Iterator<Item = &'a &'a dyn SignatureVerificationAlgorithm>,
    ) -> SignatureCheck {
        let link = (child.fingerprint(), issuer.key_fingerprint());
        // A panic elsewhere leaves at worst a check forgotten.
        if let Some(check) = self.checked.lock().unwrap_or_else(PoisonError::into_inner).get(&link) {
            return *check;
        }
        let check = child.signed().check(issuer, algorithms);
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if checked.len() >= MOST_REMEMBERED {
            checked.clear();
        }
        checked.insert(link, check);
        check
    }
}

impl Signed<'_> {
    /// Whether the key of `signer` made the signature.
    ///
    /// The algorithm is chosen by both identifiers together: the signature's names the digest, the key's the curve.
    pub fn check<'a>(
        &self,
        signer: &Certificate,
        algorithms: impl IntoIterator<Item = &'a &'a dyn SignatureVerificationAlgorithm>,
    ) -> SignatureCheck {
        let fits = |algorithm: &&&dyn SignatureVerificationAlgorithm| {
            algorithm.signature_alg_id().as_ref() == self.algorithm
                && algorithm.public_key_alg_id().as_ref() == signer.key_algorithm_identifier()
        };
        let mut check = SignatureCheck::Unsupported;
        for algorithm in algorithms.into_iter().filter(fits) {
            if algorithm
                .verify_signature(signer.key(), self.message, self.signature)
                .is_ok()
            {
                return SignatureCheck::Valid;
            }
            check = SignatureCheck::Invalid;
        }
        check
    }
}
