//! The bytes of every configured path as of one moment: the only file access of the room.
//!
//! A leaf of one generation beside a key of another is what reloads go wrong with (Kubernetes renames `..data`,
//! editors and ACME clients rename or write in place). So everything a path depends on (its links, the file behind
//! them, the listing of a directory) is looked at before and after reading; whatever moved meanwhile is read again.

mod links;
mod plan;
mod read;

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, io};

use rustls_pki_types::CertificateDer;

use self::plan::{BytesByPath, Plan};
pub use self::read::ReadError;
use super::{Error, Roots, Settings};
use crate::chain::Sha256;

/// How often files that move under the reader are read again before it is an error.
const TRIES: u32 = 5;

/// The bytes of every configured path as of one moment.
pub struct Files {
    plan: Plan,
    contents: BytesByPath,
    system_roots: Option<SystemRoots>,
    digest: Sha256,
}

/// What the operating system trusts.
#[derive(Debug)]
pub(super) struct SystemRoots {
    /// The DER of each certificate.
    pub(super) certificates: Vec<CertificateDer<'static>>,
    /// What could not be read, each with its path.
    pub(super) errors: Vec<String>,
}

impl Files {
    /// Reads every file that `settings` name. What cannot be read is kept as an error under its path.
    pub fn read(settings: &Settings) -> Self {
        Self::read_with(settings, Plan::of)
    }

    /// [`read`](Self::read), with the look at the file system as an argument.
    fn read_with(settings: &Settings, mut look: impl FnMut(&Settings) -> Plan) -> Self {
        let mut plan = look(settings);
        let mut tries = 1;
        let contents = loop {
            let mut contents = plan.read();
            let after = look(settings);
            if after.is_same_generation(&plan) {
                break contents;
            }
            if tries == TRIES {
                for moved in plan.moved_in(&after) {
                    contents.insert(moved, Err(ReadError::Unstable(TRIES)));
                }
                break contents;
            }
            tries += 1;
            plan = after;
        };
        let system_roots = matches!(settings.roots, Roots::System).then(SystemRoots::read);
        let digest = digest(&plan, &contents, system_roots.as_ref());
        Self {
            plan,
            contents,
            system_roots,
            digest,
        }
    }

    /// SHA-256 over every path with its bytes or its error: equal where nothing changed.
    pub fn digest(&self) -> Sha256 {
        self.digest
    }

    /// The directories whose events tell that a file may have changed: those with the files, those with each symbolic
    /// link on the way to them, and those configured as directories; for one that does not exist, the next above it
    /// that does.
    pub fn directories_to_watch(&self) -> &BTreeSet<PathBuf> {
        &self.plan.watched
    }

    /// The bytes of the file configured as `path`.
    pub(super) fn bytes(&self, path: &Path) -> Result<&[u8], Error> {
        let error = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        match self
            .plan
            .files
            .get(path.as_os_str())
            .and_then(|planned| self.contents.get(&planned.resolved.path))
        {
            Some(Ok(bytes)) => Ok(bytes),
            Some(Err(source)) => Err(error(source.clone())),
            None => Err(error(ReadError::Io(Arc::new(io::ErrorKind::NotFound.into())))),
        }
    }

    /// The files that `path` of the store or of the anchors stands for: those in the directory, each once however
    /// many names it has, or itself.
    pub(super) fn below<'a>(&'a self, path: &'a Path) -> Vec<&'a Path> {
        let Some(listed) = self.plan.listings.get(path) else {
            return vec![path];
        };
        let mut seen = HashSet::new();
        listed
            .iter()
            .map(PathBuf::as_path)
            .filter(|path| {
                self.plan
                    .files
                    .get(path.as_os_str())
                    .is_none_or(|file| seen.insert(file.resolved.path.as_os_str()))
            })
            .collect()
    }

    /// What the operating system trusts, where the settings ask for it.
    pub(super) fn system_roots(&self) -> Option<&SystemRoots> {
        self.system_roots.as_ref()
    }
}

impl fmt::Debug for Files {
    /// Shows no contents: there are keys among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<_> = self.plan.files.keys().collect();
        f.debug_struct("Files")
            .field("paths", &paths)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

impl SystemRoots {
    /// Asks the operating system, or `SSL_CERT_FILE` and `SSL_CERT_DIR` where they are set.
    fn read() -> Self {
        let found = rustls_native_certs::load_native_certs();
        Self {
            certificates: found.certs,
            errors: found.errors.iter().map(ToString::to_string).collect(),
        }
    }
}

/// SHA-256 over everything that was read. Each part is digested on its own first, so that no two readings share one
/// text.
fn digest(plan: &Plan, contents: &BytesByPath, system_roots: Option<&SystemRoots>) -> Sha256 {
    let mut parts = Vec::new();
    for (path, planned) in &plan.files {
        parts.extend(Sha256::of(path.as_encoded_bytes()).0);
        match contents.get(&planned.resolved.path) {
            Some(Ok(bytes)) => parts.extend(Sha256::of(bytes).0),
            Some(Err(error)) => parts.extend(Sha256::of(error.to_string().as_bytes()).0.map(|byte| !byte)),
            None => {}
        }
    }
    if let Some(roots) = system_roots {
        roots
            .certificates
            .iter()
            .for_each(|der| parts.extend(Sha256::of(der).0));
        roots
            .errors
            .iter()
            .for_each(|error| parts.extend(Sha256::of(error.as_bytes()).0));
    }
    Sha256::of(&parts)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::plan::{BUNDLE_FILE_LIMIT, STORE_FILE_LIMIT};
    use super::*;
    use crate::certs::BundleSettings;

    fn settings(intermediates: &[&Path]) -> Settings {
        let intermediates = intermediates.iter().map(|path| path.to_path_buf()).collect();
        Settings {
            intermediates,
            roots: Roots::None,
            ..Settings::default()
        }
    }

    fn pair(directory: &Path) -> Settings {
        let bundle = BundleSettings {
            certificate: directory.join("tls.crt"),
            key: Some(directory.join("tls.key")),
            password_file: None,
            staple: None,
            allow_ca_leaf: false,
        };
        Settings {
            bundles: vec![bundle],
            roots: Roots::None,
            ..Settings::default()
        }
    }

    fn names(files: &Files, path: &Path) -> Vec<String> {
        let name = |path: &&Path| path.file_name().unwrap().to_string_lossy().into_owned();
        files.below(path).iter().map(name).collect()
    }

    #[test]
    fn a_directory_stands_for_its_regular_files_sorted_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        for name in [
            "b.pem",
            "a.pem",
            ".hidden.pem",
            "a.pem~",
            "#a.pem#",
            ".#a.pem",
            "a.pem.tmp",
            ".a.pem.swp",
        ] {
            fs::write(path.join(name), name).unwrap();
        }
        fs::create_dir(path.join("c.pem")).unwrap();
        fs::create_dir(path.join("..2026")).unwrap();
        symlink("a.pem", path.join("hash.0")).unwrap();
        symlink("missing", path.join("dangling.pem")).unwrap();
        symlink("..2026", path.join("..data")).unwrap();

        let files = Files::read(&settings(&[path]));
        assert_eq!(
            names(&files, path),
            ["a.pem", "b.pem"],
            "hash.0 is another name of a.pem"
        );
        assert_eq!(files.bytes(&path.join("hash.0")).unwrap(), b"a.pem");
    }

    #[test]
    fn the_digest_changes_with_contents_names_and_errors_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let digest = || Files::read(&settings(&[path])).digest();
        fs::write(path.join("a.pem"), "1").unwrap();
        let first = digest();
        fs::write(path.join("a.pem.new"), "1").unwrap();
        fs::rename(path.join("a.pem.new"), path.join("a.pem")).unwrap();
        assert_eq!(digest(), first, "the same bytes in another inode");
        fs::write(path.join("a.pem"), "2").unwrap();
        let second = digest();
        assert_ne!(second, first);
        fs::rename(path.join("a.pem"), path.join("b.pem")).unwrap();
        assert_ne!(digest(), second);
    }

    #[test]
    fn an_unreadable_path_is_an_error_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("tls.crt"), "x").unwrap();
        let files = Files::read(&pair(directory.path()));
        assert!(files.bytes(&directory.path().join("tls.crt")).is_ok());
        let error = files.bytes(&directory.path().join("tls.key")).unwrap_err().to_string();
        assert!(error.contains("tls.key") && error.contains("No such file"), "{error}");
        let large = fs::File::create(directory.path().join("tls.key")).unwrap();
        large.set_len(BUNDLE_FILE_LIMIT + 1).unwrap();
        let error = Files::read(&pair(directory.path()))
            .bytes(&directory.path().join("tls.key"))
            .unwrap_err();
        assert!(error.to_string().contains("at most 1048576 bytes"), "{error}");
    }

    #[test]
    fn a_directory_yet_to_come_is_watched_from_above() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files::read(&pair(&directory.path().join("live/example.test")));
        assert_eq!(
            *files.directories_to_watch(),
            BTreeSet::from([directory.path().canonicalize().unwrap()])
        );
    }

    /// A secret as Kubernetes mounts it.
    fn mount(directory: &Path, generation: &str) {
        let data = directory.join(format!("..{generation}"));
        fs::create_dir(&data).unwrap();
        for name in ["tls.crt", "tls.key"] {
            fs::write(data.join(name), generation).unwrap();
        }
        symlink(format!("..{generation}"), directory.join("..data_tmp")).unwrap();
        fs::rename(directory.join("..data_tmp"), directory.join("..data")).unwrap();
    }

    #[test]
    fn a_swap_while_reading_never_mixes_generations() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        mount(path, "1");
        for name in ["tls.crt", "tls.key"] {
            symlink(format!("..data/{name}"), path.join(name)).unwrap();
        }
        // The mount is swapped after the first look, so that every file is read through links that have moved.
        let mut looks = 0;
        let files = Files::read_with(&pair(path), |settings| {
            let plan = Plan::of(settings);
            looks += 1;
            if looks == 1 {
                mount(path, "2");
                fs::remove_file(path.join("..1/tls.key")).unwrap();
            }
            plan
        });
        assert_eq!(looks, 3);
        for name in ["tls.crt", "tls.key"] {
            assert_eq!(files.bytes(&path.join(name)).unwrap(), b"2", "{name}");
        }
        let root = path.canonicalize().unwrap();
        assert_eq!(
            *files.directories_to_watch(),
            BTreeSet::from([root.clone(), root.join("..2")])
        );
    }

    #[test]
    fn a_file_written_while_reading_is_read_again_and_given_up_on_in_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        for name in ["tls.crt", "tls.key"] {
            fs::write(path.join(name), "x").unwrap();
        }
        let mut looks = 0;
        let files = Files::read_with(&pair(path), |settings| {
            looks += 1;
            fs::write(path.join("tls.crt"), "x".repeat(looks)).unwrap();
            Plan::of(settings)
        });
        assert_eq!(looks, 6);
        let error = files.bytes(&path.join("tls.crt")).unwrap_err().to_string();
        assert!(
            error.ends_with("it changed while it was read, 5 times in a row"),
            "{error}"
        );
        assert_eq!(files.bytes(&path.join("tls.key")).unwrap(), b"x");
    }

    #[test]
    fn the_contents_are_never_shown() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("tls.key"), "AAAA").unwrap();
        let shown = format!("{:?}", Files::read(&pair(directory.path())));
        assert!(shown.contains("tls.key") && !shown.contains("65, 65"), "{shown}");
    }

    #[test]
    fn the_same_path_given_twice_is_read_once_with_the_larger_limit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tls.crt");
        fs::write(&path, "x").unwrap();
        let mut settings = pair(directory.path());
        settings.intermediates = vec![path.clone(), path.clone()];
        let plan = Plan::of(&settings);
        assert_eq!(plan.files.len(), 2);
        assert_eq!(plan.files[path.as_os_str()].limit, STORE_FILE_LIMIT);
    }
}
