//! Whose status is asked for: a leaf that names a responder, and the issuer that its answer is judged by.

use std::sync::Arc;

use crate::chain::{Certificate, Chain};
use crate::ocsp::Subject;

/// A leaf and the certificate that issued it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The leaf.
    pub leaf: Arc<Certificate>,
    /// Its issuer.
    pub issuer: Arc<Certificate>,
}

impl Link {
    /// The first link of `chain`, if the leaf names a responder and its issuer is there to verify what that says.
    pub fn of(chain: &Chain) -> Option<Self> {
        let issuer = chain.issuer().filter(|_| !chain.leaf().ocsp_responders().is_empty())?;
        Some(Self {
            leaf: chain.leaf().clone(),
            issuer: issuer.clone(),
        })
    }

    /// Whether the same responses are good for both: any certificate of the issuer's key and name will do.
    pub(super) fn is_answered_like(&self, other: &Self) -> bool {
        self.leaf == other.leaf && self.issuer.key_fingerprint() == other.issuer.key_fingerprint()
    }

    pub(super) fn subject(&self) -> Subject<'_> {
        Subject {
            leaf: &self.leaf,
            issuer: &self.issuer,
        }
    }

    /// The leaf as a log line names it.
    pub(super) fn names(&self) -> String {
        let names = self.leaf.dns_names().map(|name| name.escape_default().to_string());
        let names: Vec<String> = names.collect();
        match names.is_empty() {
            true => self.leaf.to_string(),
            false => names.join(","),
        }
    }
}
