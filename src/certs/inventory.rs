//! Everything the configured files hold, as one value.

use super::anchors::anchors;
use super::certificates::Certificates;
use super::files::Files;
use super::key::KeyReader;
use super::store::store;
use super::{Bundle, Error, Settings};
use crate::chain::{Anchors, Store};

/// Everything the configured files hold.
#[derive(Debug)]
pub struct Inventory {
    /// One entry for each of [`Settings::bundles`], in their order.
    pub bundles: Vec<Result<Bundle, Error>>,
    /// The intermediates of the store, and what lies beside each leaf: what one bundle brings serves all hosts.
    pub store: Store,
    /// The trusted roots.
    pub anchors: Anchors,
    /// What is broken and was skipped. Errors of a bundle are in `bundles`.
    pub problems: Vec<Error>,
}

impl Inventory {
    /// Reads what `files` hold; `settings` must be those the files were read for. Touches no file.
    pub fn read(settings: &Settings, files: &Files, public_key_of: &KeyReader<'_>) -> Self {
        let mut certificates = Certificates::default();
        let mut problems = Vec::new();
        let mut store = store(&settings.intermediates, files, &mut certificates, &mut problems);
        let anchors = anchors(&settings.roots, files, &mut certificates, &mut problems);
        let mut bundles = Vec::with_capacity(settings.bundles.len());
        for bundle in &settings.bundles {
            bundles.push(Bundle::load(
                bundle,
                files,
                public_key_of,
                &mut certificates,
                &mut problems,
            ));
        }
        for bundle in bundles.iter().flatten() {
            store.extend(bundle.beside.iter().cloned());
        }
        Self {
            bundles,
            store,
            anchors,
            problems,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::certs::testing::{fixture, public_key};
    use crate::certs::{BundleSettings, Roots};

    fn settings(directory: &Path) -> Settings {
        let bundle = |certificate: &str, key: &str| BundleSettings {
            certificate: directory.join(certificate),
            key: Some(directory.join(key)),
            password_file: None,
            staple: None,
            allow_ca_leaf: false,
        };
        Settings {
            bundles: vec![
                bundle("broken.pem", "ec.key"),
                bundle("ec.pem", "ec.key"),
                bundle("rsa.pem", "rsa.key"),
            ],
            intermediates: vec![directory.join("store")],
            roots: Roots::Files(vec![directory.join("ca.pem")]),
            disallowed: Vec::new(),
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
        let [broken, ec, rsa] = inventory.bundles.as_slice() else {
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
            panic!("{:?}", inventory.problems)
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
        let [Ok(first), Ok(second), _] = inventory.bundles.as_slice() else {
            panic!("{:?}", inventory.bundles)
        };
        assert!(std::sync::Arc::ptr_eq(&first.beside[0], &second.beside[0]));
    }
}
