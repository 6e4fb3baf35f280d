//! What there is to read: the configured paths, looked at but not yet read.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::content::Content;
use super::directory::Directory;
use super::links::{Resolved, Resolver};
use super::read::{self, ReadError};
use crate::certs::{Roots, Settings, TicketSettings};
use crate::chain::Sha256;

/// A leaf with its key, a PKCS#12 file, a password: Kubernetes allows a whole Secret 1 MiB.
pub(super) const BUNDLE_FILE_LIMIT: u64 = 1 << 20;
/// A file of the store or of the anchors: every intermediate that browsers know of (CCADB) takes about 20 MB of PEM.
pub(super) const STORE_FILE_LIMIT: u64 = 64 << 20;
/// All files together, so that a directory of large files does not take the memory of the machine.
const TOTAL_LIMIT: u64 = 256 << 20;
/// Files in one directory: ten times the largest store this is made for.
pub(super) const DIRECTORY_LIMIT: usize = 100_000;

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
    /// The directories that are listed, without links.
    listed: HashSet<PathBuf>,
    /// Every link on the way to a file.
    links: HashSet<PathBuf>,
    /// What is not there yet, and every directory that may come into being on the way to it.
    awaited: HashSet<PathBuf>,
    /// Files in certificate directories that are nobody's.
    pub(super) idle: HashSet<PathBuf>,
    /// The configured paths of each file that has other ones than its own.
    aliases: HashMap<PathBuf, Vec<OsString>>,
    /// The certificate directories that can be listed.
    pub(super) directories: BTreeMap<PathBuf, Directory>,
    /// What is known to be unreadable before reading.
    pub(super) unreadable: Vec<(PathBuf, ReadError)>,
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
        for directory in &settings.directories {
            plan.add_directory(&mut resolver, directory);
        }
        if let Some(path) = &settings.directory_password_file {
            plan.add_file(&mut resolver, path, BUNDLE_FILE_LIMIT);
        }
        let roots = match &settings.roots {
            Roots::Files(paths) => paths.as_slice(),
            Roots::None | Roots::System => &[],
        };
        let client_trust = settings.client_trust.iter();
        let client_trust = client_trust.flat_map(|trust| trust.authorities.iter().chain(&trust.revocation_lists));
        for path in settings.intermediates.iter().chain(roots).chain(client_trust) {
            plan.add(&mut resolver, path, STORE_FILE_LIMIT);
        }
        match &settings.tickets {
            Some(TicketSettings::Keys(path)) => plan.add(&mut resolver, path, BUNDLE_FILE_LIMIT),
            Some(TicketSettings::Secret(path)) => plan.add_file(&mut resolver, path, BUNDLE_FILE_LIMIT),
            None => {}
        }
        let absent = plan.files.values().filter(|file| file.resolved.stamp.is_none());
        let awaited = absent.flat_map(|file| file.resolved.path.ancestors());
        plan.awaited = awaited.map(Path::to_owned).collect();
        let directories = plan.files.values().flat_map(|file| &file.resolved.directories);
        let directories: BTreeSet<&Path> = directories.chain(&plan.watched).map(PathBuf::as_path).collect();
        let existing = |directory: &Path| directory.ancestors().find(|path| path.is_dir()).map(Path::to_owned);
        plan.watched = directories.into_iter().filter_map(existing).collect();
        plan
    }

    /// Adds a file, or the files of a directory.
    fn add(&mut self, resolver: &mut Resolver, path: &Path, limit: u64) {
        if !fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
            return self.add_file(resolver, path, limit);
        }
        self.add_listed(resolver, path);
        match list(path) {
            Ok(files) => {
                for file in &files {
                    self.add_file(resolver, file, limit);
                }
                self.listings.insert(path.to_owned(), files);
            }
            Err(error) => {
                self.add_file(resolver, path, limit);
                self.unreadable.push((path.to_owned(), error));
            }
        }
    }

    /// Adds a directory of which every file counts.
    pub(super) fn add_listed(&mut self, resolver: &mut Resolver, path: &Path) {
        let resolved = resolver.resolve(path);
        self.watched.extend(resolved.directories);
        self.links.extend(resolved.links.into_iter().map(|(link, _)| link));
        self.listed.insert(resolved.path.clone());
        self.watched.insert(resolved.path);
    }

    pub(super) fn add_file(&mut self, resolver: &mut Resolver, path: &Path, limit: u64) {
        if let Some(planned) = self.files.get_mut(path.as_os_str()) {
            planned.limit = planned.limit.max(limit);
            return;
        }
        let resolved = resolver.resolve(path);
        self.links.extend(resolved.links.iter().map(|(link, _)| link.clone()));
        // As text: paths compare without `.` and doubled slashes, but files are known by what was configured.
        if resolved.path.as_os_str() != path.as_os_str() {
            let aliases = self.aliases.entry(resolved.path.clone()).or_default();
            aliases.push(path.as_os_str().to_owned());
        }
        self.files
            .insert(path.as_os_str().to_owned(), Planned { resolved, limit });
    }

    /// What each file holds, and whether any was read: one that is the same in the plan `before`, with its `contents`, is
    /// not.
    pub(super) fn read(
        &self,
        before: &Self,
        contents: &HashMap<PathBuf, Content>,
        now: SystemTime,
    ) -> (HashMap<PathBuf, Content>, bool) {
        let known = |path: &OsString, planned: &Planned| {
            let is_same = before.files.get(path).is_some_and(|before| before == planned);
            let content = contents.get(&planned.resolved.path);
            content.filter(|content| is_same && content.is_lasting())
        };
        let mut found = HashMap::with_capacity(self.files.len());
        for (path, error) in &self.unreadable {
            if let Some(planned) = self.files.get(path.as_os_str()) {
                found.insert(planned.resolved.path.clone(), Content::Unreadable(error.clone()));
            }
        }
        let mut left = TOTAL_LIMIT;
        let mut is_read = false;
        // Leaves and keys first: a store without measure must not crowd them out.
        let mut files: Vec<(&OsString, &Planned)> = self.files.iter().collect();
        files.sort_by_key(|(_, planned)| planned.limit);
        for (path, planned) in files {
            found.entry(planned.resolved.path.clone()).or_insert_with(|| {
                let content = known(path, planned).map(Content::without_bytes).unwrap_or_else(|| {
                    is_read = true;
                    planned.read_at_most(left, now)
                });
                left = left.saturating_sub(planned.resolved.length());
                content
            });
        }
        (found, is_read)
    }

    /// Looks at `paths` alone, as events name them, and tells which configured paths have another state than before, or one that
    /// `is_lasting` does not answer for. `None` where links or listings may have changed.
    pub(super) fn look_at(
        &mut self,
        paths: &BTreeSet<PathBuf>,
        is_lasting: impl Fn(&Path) -> bool,
    ) -> Option<Vec<OsString>> {
        let mut names = Vec::new();
        for path in paths {
            if [&self.links, &self.awaited]
                .iter()
                .any(|crossed| crossed.contains(path))
                || self.watched.contains(path)
            {
                return None;
            }
            let before = names.len();
            names.extend(self.files.get_key_value(path.as_os_str()).map(|(name, _)| name.clone()));
            names.extend(self.aliases.get(path).into_iter().flatten().cloned());
            let is_new = names.len() == before && fs::symlink_metadata(path).is_ok();
            if is_new && self.would_be_listed(path) {
                return None;
            }
        }
        let mut resolver = Resolver::default();
        let mut moved = Vec::new();
        for name in names {
            let resolved = resolver.resolve(Path::new(&name));
            let planned = self.files.get(&name)?;
            if resolved.stamp.is_none()
                || resolved.path != planned.resolved.path
                || resolved.links != planned.resolved.links
            {
                return None;
            }
            if planned.resolved != resolved || !is_lasting(&resolved.path) {
                moved.push((name, resolved));
            }
        }
        // Only now: where it must be looked everywhere, that look must still see what has moved.
        for (name, resolved) in &moved {
            if let Some(planned) = self.files.get_mut(name) {
                planned.resolved = resolved.clone();
            }
        }
        Some(moved.into_iter().map(|(name, _)| name).collect())
    }

    fn would_be_listed(&self, path: &Path) -> bool {
        let is_in_listed = path.parent().is_some_and(|parent| self.listed.contains(parent));
        is_in_listed
            && !self.idle.contains(path)
            && !path
                .file_name()
                .is_some_and(|name| is_temporary(&name.to_string_lossy()))
    }

    /// Whether nothing moved between two looks.
    pub(super) fn is_same_generation(&self, other: &Self) -> bool {
        self.files == other.files && self.listings == other.listings && self.directories == other.directories
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

impl Planned {
    /// What the file holds at the moment `now`.
    pub(super) fn read(&self, now: SystemTime) -> Content {
        self.read_at_most(TOTAL_LIMIT, now)
    }

    fn read_at_most(&self, left: u64, now: SystemTime) -> Content {
        match read::file(&self.resolved.path, self.limit.min(left)) {
            Ok(bytes) => Content::Bytes {
                digest: Sha256::of(&bytes),
                bytes,
                is_young: self.resolved.is_young(now),
            },
            Err(ReadError::TooLarge(limit)) if limit < self.limit => {
                Content::Unreadable(ReadError::TooLargeTogether(TOTAL_LIMIT))
            }
            Err(error) => Content::Unreadable(error),
        }
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
pub(super) fn is_temporary(name: &str) -> bool {
    name.starts_with(['.', '#']) || [".swp", ".tmp", "~"].iter().any(|end| name.ends_with(end))
}
