//! Which file of the store each certificate is from.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::contents::Contents;
use super::files::Files;
use crate::chain::{Certificate, Sha256};

/// The files that the certificates of a store are from, for whoever is told to take one from there.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    by_fingerprint: HashMap<Sha256, PathBuf>,
}

impl Origins {
    /// The origins of what lies at `paths`, files and directories that `files` were read for. Of several files with one
    /// certificate it is the first.
    pub fn read(paths: &[PathBuf], files: &Files) -> Self {
        let mut origins = Self::default();
        for file in paths.iter().flat_map(|path| files.below(path)) {
            // What is broken is a problem of the inventory.
            let contents = files.bytes(file).ok().and_then(|bytes| Contents::of_store(&bytes).ok());
            for certificate in contents.unwrap_or_default().certificates {
                origins
                    .by_fingerprint
                    .entry(Sha256::of(&certificate))
                    .or_insert_with(|| file.to_owned());
            }
        }
        origins
    }

    /// The file that `certificate` is from.
    pub fn of(&self, certificate: &Certificate) -> Option<&Path> {
        self.by_fingerprint
            .get(&certificate.fingerprint())
            .map(PathBuf::as_path)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::certs::testing::fixture;
    use crate::certs::{Inventory, Roots, Settings};

    #[test]
    fn every_certificate_of_the_store_is_from_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::write(path.join("a.pem"), fixture("ca.pem")).unwrap();
        fs::write(path.join("b.pem"), [fixture("ca.pem"), fixture("ec.test.pem")].concat()).unwrap();
        fs::write(path.join("torn.pem"), &fixture("rsa.test.pem")[..100]).unwrap();
        let settings = Settings {
            intermediates: vec![path.to_owned()],
            roots: Roots::None,
            ..Settings::default()
        };
        let files = Files::read(&settings);
        let origins = Origins::read(&settings.intermediates, &files);
        let store = Inventory::read(&settings, &files, &|_| None).store;
        let mut from: Vec<_> = store.iter().map(|certificate| origins.of(certificate)).collect();
        from.sort();
        assert_eq!(from, [Some(&*path.join("a.pem")), Some(&*path.join("b.pem"))]);
    }
}
