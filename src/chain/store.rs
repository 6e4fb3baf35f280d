//! The store: every certificate that may stand between a leaf and an anchor.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Certificate, Name, Sha256};

/// The searchable set of intermediates. Order and repetition of insertion never matter.
#[derive(Clone, Debug, Default)]
pub struct Store {
    certificates: Vec<Arc<Certificate>>,
    /// Where each is in `certificates`.
    places: HashMap<Sha256, usize>,
    by_subject: HashMap<Name, ByKeyId>,
}

/// The certificates of one subject, by subjectKeyIdentifier. Some private CAs give every CA certificate the same
/// subject (SPIRE does): then only the key identifier keeps a search from trying a thousand keys.
#[derive(Clone, Debug, Default)]
pub(super) struct ByKeyId {
    pub(super) without: Vec<Arc<Certificate>>,
    pub(super) with: HashMap<Box<[u8]>, Vec<Arc<Certificate>>>,
}

impl ByKeyId {
    fn remove(&mut self, certificate: &Certificate) {
        let is_other = |other: &Arc<Certificate>| **other != *certificate;
        match certificate.subject_key_id() {
            None => self.without.retain(is_other),
            Some(key_id) => {
                if let Some(certificates) = self.with.get_mut(key_id) {
                    certificates.retain(is_other);
                    if certificates.is_empty() {
                        self.with.remove(key_id);
                    }
                }
            }
        }
    }
}

impl Store {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `certificate` and tells whether it is new: the whole DER decides.
    pub fn insert(&mut self, certificate: Arc<Certificate>) -> bool {
        if self.contains(&certificate) {
            return false;
        }
        self.places.insert(certificate.fingerprint(), self.certificates.len());
        let of_subject = self.by_subject.entry(certificate.subject().clone()).or_default();
        match certificate.subject_key_id() {
            None => of_subject.without.push(certificate.clone()),
            Some(key_id) => of_subject
                .with
                .entry(key_id.into())
                .or_default()
                .push(certificate.clone()),
        }
        self.certificates.push(certificate);
        true
    }

    /// Takes `certificate` out and tells whether it was there.
    pub fn remove(&mut self, certificate: &Certificate) -> bool {
        let Some(place) = self.places.remove(&certificate.fingerprint()) else {
            return false;
        };
        self.certificates.swap_remove(place);
        if let Some(moved) = self.certificates.get(place) {
            self.places.insert(moved.fingerprint(), place);
        }
        if let Some(of_subject) = self.by_subject.get_mut(certificate.subject()) {
            of_subject.remove(certificate);
            if of_subject.without.is_empty() && of_subject.with.is_empty() {
                self.by_subject.remove(certificate.subject());
            }
        }
        true
    }

    /// How many different certificates there are.
    pub fn len(&self) -> usize {
        self.certificates.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }

    /// Whether this very certificate is in the store.
    pub fn contains(&self, certificate: &Certificate) -> bool {
        self.places.contains_key(&certificate.fingerprint())
    }

    /// Every certificate, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        self.certificates.iter()
    }

    pub(super) fn by_subject(&self, subject: &Name) -> Option<&ByKeyId> {
        self.by_subject.get(subject)
    }
}

impl FromIterator<Arc<Certificate>> for Store {
    fn from_iter<I: IntoIterator<Item = Arc<Certificate>>>(certificates: I) -> Self {
        let mut store = Self::new();
        store.extend(certificates);
        store
    }
}

impl Extend<Arc<Certificate>> for Store {
    fn extend<I: IntoIterator<Item = Arc<Certificate>>>(&mut self, certificates: I) {
        for certificate in certificates {
            self.insert(certificate);
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyIdMethod, KeyPair};

    use super::*;

    fn certificate(name: &str, has_key_id: bool) -> Arc<Certificate> {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        if has_key_id {
            params.is_ca = rcgen::IsCa::ExplicitNoCa;
            params.key_identifier_method = KeyIdMethod::Sha256;
        }
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone();
        Arc::new(Certificate::from_der(der).unwrap())
    }

    #[test]
    fn what_is_taken_out_is_found_no_more_and_the_others_are() {
        let certificates = [("A", true), ("A", false), ("A", true), ("B", true)];
        let certificates = certificates.map(|(name, has_key_id)| certificate(name, has_key_id));
        assert!(certificates[0].subject_key_id().is_some() && certificates[1].subject_key_id().is_none());
        for gone in 0..certificates.len() {
            let mut store: Store = certificates.iter().cloned().collect();
            assert!(store.remove(&certificates[gone]));
            assert!(!store.remove(&certificates[gone]));
            assert_eq!((store.len(), store.iter().count()), (3, 3));
            for (place, certificate) in certificates.iter().enumerate() {
                let found = store.by_subject(certificate.subject());
                let mut all = found
                    .into_iter()
                    .flat_map(|found| found.with.values().flatten().chain(&found.without));
                assert_eq!(all.any(|found| found == certificate), place != gone);
                assert_eq!(store.contains(certificate), place != gone);
            }
            assert!(store.insert(certificates[gone].clone()));
        }
    }
}
