//! Whether an answer counts: what comes over plain HTTP is trusted for nothing but the signature it explains.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::chain::{Certificate, Context, KeyIdMatch, Sha256, rfc3339};

/// Why a certificate that was fetched does not count as the issuer of another. Least near to counting first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dismissal {
    /// There is none.
    Empty,
    /// It is somebody else's.
    OtherSubject(Arc<Certificate>),
    /// It bears the issuer's name, and another key.
    OtherKey(Arc<Certificate>),
    /// It is never to be used.
    Disallowed(Arc<Certificate>),
    /// It has ended, or not begun.
    NotValid(Arc<Certificate>),
    /// It is the root: never sent, and trusted only where the operator says so.
    Root(Arc<Certificate>),
}

impl fmt::Display for Dismissal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("there is no certificate in the answer"),
            Self::OtherSubject(found) => write!(f, "{found} is of another name"),
            Self::OtherKey(found) => write!(
                f,
                "{found} is of the right name, but its key did not make the signature"
            ),
            Self::Disallowed(found) => write!(f, "{found} is on the disallow list"),
            Self::NotValid(found) => write!(
                f,
                "{found} is valid only from {} to {}",
                rfc3339(found.not_before()),
                rfc3339(found.not_after())
            ),
            Self::Root(found) => write!(
                f,
                "{found} is a root, which is never sent, and not among the trusted ones"
            ),
        }
    }
}

/// Judges answers. Each question of whether a key made a signature is decided once.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// By the fingerprints of the certificate and of the key.
    signed: HashMap<(Sha256, Sha256), bool>,
}

/// Of one answer so many certificates with the issuer's name are looked at, those that fit best: a CA has one key and
/// a few cross-certificates for it, and an answer holds a hundred for whoever wants to keep others busy.
const MOST_CANDIDATES: usize = 8;

impl Judge {
    /// Those of `answer` that issued `child`: their subject is the issuer wanted, and their key made its signature.
    /// There may be several, each certified by another CA.
    ///
    /// # Errors
    ///
    /// Where none did, why the one that came nearest is none.
    pub(super) fn issuers(
        &mut self,
        answer: &[Arc<Certificate>],
        child: &Certificate,
        context: &Context<'_>,
    ) -> Result<Vec<Arc<Certificate>>, Dismissal> {
        let (mut candidates, others): (Vec<_>, Vec<_>) = answer
            .iter()
            .partition(|candidate| candidate.subject() == child.issuer());
        candidates.sort_by_key(|candidate| (KeyIdMatch::of(child, candidate), !is_valid(candidate, context)));
        candidates.truncate(MOST_CANDIDATES);
        let other = others.first().map(|other| Dismissal::OtherSubject(Arc::clone(other)));
        let (mut issuers, mut nearest) = (Vec::new(), other.unwrap_or(Dismissal::Empty));
        for candidate in candidates {
            match self.dismissal(candidate, child, context) {
                None => issuers.push(candidate.clone()),
                Some(dismissal) if rank(&dismissal) > rank(&nearest) => nearest = dismissal,
                Some(_) => {}
            }
        }
        if issuers.is_empty() { Err(nearest) } else { Ok(issuers) }
    }

    /// Why `candidate`, which bears the name of the issuer of `child`, is not to be used as such.
    fn dismissal(
        &mut self,
        candidate: &Arc<Certificate>,
        child: &Certificate,
        context: &Context<'_>,
    ) -> Option<Dismissal> {
        let found = || Arc::clone(candidate);
        if !self.is_signed_by(child, candidate, context) {
            Some(Dismissal::OtherKey(found()))
        } else if context.disallowed.contains(candidate) {
            Some(Dismissal::Disallowed(found()))
        } else if candidate.is_self_issued() && self.is_signed_by(candidate, candidate, context) {
            Some(Dismissal::Root(found()))
        } else if !is_valid(candidate, context) {
            Some(Dismissal::NotValid(found()))
        } else {
            None
        }
    }

    fn is_signed_by(&mut self, child: &Certificate, issuer: &Certificate, context: &Context<'_>) -> bool {
        *self
            .signed
            .entry((child.fingerprint(), issuer.key_fingerprint()))
            .or_insert_with(|| context.is_signed_by(child, issuer))
    }
}

fn is_valid(certificate: &Certificate, context: &Context<'_>) -> bool {
    let valid = certificate.not_before().as_secs()..=certificate.not_after().as_secs();
    valid.contains(&context.at.as_secs())
}

fn rank(dismissal: &Dismissal) -> u8 {
    match dismissal {
        Dismissal::Empty => 0,
        Dismissal::OtherSubject(_) => 1,
        Dismissal::OtherKey(_) => 2,
        Dismissal::Disallowed(_) => 3,
        Dismissal::NotValid(_) => 4,
        Dismissal::Root(_) => 5,
    }
}
