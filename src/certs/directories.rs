//! The certificate directories -> more bundles and more of the store.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::files::Files;
use super::password::Password;
use super::{BundleSettings, Error, Origin, Settings};

/// What became of a certificate directory.
#[derive(Clone, Debug)]
pub enum Listing {
    /// It was read.
    Read,
    /// There is nothing at all in it: most likely something should be mounted there.
    Empty,
    /// It cannot be listed, or the password for its files cannot be read.
    Unreadable(Error),
}

/// What all certificate directories hold.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) bundles: Vec<BundleSettings>,
    /// Files with intermediates.
    pub(super) chains: Vec<PathBuf>,
    pub(super) directories: Vec<(PathBuf, Listing)>,
    pub(super) gaps: Gaps,
}

/// What certificate directories hold in part only: nothing that belongs there is meant to be gone.
#[derive(Clone, Debug, Default)]
pub struct Gaps {
    /// Folders that cannot be listed.
    pub folders: Vec<PathBuf>,
    /// Keys whose certificate is missing.
    pub lone_keys: Vec<PathBuf>,
}

impl Found {
    /// What lies in the directories that `settings` name. Keys without certificate go to `problems`.
    pub(super) fn in_directories(settings: &Settings, files: &Files, problems: &mut Vec<Error>) -> Self {
        let mut found = Self::default();
        let password = password(settings, files);
        // What is configured by itself is not served twice.
        let mut taken: HashSet<&Path> = settings
            .bundles
            .iter()
            .map(|bundle| bundle.certificate.as_path())
            .collect();
        for directory in &settings.directories {
            if !taken.insert(directory) {
                continue;
            }
            let listing = match &password {
                Ok(()) => found.add(directory, settings, files, problems),
                Err(error) => Listing::Unreadable(error.clone()),
            };
            found.directories.push((directory.clone(), listing));
        }
        found
            .bundles
            .retain(|bundle| !taken.contains(bundle.certificate.as_path()));
        found
    }

    fn add(&mut self, directory: &Path, settings: &Settings, files: &Files, problems: &mut Vec<Error>) -> Listing {
        let held = match files.directory(directory) {
            Ok(held) => held,
            Err(error) => return Listing::Unreadable(error),
        };
        let arrangement = &held.arrangement;
        self.bundles
            .extend(arrangement.bundles.iter().map(|bundle| BundleSettings {
                origin: Origin::Directory {
                    directory: directory.to_owned(),
                    host: bundle.host.clone(),
                },
                certificate: directory.join(&bundle.certificate),
                key: bundle.key.as_ref().map(|key| directory.join(key)),
                password_file: settings.directory_password_file.clone(),
                staple: None,
                allow_ca_leaf: false,
                policy: None,
            }));
        self.chains
            .extend(arrangement.chains.iter().map(|chain| directory.join(chain)));
        let folders = held.unlisted.iter().map(|folder| directory.join(folder));
        self.gaps.folders.extend(folders);
        let lone_keys = arrangement.lone_keys.iter().map(|lone| directory.join(&lone.key));
        self.gaps.lone_keys.extend(lone_keys);
        problems.extend(arrangement.lone_keys.iter().map(|lone| Error::LoneKey {
            path: directory.join(&lone.key),
            expected: lone.expected.clone(),
        }));
        match held.is_empty {
            true => Listing::Empty,
            false => Listing::Read,
        }
    }
}

/// That the password for all of them can be read, if there is one.
fn password(settings: &Settings, files: &Files) -> Result<(), Error> {
    let Some(path) = &settings.directory_password_file else {
        return Ok(());
    };
    match Password::first_line(&files.bytes(path)?) {
        Ok(_) => Ok(()),
        Err(source) => Err(Error::Password {
            path: path.clone(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::certs::testing::{fixture, public_key};
    use crate::certs::{Inventory, Roots};

    fn settings(directory: &Path) -> Settings {
        Settings {
            directories: vec![directory.join("certs")],
            directory_password_file: Some(directory.join("password")),
            roots: Roots::None,
            ..Settings::default()
        }
    }

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("certs")).unwrap();
        fs::write(directory.path().join("password"), "fixture\n").unwrap();
        for (name, source) in files {
            fs::write(directory.path().join("certs").join(name), fixture(source)).unwrap();
        }
        directory
    }

    fn inventory(settings: &Settings) -> Inventory {
        Inventory::read(settings, &Files::read(settings), &public_key)
    }

    #[test]
    fn one_password_opens_every_file_that_wants_one_and_a_broken_one_is_an_error_of_its_own() {
        let directory = directory(&[
            ("a.test.pfx", "ec.legacy.pfx"),
            ("b.test.pfx", "ec.modern.pfx"),
            ("c.test.crt", "ec.test.pem"),
            ("c.test.key", "ec.aes.pem"),
            ("d.test.crt", "ec.test.pem"),
            ("d.test.key", "ec.pkcs8.pem"),
            ("e.test.pem", "ca.pem"),
            ("lone.test.key", "ec.pkcs8.pem"),
            ("chain.pem", "ca.pem"),
        ]);
        let inventory = inventory(&settings(directory.path()));
        let hosts = |sound: bool| {
            let bundles = inventory.bundles.iter().filter(|(_, bundle)| bundle.is_ok() == sound);
            bundles
                .map(|(settings, _)| settings.host().unwrap().as_str())
                .collect::<Vec<_>>()
        };
        assert_eq!(hosts(true), ["a.test", "b.test", "c.test", "d.test"]);
        assert_eq!(hosts(false), ["e.test"]);
        assert!(matches!(inventory.directories[..], [(_, Listing::Read)]));
        let [problem] = inventory.problems.as_slice() else {
            panic!("{:?}", inventory.problems)
        };
        let problem = problem.to_string();
        assert!(
            problem.contains("lone.test.key: expected the certificate") && problem.contains("lone.test.crt"),
            "{problem}"
        );
        assert_eq!(inventory.store.len(), 1, "the CA");
    }

    #[test]
    fn a_file_that_is_configured_by_itself_is_taken_once_and_so_is_a_directory() {
        let directory = directory(&[("a.test.pfx", "ec.legacy.pfx"), ("b.test.pfx", "ec.legacy.pfx")]);
        let mut settings = settings(directory.path());
        settings.directories.push(settings.directories[0].clone());
        settings.bundles.push(BundleSettings {
            origin: Origin::Configuration,
            certificate: directory.path().join("certs/b.test.pfx"),
            key: None,
            password_file: settings.directory_password_file.clone(),
            staple: None,
            allow_ca_leaf: false,
            policy: None,
        });
        let inventory = inventory(&settings);
        let named: Vec<_> = inventory.bundles.iter().map(|(settings, _)| settings.host()).collect();
        assert_eq!(named.len(), 2);
        assert!(named[0].is_none() && named[1].is_some());
    }

    #[test]
    fn without_the_password_the_directory_is_unreadable_and_not_empty() {
        let directory = directory(&[("a.test.pfx", "ec.legacy.pfx")]);
        fs::remove_file(directory.path().join("password")).unwrap();
        let inventory = inventory(&settings(directory.path()));
        assert!(inventory.bundles.is_empty());
        let [(_, Listing::Unreadable(error))] = inventory.directories.as_slice() else {
            panic!("{:?}", inventory.directories)
        };
        assert_eq!(error.path(), Some(directory.path().join("password").as_path()));
    }
}
