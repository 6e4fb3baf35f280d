//! What each file is used for, so that where a few have changed nothing else is looked at.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::Files;
use super::inventory::{Change, Inventory, LoadedBundle};
use super::key::KeyReader;
use super::{Bundle, BundleSettings, Roots, Settings};
use crate::chain::Certificate;

/// What each file is used for.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// The bundles that a file is part of, as places in the list of them.
    bundles: HashMap<PathBuf, Vec<usize>>,
    /// What more than certificates of the store or one bundle depends on: anchors, what clients are checked against, the
    /// password of a directory, keys of session tickets.
    common: HashSet<PathBuf>,
    /// Files with anchors, or with the CAs of clients, that are not of the store too.
    anchors: HashSet<PathBuf>,
}

impl Uses {
    pub(super) fn of(settings: &Settings, files: &Files, bundles: &[(Arc<BundleSettings>, LoadedBundle)]) -> Self {
        let roots = match &settings.roots {
            Roots::Files(paths) => paths.as_slice(),
            Roots::None | Roots::System => &[],
        };
        let stored: HashSet<&Path> = settings
            .intermediates
            .iter()
            .flat_map(|path| files.below(path))
            .collect();
        let anchors = || roots.iter().flat_map(|path| files.below(path));
        let client_trust = || {
            let trust = settings.client_trust.iter();
            let paths = trust.flat_map(|trust| trust.authorities.iter().chain(&trust.revocation_lists));
            paths.flat_map(|path| files.below(path))
        };
        let only_anchors = anchors().chain(client_trust()).filter(|path| !stored.contains(path));
        let mut uses = Self {
            bundles: HashMap::with_capacity(bundles.len()),
            common: anchors().chain(client_trust()).map(Path::to_owned).collect(),
            anchors: only_anchors.map(Path::to_owned).collect(),
        };
        uses.common.extend(settings.directory_password_file.clone());
        let tickets = settings.tickets.as_ref().map(|tickets| tickets.path().as_path());
        let tickets = tickets.map(|path| {
            files
                .listed(path)
                .map_or_else(|| vec![path.to_owned()], <[PathBuf]>::to_vec)
        });
        uses.common.extend(tickets.into_iter().flatten());
        for (place, (bundle, _)) in bundles.iter().enumerate() {
            let paths = [
                Some(&bundle.certificate),
                bundle.key.as_ref(),
                bundle.password_file.as_ref(),
                bundle.staple.as_ref(),
            ];
            for path in paths.into_iter().flatten() {
                uses.bundles.entry(path.clone()).or_default().push(place);
            }
        }
        uses
    }
}

impl Inventory {
    /// Reads the few files that have changed, and nothing else. `None` where more depends on them than certificates,
    /// or where there are problems to tell: then everything is gone through.
    pub(super) fn update_at(&mut self, files: &Files, public_key_of: &KeyReader<'_>) -> Option<Change> {
        if self.has_unlisted() {
            return None;
        }
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        for path in files.only_changed()? {
            if self.uses.common.contains(path) {
                return None;
            }
            if self.certificates.has_file(path) {
                let (before, now) = self.certificates.read_again(path, files)?;
                gone.extend(before);
                come.extend(now);
            }
            for place in self.uses.bundles.get(path).into_iter().flatten() {
                let (settings, bundle) = self.bundles.get_mut(*place)?;
                if self.problematic.contains(settings) {
                    return None;
                }
                let mut problems = Vec::new();
                let loaded = Bundle::load(settings, files, public_key_of, &mut self.certificates, &mut problems);
                if !problems.is_empty() {
                    return None;
                }
                let before = std::mem::replace(bundle, loaded.map(Arc::new));
                gone.extend(beside(&before).cloned());
                come.extend(beside(bundle).cloned());
            }
        }
        Some(self.exchange(&gone, come))
    }

    /// Takes out of the store what is `gone` and in no file any more, and puts in what has `come`.
    fn exchange(&mut self, gone: &[Arc<Certificate>], come: Vec<Arc<Certificate>>) -> Change {
        let mut change = Change::default();
        for certificate in gone.iter().filter(|certificate| !come.contains(certificate)) {
            if !self.is_held(certificate) && self.store.remove(certificate) {
                change.subjects.insert(certificate.subject().clone());
            }
        }
        for certificate in come {
            let subject = certificate.subject().clone();
            if self.store.insert(certificate) {
                change.subjects.insert(subject);
            }
        }
        change
    }

    fn is_held(&self, certificate: &Arc<Certificate>) -> bool {
        let is_it = |other: &Arc<Certificate>| Arc::ptr_eq(other, certificate) || other == certificate;
        let mut bundles = self.bundles.iter().map(|(_, bundle)| bundle);
        let mut stored = self
            .certificates
            .files()
            .filter(|(file, _)| !self.uses.anchors.contains(*file));
        bundles.any(|bundle| beside(bundle).any(is_it))
            || stored.any(|(_, certificates)| certificates.iter().any(is_it))
    }
}

fn beside(bundle: &LoadedBundle) -> impl Iterator<Item = &Arc<Certificate>> {
    bundle.iter().flat_map(|bundle| &bundle.beside)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;
    use crate::certs::testing::{Ca, fixture, public_key};
    use crate::certs::{Look, Origin};

    /// Two bundles with a CA beside the first, a store, a root, and what is known of them.
    struct Scene {
        directory: tempfile::TempDir,
        settings: Settings,
        files: Files,
        inventory: Inventory,
    }

    impl Scene {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().canonicalize().unwrap();
            fs::create_dir(path.join("store")).unwrap();
            let both = [fixture("ec.test.pem"), fixture("ca.pem")].concat();
            for (name, contents) in [
                ("ec.pem", both),
                ("ec.key", fixture("ec.sec1.pem")),
                ("rsa.pem", fixture("rsa.test.pem")),
                ("rsa.key", fixture("rsa.pkcs1.pem")),
                ("store/one.pem", fixture("ca.pem")),
                ("store/two.pem", Ca::new("two").pem().into()),
                ("root.pem", fixture("ca.pem")),
            ] {
                fs::write(path.join(name), contents).unwrap();
            }
            let bundle = |certificate: &str, key: &str| BundleSettings {
                origin: Origin::Configuration,
                certificate: path.join(certificate),
                key: Some(path.join(key)),
                password_file: None,
                staple: None,
                allow_ca_leaf: false,
                policy: None,
            };
            let settings = Settings {
                bundles: vec![bundle("ec.pem", "ec.key"), bundle("rsa.pem", "rsa.key")],
                intermediates: vec![path.join("store")],
                roots: Roots::Files(vec![path.join("root.pem")]),
                ..Settings::default()
            };
            let files = Files::read(&settings);
            let inventory = Inventory::read(&settings, &files, &public_key);
            Self {
                directory,
                settings,
                files,
                inventory,
            }
        }

        /// Writes a file and looks at it alone: whether that was enough, and the subjects gained and lost.
        fn write(&mut self, name: &str, contents: &[u8]) -> (bool, BTreeSet<String>) {
            let path = self.directory.path().canonicalize().unwrap().join(name);
            fs::write(&path, contents).unwrap();
            self.files.forget();
            assert!(self.files.read_again(&self.settings, &Look::At([path].into())));
            let subjects = |change: Change| change.subjects.iter().map(ToString::to_string).collect();
            match self.inventory.update_at(&self.files, &public_key) {
                Some(change) => (true, subjects(change)),
                None => {
                    let change = self.inventory.update_all(&self.settings, &self.files, &public_key);
                    (false, subjects(change))
                }
            }
        }

        /// That a reading from scratch would have the same store and the same leaves.
        #[track_caller]
        fn assert_as_from_scratch(&self) {
            let fresh = Inventory::read(&self.settings, &Files::read(&self.settings), &public_key);
            let store = |inventory: &Inventory| -> BTreeSet<_> {
                inventory
                    .store
                    .iter()
                    .map(|certificate| certificate.fingerprint())
                    .collect()
            };
            let leaves = |inventory: &Inventory| -> Vec<_> {
                let bundles = inventory.bundles.iter().map(|(_, bundle)| bundle.as_ref().ok());
                bundles
                    .map(|bundle| bundle.map(|bundle| bundle.leaf.fingerprint()))
                    .collect()
            };
            assert_eq!(store(&self.inventory), store(&fresh));
            assert_eq!(leaves(&self.inventory), leaves(&fresh));
            assert_eq!(self.inventory.problems.len(), fresh.problems.len());
        }
    }

    fn names<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
        names.into_iter().map(|name| format!("CN={name}")).collect()
    }

    #[test]
    fn a_changed_file_of_a_bundle_concerns_that_bundle_alone() {
        let mut scene = Scene::new();
        let untouched = scene.inventory.bundles[1].1.clone().unwrap();
        let beside = [fixture("ec.test.pem"), Ca::new("beside").pem().into()].concat();
        assert_eq!(scene.write("ec.pem", &beside), (true, names(["beside"])));
        scene.assert_as_from_scratch();
        // The CA that lay beside it is in the store by itself.
        assert_eq!(scene.inventory.store.len(), 3);
        assert!(Arc::ptr_eq(&untouched, &scene.inventory.bundles[1].1.clone().unwrap()));
        assert_eq!(scene.write("ec.pem", b"torn"), (true, names(["beside"])));
        scene.assert_as_from_scratch();
        assert!(scene.inventory.bundles[0].1.is_err());
    }

    #[test]
    fn a_changed_file_of_the_store_takes_out_only_what_is_nowhere_else() {
        let mut scene = Scene::new();
        assert_eq!(
            scene.write("store/one.pem", Ca::new("one").pem().as_bytes()),
            (true, names(["one"]))
        );
        scene.assert_as_from_scratch();
        assert_eq!(
            scene.write("store/two.pem", Ca::new("three").pem().as_bytes()),
            (true, names(["two", "three"]))
        );
        scene.assert_as_from_scratch();
    }

    #[test]
    fn where_there_is_more_to_it_everything_is_gone_through() {
        let mut scene = Scene::new();
        assert_eq!(
            scene.write("store/two.pem", b"-----BEGIN CERTIFICATE-----"),
            (false, names(["two"]))
        );
        assert_eq!(scene.inventory.problems.len(), 1);
        scene.assert_as_from_scratch();
        assert_eq!(
            scene.write("store/two.pem", Ca::new("four").pem().as_bytes()),
            (false, names(["four"]))
        );
        scene.assert_as_from_scratch();
        assert!(!scene.write("root.pem", Ca::new("root").pem().as_bytes()).0);
        scene.assert_as_from_scratch();
    }

    /// `openssl rehash` gives each file a second name, and operators link certificates: whichever name is used here, the
    /// event bears another.
    #[test]
    fn a_file_of_several_names_has_changed_under_all_of_them() {
        use std::os::unix::fs::symlink;

        let mut scene = Scene::new();
        let path = scene.directory.path().canonicalize().unwrap();
        symlink("two.pem", path.join("store/0a.0")).unwrap();
        for name in ["x.pem", "y.pem"] {
            symlink("rsa.pem", path.join(name)).unwrap();
        }
        scene.settings.bundles = ["x.pem", "y.pem"]
            .map(|name| BundleSettings {
                certificate: path.join(name),
                ..scene.settings.bundles[1].clone()
            })
            .into();
        scene.files = Files::read(&scene.settings);
        scene.inventory = Inventory::read(&scene.settings, &scene.files, &public_key);
        assert!(scene.write("store/two.pem", Ca::new("three").pem().as_bytes()).0);
        scene.assert_as_from_scratch();
        scene.write("rsa.pem", b"torn");
        scene.assert_as_from_scratch();
        assert!(scene.inventory.bundles.iter().all(|(_, bundle)| bundle.is_err()));
    }

    #[test]
    fn what_is_mended_is_no_problem_any_more() {
        let mut scene = Scene::new();
        let broken = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        scene.write("ec.pem", &[fixture("ec.test.pem"), broken.into()].concat());
        scene.assert_as_from_scratch();
        assert_eq!(scene.inventory.problems.len(), 1);
        scene.write("ec.pem", &fixture("ec.test.pem"));
        scene.assert_as_from_scratch();
        assert_eq!(scene.inventory.problems.len(), 0);
    }

    /// A file may be of the roots and of the store: what lies in it stays in the store whatever a bundle loses.
    #[test]
    fn what_a_file_of_both_roots_and_store_holds_stays_in_the_store() {
        let mut scene = Scene::new();
        let path = scene.directory.path().canonicalize().unwrap();
        scene.settings.intermediates = vec![path.join("root.pem")];
        scene.files = Files::read(&scene.settings);
        scene.inventory = Inventory::read(&scene.settings, &scene.files, &public_key);
        assert_eq!(scene.write("ec.pem", &fixture("ec.test.pem")), (true, names([])));
        scene.assert_as_from_scratch();
    }
}
