//! What a certificate directory holds at one moment.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use super::links::Resolver;
use super::plan::{BUNDLE_FILE_LIMIT, DIRECTORY_LIMIT, Plan, is_temporary};
use super::read::{self, ReadError};
use super::{Error, Files};
use crate::certs::arrangement::{Arranged, Arrangement};

/// The folder in which certbot keeps one folder for each certificate; for whoever gives the directory above it, which
/// is the one to mount in a container.
const CERTBOT_FOLDER: &str = "live";

/// A certificate directory.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::certs) struct Directory {
    pub(in crate::certs) arrangement: Arrangement,
    /// Nothing at all is in it: most likely something should be mounted there.
    pub(in crate::certs) is_empty: bool,
    /// The folders in it that cannot be listed.
    pub(in crate::certs) unlisted: Vec<String>,
}

/// The names in a certificate directory.
#[derive(Default)]
struct Names {
    /// `name` and `folder/name`.
    files: Vec<String>,
    folders: Vec<String>,
    /// Folders that cannot be listed.
    unreadable: Vec<(String, ReadError)>,
}

impl Plan {
    /// Adds the files of a certificate directory.
    pub(super) fn add_directory(&mut self, resolver: &mut Resolver, directory: &Path) {
        let mut names = match Names::in_directory(directory) {
            Ok(names) => names,
            Err(error) => {
                self.add_file(resolver, directory, BUNDLE_FILE_LIMIT);
                return self.unreadable.push((directory.to_owned(), error));
            }
        };
        names.files.sort();
        let watched = names.folders.iter().map(|folder| directory.join(folder));
        for path in watched.chain([directory.to_owned()]) {
            self.add_listed(resolver, &path);
        }
        let is_empty = names.files.is_empty() && names.folders.is_empty();
        let mut arrangement = Arrangement::of(&names.files);
        let unlisted = names.unreadable.iter().map(|(folder, _)| folder.clone()).collect();
        for (folder, error) in names.unreadable {
            // `lost+found` is no host and nobody's business.
            if let Some(host) = Arrangement::host_of_folder(&folder) {
                self.unreadable.push((directory.join(&folder), error));
                // In place of what is in it: an error of that host, which does not count as gone.
                arrangement.bundles.push(Arranged {
                    certificate: folder,
                    key: None,
                    host: Some(host),
                });
            }
        }
        for bundle in &arrangement.bundles {
            for file in [Some(&bundle.certificate), bundle.key.as_ref()].into_iter().flatten() {
                self.add_file(resolver, &directory.join(file), BUNDLE_FILE_LIMIT);
            }
        }
        for chain in &arrangement.chains {
            self.add_file(resolver, &directory.join(chain), BUNDLE_FILE_LIMIT);
        }
        let without_links = resolver.resolve(directory).path;
        let used: HashSet<&str> = arrangement.files().collect();
        let idle = names.files.iter().filter(|file| !used.contains(file.as_str()));
        self.idle.extend(idle.map(|file| without_links.join(file)));
        let held = Directory {
            arrangement,
            is_empty,
            unlisted,
        };
        self.directories.insert(directory.to_owned(), held);
    }
}

impl Names {
    /// The names in `directory` and in the folders of it, unsorted.
    fn in_directory(directory: &Path) -> Result<Self, ReadError> {
        let (files, mut ahead) = list(directory, "")?;
        let mut names = Self {
            files,
            ..Self::default()
        };
        while let Some(folder) = ahead.pop() {
            match list(directory, &folder) {
                Ok((files, below)) => {
                    names.files.extend(files);
                    if folder == CERTBOT_FOLDER {
                        ahead.extend(below);
                    }
                }
                Err(error) => names.unreadable.push((folder.clone(), error)),
            }
            names.folders.push(folder);
        }
        Ok(names)
    }
}

/// The files and the folders in a folder of `directory`, as paths from there. Hidden and temporary ones are left out,
/// and names that are not UTF-8, since no host has one.
fn list(directory: &Path, folder: &str) -> Result<(Vec<String>, Vec<String>), ReadError> {
    let place = directory.join(folder);
    let explain = |error| read::explain(&place, error);
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(&place).map_err(explain)? {
        let entry = entry.map_err(explain)?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if is_temporary(&name) {
            continue;
        }
        // The listing tells what is a link, and only a link needs another look. One that leads nowhere counts as file:
        // reading it says so.
        let kind = entry.file_type().map_err(explain)?;
        let is_folder = kind.is_dir() || kind.is_symlink() && entry.path().is_dir();
        let path = match folder {
            "" => name,
            folder => format!("{folder}/{name}"),
        };
        if files.len() + folders.len() == DIRECTORY_LIMIT {
            return Err(ReadError::TooManyFiles(DIRECTORY_LIMIT));
        }
        if is_folder {
            folders.push(path);
        } else {
            files.push(path);
        }
    }
    Ok((files, folders))
}

impl Files {
    /// What the certificate directory `path` holds.
    pub(in crate::certs) fn directory(&self, path: &Path) -> Result<&Directory, Error> {
        match self.plan.directories.get(path) {
            Some(directory) => Ok(directory),
            // Its error stands in place of its bytes.
            None => Err(self.bytes(path).err().unwrap_or_else(|| Error::Read {
                path: path.to_owned(),
                source: ReadError::NotRegular("directory"),
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::super::Look;
    use super::*;
    use crate::certs::{Roots, Settings};

    fn settings(directory: &Path) -> Settings {
        Settings {
            directories: vec![directory.to_owned()],
            roots: Roots::None,
            ..Settings::default()
        }
    }

    fn write(directory: &Path, names: &[&str]) {
        for name in names {
            let path = directory.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
    }

    fn certificates(files: &Files, directory: &Path) -> Vec<String> {
        let held = files.directory(directory).unwrap();
        held.arrangement
            .bundles
            .iter()
            .map(|bundle| bundle.certificate.clone())
            .collect()
    }

    #[test]
    fn files_folders_and_the_folders_of_certbot_are_looked_into_and_nothing_hidden_or_temporary() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        write(
            path,
            &[
                "a.test.pem",
                ".b.test.pem",
                "c.test.pem~",
                "d.test.pfx.tmp",
                "e.test/..2026/tls.crt",
                "f.test/deep/tls.crt",
                "archive/g.test/fullchain1.pem",
                "live/README",
                "live/h.test/README",
            ],
        );
        symlink("..2026", path.join("e.test/..data")).unwrap();
        symlink("..data/tls.crt", path.join("e.test/tls.crt")).unwrap();
        fs::create_dir(path.join("live/g.test")).unwrap();
        symlink(
            "../../archive/g.test/fullchain1.pem",
            path.join("live/g.test/fullchain.pem"),
        )
        .unwrap();
        symlink("../../archive/gone", path.join("live/h.test/fullchain.pem")).unwrap();
        let files = Files::read(&settings(path));
        assert_eq!(
            certificates(&files, path),
            [
                "a.test.pem",
                "e.test/tls.crt",
                "live/g.test/fullchain.pem",
                "live/h.test/fullchain.pem"
            ]
        );
        let dangling = files.bytes(&path.join("live/h.test/fullchain.pem")).err().unwrap();
        assert!(dangling.to_string().contains("No such file"), "{dangling}");
        let root = path.canonicalize().unwrap();
        for watched in ["", "live/g.test", "archive/g.test", "e.test/..2026"] {
            let watched = root.join(watched).components().collect::<PathBuf>();
            assert!(files.directories_to_watch().contains(&watched), "{watched:?}");
        }
    }

    #[test]
    fn a_key_without_certificate_and_an_empty_directory_are_changes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let settings = settings(path);
        let mut files = Files::read(&settings);
        for (name, changes) in [("README", true), ("a.test.key", true), ("a.test.conf", false)] {
            write(path, &[name]);
            assert_eq!(files.read_again(&settings, &Look::Everywhere), changes, "{name}");
        }
    }

    #[test]
    fn a_directory_that_cannot_be_listed_is_told_from_an_empty_one() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing");
        let files = Files::read(&settings(&missing));
        let error = files.directory(&missing).unwrap_err().to_string();
        assert!(error.contains("missing: cannot be read: No such file"), "{error}");
        assert!(
            Files::read(&settings(directory.path()))
                .directory(directory.path())
                .unwrap()
                .is_empty
        );
    }
}
