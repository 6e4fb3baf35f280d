//! The anchors: where a chain may end, and what is never sent.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Certificate, Name, Sha256};

/// The trusted roots. Trust lies in subject and key (RFC 5280 section 6.1.1 (d)); the certificate around them is only
/// their carrier.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    by_subject: HashMap<Name, Vec<Arc<Certificate>>>,
    fingerprints: HashSet<Sha256>,
}

impl Anchors {
    /// No anchors: every chain ends unanchored.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `certificate` and tells whether it is new.
    pub fn insert(&mut self, certificate: Arc<Certificate>) -> bool {
        if !self.fingerprints.insert(certificate.fingerprint()) {
            return false;
        }
        self.by_subject
            .entry(certificate.subject().clone())
            .or_default()
            .push(certificate);
        true
    }

    /// How many anchors there are.
    pub fn len(&self) -> usize {
        self.fingerprints.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.fingerprints.is_empty()
    }

    /// Every anchor, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        self.by_subject.values().flatten()
    }

    /// Whether this very certificate is an anchor.
    pub fn contains(&self, certificate: &Certificate) -> bool {
        self.fingerprints.contains(&certificate.fingerprint())
    }

    pub(super) fn by_subject(&self, subject: &Name) -> &[Arc<Certificate>] {
        self.by_subject.get(subject).map_or(&[], Vec::as_slice)
    }
}

impl FromIterator<Arc<Certificate>> for Anchors {
    fn from_iter<I: IntoIterator<Item = Arc<Certificate>>>(certificates: I) -> Self {
        let mut anchors = Self::new();
        anchors.extend(certificates);
        anchors
    }
}

impl Extend<Arc<Certificate>> for Anchors {
    fn extend<I: IntoIterator<Item = Arc<Certificate>>>(&mut self, certificates: I) {
        for certificate in certificates {
            self.insert(certificate);
        }
    }
}
