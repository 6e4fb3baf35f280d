//! Whether an answer counts: what comes over plain HTTP is trusted for nothing but the signature it explains.

use std::fmt;
use std::sync::Arc;

use crate::chain::{Certificate, Context, rfc3339};

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

/// Those of `answer` that issued `child`: their subject is the issuer wanted, and their key made its signature. There
/// may be several, each certified by another CA.
///
/// # Errors
///
/// Where none did, why the one that came nearest is none.
pub(super) fn issuers(
    answer: &[Arc<Certificate>],
    child: &Certificate,
    context: &Context<'_>,
) -> Result<Vec<Arc<Certificate>>, Dismissal> {
    let (mut issuers, mut nearest) = (Vec::new(), Dismissal::Empty);
    for candidate in answer {
        match dismissal(candidate, child, context) {
            None => issuers.push(candidate.clone()),
            Some(dismissal) if rank(&dismissal) > rank(&nearest) => nearest = dismissal,
            Some(_) => {}
        }
    }
    if issuers.is_empty() { Err(nearest) } else { Ok(issuers) }
}

fn dismissal(candidate: &Arc<Certificate>, child: &Certificate, context: &Context<'_>) -> Option<Dismissal> {
    let found = || Arc::clone(candidate);
    let valid = candidate.not_before().as_secs()..=candidate.not_after().as_secs();
    if candidate.subject() != child.issuer() {
        Some(Dismissal::OtherSubject(found()))
    } else if !context.is_signed_by(child, candidate) {
        Some(Dismissal::OtherKey(found()))
    } else if context.disallowed.contains(candidate) {
        Some(Dismissal::Disallowed(found()))
    } else if candidate.is_self_issued() && context.is_signed_by(candidate, candidate) {
        Some(Dismissal::Root(found()))
    } else if !valid.contains(&context.at.as_secs()) {
        Some(Dismissal::NotValid(found()))
    } else {
        None
    }
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
