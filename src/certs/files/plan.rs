//! What there is to read: the configured paths, looked at but not yet read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::links::{Resolved, Resolver};
use super::read::{self, ReadError};
use crate::certs::{Roots, Settings};

/// A leaf with its key, a PKCS#12 file, a password: Kubernetes allows a whole Secret 1 MiB.
pub(super) const BUNDLE_FILE_LIMIT: u64 = 1 << 20;
/// A file of the store or of the anchors: every intermediate that browsers know of (CCADB) takes about 20 MB of PEM.
pub(super) const STORE_FILE_LIMIT: u64 = 64 << 20;
/// All files together, so that a directory of large files does not take the memory of the machine.
const TOTAL_LIMIT: u64 = 256 << 20;
/// Files in one directory: ten times the largest store this is made for.
const DIRECTORY_LIMIT: usize = 100_000;

/// What was read, by the path without links, so that a file with many names is read once.
pub(super) type BytesByPath = HashMap<PathBuf, Result<Zeroizing<Vec<u8>>, ReadError>>;

/// What the configured paths stand for at one moment.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// By the configured path. As text, since paths compare component by component, which shows with ten thousand of
    /// them.
    pub(super) files: BTreeMap<OsString, Planned>,
    /// The files of each configured directory.
    pub(super) listings: BTreeMap<PathBuf, Vec<PathBuf>>,
    /// The directories whose events tell that something moved.
    pub(super) watched: BTreeSet<PathBuf>,
    /// What is known to be unreadable before reading.
    unreadable: Vec<(PathBuf, ReadError)>,
}

/// One file to be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) resolved: Resolved,
    pub(super) limit: u64,
}

impl Plan {
    /// Looks at every path that `settings` name.
    pub(super) fn of(settings: &Settings) -> Self {
        let mut plan = Self::default();
        let mut resolver = Resolver::default();
        for bundle in &settings.bundles {
            let files = [
                Some(&bundle.certificate),
                bundle.key.as_ref(),
                bundle.password_file.as_ref(),
                bundle.staple.as_ref(),
            ];
            for path in files.into_iter().flatten() {
                plan.add_file(&mut resolver, path, BUNDLE_FILE_LIMIT);
            }
        }
        let roots = match &settings.roots {
            Roots::Files(paths) => paths.as_slice(),
            Roots::None | Roots::System => &[],
        };
        for path in settings.intermediates.iter().chain(roots) {
            plan.add(&mut resolver, path);
        }
        let directories = plan.files.values().flat_map(|file| &file.resolved.directories);
        let directories: BTreeSet<&Path> = directories.chain(&plan.watched).map(PathBuf::as_path).collect();
        let existing = |directory: &Path| directory.ancestors().find(|path| path.is_dir()).map(Path::to_owned);
        plan.watched = directories.into_iter().filter_map(existing).collect();
        plan
    }

    /// Adds a file, or the files of a directory.
    fn add(&mut self, resolver: &mut Resolver, path: &Path) {
        if !fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
            return self.add_file(resolver, path, STORE_FILE_LIMIT);
        }
        let resolved = resolver.resolve(path);
        self.watched.extend(resolved.directories);
        self.watched.insert(resolved.path);
        match list(path) {
            Ok(files) => {
                for file in &files {
                    self.add_file(resolver, file, STORE_FILE_LIMIT);
                }
                self.listings.insert(path.to_owned(), files);
            }
            Err(error) => {
                self.add_file(resolver, path, STORE_FILE_LIMIT);
                self.unreadable.push((path.to_owned(), error));
            }
        }
    }

    fn add_file(&mut self, resolver: &mut Resolver, path: &Path, limit: u64) {
        if let Some(planned) = self.files.get_mut(path.as_os_str()) {
            planned.limit = planned.limit.max(limit);
            return;
        }
        let resolved = resolver.resolve(path);
        self.files
            .insert(path.as_os_str().to_owned(), Planned { resolved, limit });
    }

    /// Reads every file once.
    pub(super) fn read(&self) -> BytesByPath {
        let mut contents = HashMap::with_capacity(self.files.len());
        for (path, error) in &self.unreadable {
            if let Some(planned) = self.files.get(path.as_os_str()) {
                contents.insert(planned.resolved.path.clone(), Err(error.clone()));
            }
        }
        let mut left = TOTAL_LIMIT;
        // Leaves and keys first: a store without measure must not crowd them out.
        let mut files: Vec<&Planned> = self.files.values().collect();
        files.sort_by_key(|planned| planned.limit);
        for planned in files {
            contents.entry(planned.resolved.path.clone()).or_insert_with(|| {
                let bytes = match read::file(&planned.resolved.path, planned.limit.min(left)) {
                    Err(ReadError::TooLarge(limit)) if limit < planned.limit => {
                        Err(ReadError::TooLargeTogether(TOTAL_LIMIT))
                    }
                    bytes => bytes,
                }?;
                left = left.saturating_sub(bytes.len() as u64);
                Ok(bytes)
            });
        }
        contents
    }

    /// Whether nothing moved between two looks.
    pub(super) fn is_same_generation(&self, other: &Self) -> bool {
        self.files == other.files && self.listings == other.listings
    }

    /// The files, as paths without links, that are not the same in `after`.
    pub(super) fn moved_in(&self, after: &Self) -> Vec<PathBuf> {
        let moved = self
            .files
            .iter()
            .filter(|(path, planned)| after.files.get(*path) != Some(planned));
        moved.map(|(_, planned)| planned.resolved.path.clone()).collect()
    }
}

/// The regular files in a directory and the links to such, sorted by name.
fn list(directory: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let explain = |error| read::explain(directory, error);
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(explain)? {
        let entry = entry.map_err(explain)?;
        let path = entry.path();
        // The listing tells what is a link, and only a link needs another look.
        let kind = entry.file_type().map_err(explain)?;
        let is_file = kind.is_file() || kind.is_symlink() && fs::metadata(&path).is_ok_and(|target| target.is_file());
        if !is_file || is_temporary(&entry.file_name().to_string_lossy()) {
            continue;
        }
        if files.len() == DIRECTORY_LIMIT {
            return Err(ReadError::TooManyFiles(DIRECTORY_LIMIT));
        }
        files.push(path);
    }
    files.sort_by(|left: &PathBuf, right| left.as_os_str().cmp(right.as_os_str()));
    Ok(files)
}

/// Whether a file with this name is hidden or belongs to an editor or to a program in the middle of writing.
fn is_temporary(name: &str) -> bool {
    name.starts_with(['.', '#']) || [".swp", ".tmp", "~"].iter().any(|end| name.ends_with(end))
}
