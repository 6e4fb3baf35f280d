//! The bytes of every configured path as of one moment: the only file access of the room.
//!
//! A leaf of one generation beside a key of another is what reloads go wrong with (Kubernetes renames `..data`,
//! editors and ACME clients rename or write in place). So everything a path depends on (its links, the file behind
//! them, the listing of a directory) is looked at before and after reading; whatever moved meanwhile is read again.
//!
//! A later reading reads only what has another stamp than before, and where events tell what changed it looks nowhere
//! else: of ten thousand certificates one is renewed at a time.

mod content;
mod directory;
mod exposure;
mod links;
mod plan;
mod read;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use std::{fmt, io};

use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use self::content::Content;
pub use self::exposure::Exposure;
use self::plan::Plan;
pub use self::read::ReadError;
use super::{Error, Roots, Settings};
use crate::chain::Sha256;

/// How often files that move under the reader are read again before it is an error.
const TRIES: u32 = 5;

/// The bytes of every configured path as of one moment.
pub struct Files {
    plan: Plan,
    /// By the path without links, so that a file with many names is read once.
    contents: HashMap<PathBuf, Content>,
    system_roots: Option<SystemRoots>,
    /// The configured paths whose contents the last reading found changed; `None` where it may be more than that.
    changed: Option<BTreeSet<OsString>>,
}

/// Where to look for what has changed since the last reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// At these paths, where events were seen. It is looked everywhere if they say that more than files changed.
    At(BTreeSet<PathBuf>),
    /// At every file.
    Everywhere,
    /// Nowhere: nothing is read.
    Nowhere,
}

/// What the operating system trusts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SystemRoots {
    /// The DER of each certificate.
    pub(super) certificates: Vec<CertificateDer<'static>>,
    /// What could not be read, each with its path.
    pub(super) errors: Vec<String>,
}

/// What a file holds.
pub(super) enum Bytes<'a> {
    /// As it was read for this generation.
    Kept(&'a [u8]),
    /// Read once more, and still the same.
    Read(Zeroizing<Vec<u8>>),
}

impl Deref for Bytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Kept(bytes) => bytes,
            Self::Read(bytes) => bytes,
        }
    }
}

impl Files {
    /// Reads every file that `settings` name. What cannot be read is kept as an error under its path.
    pub fn read(settings: &Settings) -> Self {
        Self::read_with(settings, Plan::of)
    }

    /// [`read`](Self::read), with the look at the file system as an argument.
    fn read_with(settings: &Settings, look: impl FnMut(&Settings) -> Plan) -> Self {
        let mut files = Self {
            plan: Plan::default(),
            contents: HashMap::new(),
            system_roots: None,
            changed: None,
        };
        files.look_everywhere(settings, look, SystemTime::now());
        files
    }

    /// Reads again what has changed since, and tells whether anything has: the bytes or the error of a file, or which
    /// files there are. `settings` must be those that were read for before.
    pub fn read_again(&mut self, settings: &Settings, look: &Look) -> bool {
        self.read_again_at(settings, look, SystemTime::now())
    }

    /// [`read_again`](Self::read_again), with the present instant as an argument.
    fn read_again_at(&mut self, settings: &Settings, look: &Look, now: SystemTime) -> bool {
        let mut changed = BTreeSet::new();
        let is_enough = match look {
            Look::Nowhere => true,
            Look::Everywhere => false,
            Look::At(paths) => self.look_at(paths, now, &mut changed),
        };
        if is_enough {
            let has_changed = !changed.is_empty();
            self.changed = Some(changed);
            return has_changed;
        }
        // What was read on the way is no news any more to a look at everything.
        let has_changed = self.look_everywhere(settings, Plan::of, now);
        has_changed || !changed.is_empty()
    }

    fn look_everywhere(
        &mut self,
        settings: &Settings,
        mut look: impl FnMut(&Settings) -> Plan,
        now: SystemTime,
    ) -> bool {
        let mut plan = look(settings);
        let mut contents = HashMap::new();
        for tries in 1.. {
            let is_read;
            (contents, is_read) = plan.read(&self.plan, &self.contents, now);
            // Nothing can have moved while it was read.
            if !is_read {
                break;
            }
            let after = look(settings);
            if after.is_same_generation(&plan) {
                break;
            }
            if tries == TRIES {
                for moved in plan.moved_in(&after) {
                    contents.insert(moved, Content::Unreadable(ReadError::Unstable(TRIES)));
                }
                break;
            }
            plan = after;
        }
        let system_roots = matches!(settings.roots, Roots::System).then(SystemRoots::read);
        let is_same = system_roots == self.system_roots
            && plan.listings == self.plan.listings
            && plan.directories == self.plan.directories
            && plan.files.keys().eq(self.plan.files.keys())
            && content::are_same(&contents, &self.contents);
        *self = Self {
            plan,
            contents,
            system_roots,
            changed: None,
        };
        !is_same
    }

    /// Looks at `paths` alone, and tells whether that is enough. What has changed is added to `changed`.
    fn look_at(&mut self, paths: &BTreeSet<PathBuf>, now: SystemTime, changed: &mut BTreeSet<OsString>) -> bool {
        for tries in 1..=TRIES {
            let contents = &self.contents;
            let is_lasting = |path: &Path| tries > 1 || contents.get(path).is_some_and(Content::is_lasting);
            let Some(moved) = self.plan.look_at(paths, is_lasting) else {
                return false;
            };
            if moved.is_empty() {
                break;
            }
            // A file of several names is read once, and then all of them have changed.
            let mut read = HashMap::new();
            for name in moved {
                let Some(planned) = self.plan.files.get(&name) else {
                    continue;
                };
                let path = &planned.resolved.path;
                let is_same = *read.entry(path).or_insert_with(|| {
                    let content = match tries {
                        TRIES => Content::Unreadable(ReadError::Unstable(TRIES)),
                        _ => planned.read(now),
                    };
                    let before = self.contents.insert(path.clone(), content);
                    let after = self.contents.get(path);
                    before.zip(after).is_some_and(|(before, after)| before.is_same(after))
                });
                if !is_same {
                    changed.insert(name);
                }
            }
        }
        true
    }

    /// Gives up the bytes, once they have been made use of. What is asked for again is read again.
    pub fn forget(&mut self) {
        self.contents.values_mut().for_each(Content::forget);
    }

    /// The directories whose events tell that a file may have changed: those with the files, those with each symbolic
    /// link on the way to them, and those configured as directories; for one that does not exist, the next above it
    /// that does.
    pub fn directories_to_watch(&self) -> &BTreeSet<PathBuf> {
        &self.plan.watched
    }

    /// The configured paths whose contents are others than before the last reading, if nothing else is.
    pub(super) fn only_changed(&self) -> Option<impl Iterator<Item = &Path>> {
        self.changed.as_ref().map(|changed| changed.iter().map(Path::new))
    }

    /// SHA-256 of the file configured as `path`; `None` where it cannot be read.
    pub(super) fn digest(&self, path: &Path) -> Option<Sha256> {
        match self.content(path)? {
            Content::Bytes { digest, .. } | Content::Known { digest, .. } => Some(*digest),
            Content::Unreadable(_) => None,
        }
    }

    /// The bytes of the file configured as `path`.
    pub(super) fn bytes(&self, path: &Path) -> Result<Bytes<'_>, Error> {
        let bytes = match self.content(path) {
            Some(Content::Bytes { bytes, .. }) => Ok(Bytes::Kept(bytes)),
            Some(Content::Known { digest, .. }) => self.read_once_more(path, *digest).map(Bytes::Read),
            Some(Content::Unreadable(source)) => Err(source.clone()),
            None => Err(ReadError::Io(Arc::new(io::ErrorKind::NotFound.into()))),
        };
        bytes.map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })
    }

    /// A file of which only the digest was kept. Where it is another by now, the next look will see that.
    fn read_once_more(&self, path: &Path, digest: Sha256) -> Result<Zeroizing<Vec<u8>>, ReadError> {
        let planned = self.plan.files.get(path.as_os_str());
        match planned.map(|planned| planned.read(SystemTime::now())) {
            Some(Content::Bytes { bytes, digest: now, .. }) if now == digest => Ok(bytes),
            Some(Content::Unreadable(error)) => Err(error),
            _ => Err(ReadError::Unstable(1)),
        }
    }

    fn content(&self, path: &Path) -> Option<&Content> {
        let planned = self.plan.files.get(path.as_os_str())?;
        self.contents.get(&planned.resolved.path)
    }

    /// The files that `path` of the store or of the anchors stands for: those in the directory, each once however
    /// many names it has, or itself.
    pub(super) fn below<'a>(&'a self, path: &'a Path) -> Vec<&'a Path> {
        let Some(listed) = self.listed(path) else {
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

    /// The files in the directory `path` under all their names; `None` where it is no directory that can be listed.
    pub(super) fn listed(&self, path: &Path) -> Option<&[PathBuf]> {
        self.plan.listings.get(path).map(Vec::as_slice)
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
        f.debug_struct("Files").field("paths", &paths).finish_non_exhaustive()
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::plan::{BUNDLE_FILE_LIMIT, STORE_FILE_LIMIT};
    use super::*;
    use crate::certs::{BundleSettings, Origin};

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
            origin: Origin::Configuration,
            certificate: directory.join("tls.crt"),
            key: Some(directory.join("tls.key")),
            password_file: None,
            staple: None,
            allow_ca_leaf: false,
            policy: None,
        };
        Settings {
            bundles: vec![bundle],
            roots: Roots::None,
            ..Settings::default()
        }
    }

    fn error_of(files: &Files, path: &Path) -> String {
        files.bytes(path).err().unwrap().to_string()
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
        assert_eq!(*files.bytes(&path.join("hash.0")).unwrap(), *b"a.pem");
    }

    #[test]
    fn a_later_reading_tells_of_other_contents_names_and_errors_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let settings = settings(&[path]);
        fs::write(path.join("a.pem"), "1").unwrap();
        let mut files = Files::read(&settings);
        let mut has_changed = || files.read_again(&settings, &Look::Everywhere);
        assert!(!has_changed());
        fs::write(path.join("a.pem.new"), "1").unwrap();
        fs::rename(path.join("a.pem.new"), path.join("a.pem")).unwrap();
        assert!(!has_changed(), "the same bytes in another inode");
        fs::write(path.join("a.pem"), "2").unwrap();
        assert!(has_changed());
        fs::rename(path.join("a.pem"), path.join("b.pem")).unwrap();
        assert!(has_changed());
        fs::remove_file(path.join("b.pem")).unwrap();
        fs::create_dir(path.join("b.pem")).unwrap();
        assert!(has_changed());
        assert!(!has_changed());
    }

    #[test]
    fn only_what_has_another_stamp_is_read_again_and_what_was_given_up_can_still_be_had() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let settings = pair(path);
        for name in ["tls.crt", "tls.key"] {
            fs::write(path.join(name), name).unwrap();
        }
        let mut files = Files::read(&settings);
        files.forget();
        assert_eq!(*files.bytes(&path.join("tls.key")).unwrap(), *b"tls.key");
        fs::write(path.join("tls.crt"), "renewed").unwrap();
        assert!(files.read_again(&settings, &Look::Everywhere));
        let is_kept = |name: &str| matches!(files.bytes(&path.join(name)), Ok(Bytes::Kept(_)));
        // Both have been written within the coarsest tick, so neither stamp is trusted yet.
        assert!(is_kept("tls.crt") && is_kept("tls.key"));

        let later = SystemTime::now() + std::time::Duration::from_secs(60);
        let (plan, none) = (Plan::of(&settings), HashMap::new());
        let (old, _) = plan.read(&Plan::default(), &none, later);
        fs::write(path.join("tls.crt"), "renewed again").unwrap();
        let (new, is_read) = Plan::of(&settings).read(&plan, &old, later);
        let root = path.canonicalize().unwrap();
        assert!(is_read);
        assert!(matches!(new[&root.join("tls.crt")], Content::Bytes { .. }));
        assert!(matches!(new[&root.join("tls.key")], Content::Known { .. }));
    }

    #[test]
    fn a_look_where_events_were_seen_reads_that_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        let settings = settings(&[&path]);
        for name in ["a.pem", "b.pem"] {
            fs::write(path.join(name), "1").unwrap();
        }
        let mut files = Files::read(&settings);
        files.forget();
        let mut look = |names: &[&str]| {
            let paths = names.iter().map(|name| path.join(name)).collect();
            let has_changed = files.read_again(&settings, &Look::At(paths));
            let kept =
                ["a.pem", "b.pem", "c.pem"].map(|name| matches!(files.bytes(&path.join(name)), Ok(Bytes::Kept(_))));
            files.forget();
            (has_changed, kept)
        };
        fs::write(path.join("a.pem"), "2").unwrap();
        fs::write(path.join("b.pem"), "2").unwrap();
        assert_eq!(look(&["a.pem", "unrelated/x.pem"]), (true, [true, false, false]));
        assert_eq!(
            look(&["a.pem"]),
            (false, [true, false, false]),
            "it is too young to trust its stamp"
        );
        fs::write(path.join("c.pem.tmp"), "1").unwrap();
        assert_eq!(look(&["c.pem.tmp", "gone.pem"]), (false, [false, false, false]));
        fs::rename(path.join("c.pem.tmp"), path.join("c.pem")).unwrap();
        // The listing has changed, so it is looked everywhere, and b.pem is found to have changed too.
        assert_eq!(look(&["c.pem.tmp", "c.pem"]), (true, [true, true, true]));
        fs::remove_file(path.join("c.pem")).unwrap();
        assert!(look(&["c.pem"]).0);
    }

    /// As if everything had been written long before it is read.
    fn later() -> SystemTime {
        SystemTime::now() + std::time::Duration::from_secs(60)
    }

    /// `rsync --delete` renews one file and removes another: the removal asks for a look at everything, which must still
    /// see that the first has changed.
    #[test]
    fn a_change_beside_a_removal_is_not_missed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        let settings = settings(&[&path]);
        for name in ["a.pem", "z.pem"] {
            fs::write(path.join(name), "1").unwrap();
        }
        let mut files = Files::read(&settings);
        assert!(!files.read_again_at(&settings, &Look::Everywhere, later()));
        fs::write(path.join("a.pem.tmp"), "2").unwrap();
        fs::rename(path.join("a.pem.tmp"), path.join("a.pem")).unwrap();
        fs::remove_file(path.join("z.pem")).unwrap();
        let look = Look::At(["a.pem.tmp", "a.pem", "z.pem"].map(|name| path.join(name)).into());
        assert!(files.read_again_at(&settings, &look, later()));
        assert_eq!(files.digest(&path.join("a.pem")), Some(Sha256::of(b"2")));
    }

    #[test]
    fn a_path_that_is_written_in_a_roundabout_way_is_known_by_its_event() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        let settings = pair(&path.join("."));
        for name in ["tls.crt", "tls.key"] {
            fs::write(path.join(name), "1").unwrap();
        }
        let mut files = Files::read(&settings);
        fs::write(path.join("tls.crt"), "2").unwrap();
        assert!(files.read_again(&settings, &Look::At([path.join("tls.crt")].into())));
    }

    #[test]
    fn a_directory_that_comes_into_being_is_seen_by_its_event() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        for settings in [pair(&path.join("live/a.test")), settings(&[&path.join("live/a.test")])] {
            let mut files = Files::read(&settings);
            fs::create_dir_all(path.join("live/a.test")).unwrap();
            for name in ["tls.crt", "tls.key"] {
                fs::write(path.join("live/a.test").join(name), "1").unwrap();
            }
            assert!(files.read_again(&settings, &Look::At([path.join("live")].into())));
            assert!(files.bytes(&path.join("live/a.test/tls.crt")).is_ok());
            fs::remove_dir_all(path.join("live")).unwrap();
        }
    }

    #[test]
    fn what_has_changed_is_told_even_if_the_look_at_it_turns_into_one_at_everything() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        let settings = settings(&[&path]);
        for name in ["a.pem", "b.pem"] {
            fs::write(path.join(name), "1").unwrap();
        }
        let mut files = Files::read(&settings);
        fs::write(path.join("a.pem"), "2").unwrap();
        fs::remove_file(path.join("b.pem")).unwrap();
        let both = ["a.pem", "b.pem"].map(|name| path.join(name)).into();
        assert!(files.read_again(&settings, &Look::At(both)));
        assert_eq!(*files.bytes(&path.join("a.pem")).unwrap(), *b"2");
        assert!(files.only_changed().is_none());
    }

    #[test]
    fn a_link_that_leads_elsewhere_is_followed_wherever_the_event_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().canonicalize().unwrap();
        mount(&path, "1");
        for name in ["tls.crt", "tls.key"] {
            symlink(format!("..data/{name}"), path.join(name)).unwrap();
        }
        let settings = pair(&path);
        let mut files = Files::read(&settings);
        mount(&path, "2");
        assert!(files.read_again(&settings, &Look::At(BTreeSet::from([path.join("..data")]))));
        assert_eq!(*files.bytes(&path.join("tls.key")).unwrap(), *b"2");
        // And a file behind links is known by the path that its events name.
        fs::write(path.join("..2/tls.key"), "3").unwrap();
        assert!(files.read_again(&settings, &Look::At(BTreeSet::from([path.join("..2/tls.key")]))));
        assert_eq!(*files.bytes(&path.join("tls.key")).unwrap(), *b"3");
    }

    #[test]
    fn an_unreadable_path_is_an_error_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("tls.crt"), "x").unwrap();
        let files = Files::read(&pair(directory.path()));
        assert!(files.bytes(&directory.path().join("tls.crt")).is_ok());
        let error = error_of(&files, &directory.path().join("tls.key"));
        assert!(error.contains("tls.key") && error.contains("No such file"), "{error}");
        let large = fs::File::create(directory.path().join("tls.key")).unwrap();
        large.set_len(BUNDLE_FILE_LIMIT + 1).unwrap();
        let files = Files::read(&pair(directory.path()));
        let error = error_of(&files, &directory.path().join("tls.key"));
        assert!(error.contains("at most 1048576 bytes"), "{error}");
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
            assert_eq!(*files.bytes(&path.join(name)).unwrap(), *b"2", "{name}");
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
        let error = error_of(&files, &path.join("tls.crt"));
        assert!(
            error.ends_with("it changed while it was read, 5 times in a row"),
            "{error}"
        );
        assert_eq!(*files.bytes(&path.join("tls.key")).unwrap(), *b"x");
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
