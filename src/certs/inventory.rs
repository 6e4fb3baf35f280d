//! Everything the configured files hold, as one value.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::anchors::anchors;
use super::certificates::Certificates;
use super::client_trust::{ClientTrust, LoadedClientTrust, RevocationLists};
use super::directories::Found;
use super::files::Files;
use super::key::KeyReader;
use super::store::store;
use super::ticket_keys::{LoadedTicketMaterial, TicketMaterial};
use super::uses::Uses;
use super::{Bundle, BundleSettings, ClientTrustSettings, Error, Gaps, Listing, Settings};
use crate::chain::{Anchors, Certificate, Name, Sha256, Store};

/// Everything the configured files hold. Made again of later readings, it takes over what is the same.
#[derive(Debug, Default)]
pub struct Inventory {
    /// One entry for each of [`Settings::bundles`], in their order, then those of the certificate directories.
    pub bundles: Vec<(Arc<BundleSettings>, LoadedBundle)>,
    /// What became of each of [`Settings::directories`].
    pub directories: Vec<(PathBuf, Listing)>,
    /// What they hold in part only.
    pub gaps: Gaps,
    /// The intermediates of the store, and what lies beside each leaf: what one bundle brings serves all hosts.
    pub store: Store,
    /// The trusted roots.
    pub anchors: Anchors,
    /// What became of each of [`Settings::client_trust`], in their order.
    pub client_trust: Vec<(ClientTrustSettings, LoadedClientTrust)>,
    /// What became of [`Settings::tickets`].
    pub tickets: Option<LoadedTicketMaterial>,
    /// What is broken and was skipped. Errors of a bundle are in `bundles`.
    pub problems: Vec<Error>,
    pub(super) certificates: Certificates,
    revocation_lists: RevocationLists,
    loaded: HashMap<Arc<BundleSettings>, Loaded>,
    /// The bundles with something broken beside what is served.
    pub(super) problematic: HashSet<Arc<BundleSettings>>,
    pub(super) uses: Uses,
}

/// What came of loading a bundle.
pub type LoadedBundle = Result<Arc<Bundle>, Error>;

/// What a bundle was loaded from, and what came of it.
#[derive(Debug)]
struct Loaded {
    /// Of its files, in a fixed order; `None` where one cannot be read.
    digests: [Option<Sha256>; 4],
    bundle: LoadedBundle,
    problems: Vec<Error>,
    is_in_use: bool,
}

impl Loaded {
    /// Whether a file could not be read, the staple included.
    fn has_unread(&self) -> bool {
        let is_unread_file = |problem: &Error| matches!(problem, Error::Read { .. });
        is_unread(&self.bundle) || self.problems.iter().any(is_unread_file)
    }
}

/// What is not the same as before.
#[derive(Debug, Default)]
pub struct Change {
    /// The subjects of the certificates that the store has gained or lost.
    pub subjects: HashSet<Name>,
    /// Whether any anchor was added or removed.
    pub anchors: bool,
}

impl Inventory {
    /// Reads what `files` hold; `settings` must be those the files were read for. Touches no file.
    pub fn read(settings: &Settings, files: &Files, public_key_of: &KeyReader<'_>) -> Self {
        let mut inventory = Self::default();
        inventory.update(settings, files, public_key_of);
        inventory
    }

    /// Reads what has changed in `files` since the last call. `settings` must be those the files were read for, and the
    /// same as in the last call.
    pub fn update(&mut self, settings: &Settings, files: &Files, public_key_of: &KeyReader<'_>) -> Change {
        match self.update_at(files, public_key_of) {
            Some(change) => change,
            None => self.update_all(settings, files, public_key_of),
        }
    }

    /// Whether files could not be read. Then it may be worth while to try again though none has changed.
    pub fn has_unread(&self) -> bool {
        let is_unread_file = |problem: &Error| matches!(problem, Error::Read { .. });
        self.bundles.iter().any(|(_, bundle)| is_unread(bundle))
            || self.problems.iter().any(is_unread_file)
            || self
                .client_trust
                .iter()
                .any(|(_, trust)| trust.as_ref().is_err_and(|faults| faults.iter().any(is_unread_file)))
            || self
                .tickets
                .iter()
                .any(|tickets| tickets.as_ref().is_err_and(|faults| faults.iter().any(is_unread_file)))
            || self.has_unlisted()
    }

    /// Whether a certificate directory could not be listed, or its password not be read: what lies in it is not known.
    pub(super) fn has_unlisted(&self) -> bool {
        let mut listings = self.directories.iter().map(|(_, listing)| listing);
        listings.any(|listing| matches!(listing, Listing::Unreadable(_)))
    }

    /// Goes through everything once more, as [`update`](Self::update) does where much has changed.
    pub fn update_all(&mut self, settings: &Settings, files: &Files, public_key_of: &KeyReader<'_>) -> Change {
        self.problems.clear();
        let found = Found::in_directories(settings, files, &mut self.problems);
        let certificates = &mut self.certificates;
        let mut stored = store(&settings.intermediates, files, certificates, &mut self.problems);
        let chains = found.chains.iter();
        stored.extend(chains.flat_map(|path| certificates.below(path, files, &mut self.problems)));
        let anchors = anchors(&settings.roots, files, certificates, &mut self.problems);
        self.load(settings.bundles.iter().chain(&found.bundles), files, public_key_of);
        self.directories = found.directories;
        self.gaps = found.gaps;
        for (_, bundle) in &self.bundles {
            stored.extend(bundle.iter().flat_map(|bundle| bundle.beside.iter().cloned()));
        }
        let change = Change {
            subjects: make_hold(&mut self.store, stored),
            anchors: !are_same(&self.anchors, &anchors),
        };
        self.anchors = anchors;
        self.client_trust = settings
            .client_trust
            .iter()
            .map(|trust| {
                let (certificates, lists) = (&mut self.certificates, &mut self.revocation_lists);
                let loaded = ClientTrust::load(trust, files, certificates, lists, &mut self.problems);
                (trust.clone(), loaded)
            })
            .collect();
        let tickets = settings.tickets.as_ref();
        self.tickets = tickets.map(|tickets| TicketMaterial::load(tickets, files));
        self.certificates.forget_unused();
        self.revocation_lists.forget_unused();
        self.uses = Uses::of(settings, files, &self.bundles);
        change
    }

    fn load<'s>(
        &mut self,
        bundles: impl Iterator<Item = &'s BundleSettings>,
        files: &Files,
        public_key_of: &KeyReader<'_>,
    ) {
        self.bundles.clear();
        for settings in bundles {
            let digests = [
                Some(&settings.certificate),
                settings.key.as_ref(),
                settings.password_file.as_ref(),
                settings.staple.as_ref(),
            ]
            .map(|path| path.and_then(|path| files.digest(path)));
            let is_same = |loaded: &Loaded| !loaded.has_unread() && loaded.digests == digests;
            let (settings, mut loaded) = match self.loaded.remove_entry(settings) {
                Some((settings, loaded)) if is_same(&loaded) => (settings, loaded),
                before => {
                    let mut problems = Vec::new();
                    let bundle = Bundle::load(settings, files, public_key_of, &mut self.certificates, &mut problems);
                    let loaded = Loaded {
                        digests,
                        bundle: bundle.map(Arc::new),
                        problems,
                        is_in_use: true,
                    };
                    let known = before.map(|(settings, _)| settings);
                    (known.unwrap_or_else(|| Arc::new(settings.clone())), loaded)
                }
            };
            loaded.is_in_use = true;
            self.problems.extend(loaded.problems.iter().cloned());
            self.bundles.push((Arc::clone(&settings), loaded.bundle.clone()));
            self.loaded.insert(settings, loaded);
        }
        let problematic = self.loaded.iter().filter(|(_, loaded)| !loaded.problems.is_empty());
        self.problematic = problematic.map(|(settings, _)| Arc::clone(settings)).collect();
        self.loaded
            .retain(|_, loaded| std::mem::replace(&mut loaded.is_in_use, false));
    }
}

/// Whether a file could not be read, which may be different the next time though nothing has changed.
fn is_unread(bundle: &LoadedBundle) -> bool {
    matches!(bundle, Err(Error::Read { .. }))
}

/// Makes `store` hold `certificates` and nothing else. The subjects of what it gains and loses.
fn make_hold(store: &mut Store, certificates: Vec<Arc<Certificate>>) -> HashSet<Name> {
    let mut subjects = HashSet::new();
    let mut wanted = HashSet::with_capacity(certificates.len());
    for certificate in certificates {
        wanted.insert(certificate.fingerprint());
        if store.insert(Arc::clone(&certificate)) {
            subjects.insert(certificate.subject().clone());
        }
    }
    if store.len() > wanted.len() {
        let is_gone = |certificate: &&Arc<Certificate>| !wanted.contains(&certificate.fingerprint());
        let gone: Vec<_> = store.iter().filter(is_gone).cloned().collect();
        for certificate in gone {
            store.remove(&certificate);
            subjects.insert(certificate.subject().clone());
        }
    }
    subjects
}

fn are_same(one: &Anchors, other: &Anchors) -> bool {
    one.len() == other.len() && one.iter().all(|anchor| other.contains(anchor))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::certs::testing::{fixture, public_key};
    use crate::certs::{Look, Origin, Roots};

    fn settings(directory: &Path) -> Settings {
        let bundle = |certificate: &str, key: &str| BundleSettings {
            origin: Origin::Configuration,
            certificate: directory.join(certificate),
            key: Some(directory.join(key)),
            password_file: None,
            staple: None,
            allow_ca_leaf: false,
            policy: None,
        };
        Settings {
            bundles: vec![
                bundle("broken.pem", "ec.key"),
                bundle("ec.pem", "ec.key"),
                bundle("rsa.pem", "rsa.key"),
            ],
            intermediates: vec![directory.join("store")],
            roots: Roots::Files(vec![directory.join("ca.pem")]),
            ..Settings::default()
        }
    }

    #[test]
    fn bundles_keep_their_order_and_bring_what_lies_beside_them_into_the_store() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::create_dir(path.join("store")).unwrap();
        for (name, contents) in [
            ("broken.pem", b"nothing".to_vec()),
            ("ec.pem", [fixture("ec.test.pem"), fixture("ca.pem")].concat()),
            ("ec.key", fixture("ec.sec1.pem")),
            ("rsa.pem", fixture("rsa.test.pem")),
            ("rsa.key", fixture("rsa.pkcs1.pem")),
            ("ca.pem", fixture("ca.pem")),
            ("store/torn.pem", fixture("ca.pem")[..100].to_vec()),
        ] {
            fs::write(path.join(name), contents).unwrap();
        }
        let settings = settings(path);
        let inventory = Inventory::read(&settings, &Files::read(&settings), &public_key);
        let [(_, broken), (_, ec), (_, rsa)] = inventory.bundles.as_slice() else {
            panic!("{:?}", inventory.bundles)
        };
        assert_eq!(
            broken.as_ref().unwrap_err().path(),
            Some(path.join("broken.pem").as_path())
        );
        assert_eq!(ec.as_ref().unwrap().leaf.subject().to_string(), "CN=ec.test");
        assert_eq!(rsa.as_ref().unwrap().leaf.subject().to_string(), "CN=rsa.test");
        assert_eq!(inventory.store.len(), 1, "the CA beside the first leaf");
        assert_eq!(inventory.anchors.len(), 1);
        let [torn] = inventory.problems.as_slice() else {
            panic!("{:?}", inventory.problems.as_slice())
        };
        assert_eq!(torn.path(), Some(path.join("store/torn.pem").as_path()));
    }

    #[test]
    fn bundles_share_the_certificates_they_have_in_common() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let chain = [fixture("ec.test.pem"), fixture("ca.pem")].concat();
        for (name, contents) in [
            ("ec.pem", &chain),
            ("broken.pem", &chain),
            ("ec.key", &fixture("ec.sec1.pem")),
        ] {
            fs::write(path.join(name), contents).unwrap();
        }
        let settings = settings(path);
        let inventory = Inventory::read(&settings, &Files::read(&settings), &public_key);
        let [(_, Ok(first)), (_, Ok(second)), _] = inventory.bundles.as_slice() else {
            panic!("{:?}", inventory.bundles)
        };
        assert!(Arc::ptr_eq(&first.beside[0], &second.beside[0]));
    }

    #[test]
    fn a_later_update_takes_over_what_is_the_same_and_tells_what_the_store_gains_and_loses() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::create_dir(path.join("store")).unwrap();
        for (name, contents) in [
            ("broken.pem", b"nothing".to_vec()),
            ("ec.pem", fixture("ec.test.pem")),
            ("ec.key", fixture("ec.sec1.pem")),
            ("rsa.pem", fixture("rsa.test.pem")),
            ("rsa.key", fixture("rsa.pkcs1.pem")),
            ("ca.pem", fixture("ca.pem")),
            ("store/one.pem", fixture("ca.pem")),
        ] {
            fs::write(path.join(name), contents).unwrap();
        }
        let settings = settings(path);
        let mut files = Files::read(&settings);
        let mut inventory = Inventory::read(&settings, &files, &public_key);
        let before: Vec<_> = inventory.bundles.clone();
        let mut update = |inventory: &mut Inventory| {
            files.forget();
            files.read_again(&settings, &Look::Everywhere);
            let change = inventory.update(&settings, &files, &public_key);
            let subjects = change.subjects.iter().map(ToString::to_string).collect::<Vec<_>>();
            (subjects, change.anchors)
        };
        assert_eq!(update(&mut inventory), (vec![], false));

        fs::write(
            path.join("ec.pem"),
            [fixture("ec.test.pem"), fixture("ca.pem")].concat(),
        )
        .unwrap();
        fs::write(
            path.join("store/two.pem"),
            crate::certs::testing::Ca::new("other").pem(),
        )
        .unwrap();
        assert_eq!(update(&mut inventory), (vec!["CN=other".to_owned()], false));
        let same = |place: usize| match (&before[place].1, &inventory.bundles[place].1) {
            (Ok(before), Ok(now)) => Arc::ptr_eq(before, now),
            _ => false,
        };
        assert!(!same(1) && same(2));

        fs::remove_file(path.join("store/two.pem")).unwrap();
        fs::remove_file(path.join("store/one.pem")).unwrap();
        fs::write(path.join("ca.pem"), "").unwrap();
        // The CA still lies beside a leaf.
        assert_eq!(update(&mut inventory), (vec!["CN=other".to_owned()], true));
        assert_eq!(inventory.store.len(), 1);
    }
}
