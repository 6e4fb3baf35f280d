//! Files and directories -> the certificates of the store.

use std::path::PathBuf;
use std::sync::Arc;

use super::Error;
use super::certificates::Certificates;
use super::files::Files;
use crate::chain::Certificate;

/// The certificates that the store at `paths` is made up of. Whatever is broken goes to `problems` and is skipped: one bad file must not cost
/// every host its chain.
pub(super) fn store(
    paths: &[PathBuf],
    files: &Files,
    certificates: &mut Certificates,
    problems: &mut Vec<Error>,
) -> Vec<Arc<Certificate>> {
    let mut store = Vec::new();
    for path in paths {
        store.extend(certificates.below(path, files, problems));
    }
    store
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::certs::testing::{Ca, PROPERTIES, fixture};
    use crate::certs::{Roots, Settings};
    use crate::chain::Store;

    fn read(paths: &[&Path]) -> (Store, Vec<String>) {
        let intermediates: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
        let settings = Settings {
            intermediates,
            roots: Roots::None,
            ..Settings::default()
        };
        let files = Files::read(&settings);
        let mut problems = Vec::new();
        let store = store(
            &settings.intermediates,
            &files,
            &mut Certificates::default(),
            &mut problems,
        );
        (
            store.into_iter().collect(),
            problems.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn every_format_in_a_directory_is_read_and_repetition_does_not_matter() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["ca.pem", "ec.p7b", "ec.p7b.pem", "ec.trusted.pem", "rsa.test.pem"] {
            fs::write(directory.path().join(name), fixture(name)).unwrap();
        }
        let (store, problems) = read(&[directory.path(), &directory.path().join("ca.pem")]);
        assert_eq!(store.len(), 3, "the CA and two leaves");
        assert_eq!(problems, Vec::<String>::new());
    }

    #[test]
    fn certificate_properties_are_no_fault() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        fs::write(&path, [PROPERTIES, &fixture("ca.pem")].concat()).unwrap();
        let (store, problems) = read(&[&path]);
        assert_eq!((store.len(), problems), (1, Vec::new()));
    }

    #[test]
    fn a_broken_file_is_reported_and_skipped() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("good.pem"), fixture("ca.pem")).unwrap();
        fs::write(directory.path().join("torn.pem"), &fixture("ec.test.pem")[..200]).unwrap();
        fs::write(directory.path().join("README"), "not a certificate").unwrap();
        fs::write(directory.path().join("key.pem"), fixture("ec.aes.pem")).unwrap();
        let (store, problems) = read(&[directory.path()]);
        assert_eq!(store.len(), 1);
        let [readme, torn] = problems.as_slice() else {
            panic!("{problems:?}")
        };
        assert!(
            readme.contains("README: expected certificates as PEM, DER or PKCS#7, found 17 bytes"),
            "{readme}"
        );
        assert!(
            torn.contains("torn.pem: expected") && torn.contains("ends inside a block"),
            "{torn}"
        );
    }

    #[test]
    fn one_broken_certificate_does_not_hide_those_around_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bundle.pem");
        let broken = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        let ca = String::from_utf8(fixture("ca.pem")).unwrap();
        fs::write(&path, format!("{ca}{broken}{}", Ca::new("other").pem())).unwrap();
        let (store, problems) = read(&[&path]);
        assert_eq!(store.len(), 2);
        let [problem] = problems.as_slice() else {
            panic!("{problems:?}")
        };
        assert!(
            problem.contains("bundle.pem: expected an X.509 certificate as number 2"),
            "{problem}"
        );
    }

    #[test]
    fn a_file_named_for_the_store_must_hold_a_certificate() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem");
        fs::write(&path, fixture("ec.pkcs8.pem")).unwrap();
        let (_, problems) = read(&[&path, &directory.path().join("missing.pem")]);
        let [key, missing] = problems.as_slice() else {
            panic!("{problems:?}")
        };
        assert!(
            key.ends_with("key.pem: expected a certificate, found 1 private key"),
            "{key}"
        );
        assert!(
            missing.contains("missing.pem: cannot be read: No such file"),
            "{missing}"
        );
    }
}
