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

/// Whether a key made the signature on a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignatureCheck {
    Valid,
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
        let check = verify(child, issuer, algorithms);
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if checked.len() >= MOST_REMEMBERED {
            checked.clear();
        }
        checked.insert(link, check);
        check
    }
}

/// The algorithm is chosen by both identifiers together: the signature's names the digest, the key's the curve.
fn verify<'a>(
    child: &Certificate,
    issuer: &Certificate,
    algorithms: impl Iterator<Item = &'a &'a dyn SignatureVerificationAlgorithm>,
) -> SignatureCheck {
    let fits = |algorithm: &&&dyn SignatureVerificationAlgorithm| {
        algorithm.signature_alg_id().as_ref() == child.signature_algorithm()
            && algorithm.public_key_alg_id().as_ref() == issuer.key_algorithm_identifier()
    };
    let mut check = SignatureCheck::Unsupported;
    for algorithm in algorithms.filter(fits) {
        if algorithm
            .verify_signature(issuer.key(), child.tbs(), child.signature())
            .is_ok()
        {
            return SignatureCheck::Valid;
        }
        check = SignatureCheck::Invalid;
    }
    check
}
