//! The configured roots -> the anchors.

use super::certificates::Certificates;
use super::files::Files;
use super::{Error, Roots};
use crate::chain::Anchors;

/// The anchors that `roots` say. Whatever is broken goes to `problems` and is skipped.
pub(super) fn anchors(
    roots: &Roots,
    files: &Files,
    certificates: &mut Certificates,
    problems: &mut Vec<Error>,
) -> Anchors {
    let mut anchors = Anchors::new();
    match roots {
        Roots::None => {}
        Roots::Files(paths) => {
            for path in paths {
                anchors.extend(certificates.below(path, files, problems));
            }
        }
        Roots::System => {
            let Some(system) = files.system_roots() else {
                return anchors;
            };
            problems.extend(system.errors.iter().cloned().map(Error::SystemRoots));
            // Every operating system carries a few roots older than RFC 5280 that no parser need read: no problem of
            // the operator's.
            let found = system.certificates.clone();
            anchors.extend(certificates.parse("the operating system's roots".as_ref(), found, &mut Vec::new()));
        }
    }
    anchors
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::certs::Settings;
    use crate::certs::testing::{PROPERTIES, fixture};

    fn read(roots: Roots) -> (Anchors, Vec<Error>) {
        let settings = Settings {
            roots,
            ..Settings::default()
        };
        let files = Files::read(&settings);
        let mut problems = Vec::new();
        let anchors = anchors(&settings.roots, &files, &mut Certificates::default(), &mut problems);
        (anchors, problems)
    }

    #[test]
    fn anchors_come_from_the_files_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("roots.pem");
        fs::write(&path, [PROPERTIES, &fixture("ca.pem")].concat()).unwrap();
        let (anchors, problems) = read(Roots::Files(vec![path, directory.path().join("missing.pem")]));
        assert_eq!(anchors.len(), 1);
        assert_eq!(problems.len(), 1, "{problems:?}");
    }

    #[test]
    fn no_roots_make_no_anchors() {
        let (anchors, problems) = read(Roots::None);
        assert!(anchors.is_empty() && problems.is_empty());
    }

    #[test]
    fn the_roots_of_the_operating_system_are_read_or_their_absence_is_explained() {
        let (anchors, problems) = read(Roots::System);
        let native = rustls_native_certs::load_native_certs();
        assert_eq!(anchors.is_empty(), native.certs.is_empty());
        assert_eq!(problems.len(), native.errors.len());
    }
}
