//! Staples on disk, so that a restart has them at once: a file of DER for each leaf, named by its SHA-256.
//!
//! Nothing in it is trusted: what is read is verified like what is fetched.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::chain::Sha256;
use crate::fetch::directory::Directory;
use crate::ocsp::MOST_BYTES;

/// No response counts for as long: the CA/Browser Forum's baseline (4.9.10) allows ten days.
const OLDEST: Duration = Duration::from_secs(60 * 24 * 60 * 60);

/// The directory with the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cache {
    directory: Directory,
}

impl Cache {
    /// The files in `directory`, which need not exist yet.
    pub(super) fn new(directory: PathBuf) -> Self {
        Self {
            directory: Directory::new(directory),
        }
    }

    /// What is kept for `leaf`. Whatever is wrong with a file, the responder has another.
    pub(super) fn read(&self, leaf: Sha256) -> Option<Vec<u8>> {
        let path = self.directory.path().join(name(leaf));
        // Opening a pipe would wait for its other end.
        fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file)?;
        let file = File::open(path).ok()?;
        let mut der = Vec::new();
        // One more than a staple may have: that one is told to be too large.
        file.take(MOST_BYTES as u64 + 1).read_to_end(&mut der).ok()?;
        Some(der)
    }

    /// Keeps `der` for `leaf`.
    pub(super) fn write(&self, leaf: Sha256, der: &[u8]) -> io::Result<()> {
        self.directory.write(&name(leaf), der)
    }

    /// Forgets what is kept for `leaf`.
    pub(super) fn remove(&self, leaf: Sha256) {
        self.directory.remove(&name(leaf));
    }

    /// Removes what no leaf can have use for any more: files not written for [`OLDEST`] before `now`.
    pub(super) fn sweep(&self, now: SystemTime) {
        let Ok(entries) = fs::read_dir(self.directory.path()) else {
            return;
        };
        for entry in entries.flatten() {
            let age = || now.duration_since(entry.metadata().ok()?.modified().ok()?).ok();
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "ocsp") && age().is_some_and(|age| age > OLDEST) {
                // Another process may have been faster.
                let _ = fs::remove_file(path);
            }
        }
    }
}

fn name(leaf: Sha256) -> String {
    format!("{leaf}.ocsp")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_until_it_is_removed_or_too_old() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path().join("below"));
        let (one, other) = (Sha256::of(b"one"), Sha256::of(b"other"));
        assert_eq!(cache.read(one), None);
        cache.write(one, b"first").unwrap();
        cache.write(one, b"second").unwrap();
        cache.write(other, &[7; MOST_BYTES + 9]).unwrap();
        assert_eq!(cache.read(one), Some(b"second".to_vec()));
        assert_eq!(cache.read(other).map(|der| der.len()), Some(MOST_BYTES + 1));
        cache.remove(other);
        assert_eq!(cache.read(other), None);
        let now = SystemTime::now();
        cache.sweep(now + OLDEST - Duration::from_secs(60));
        assert!(cache.read(one).is_some());
        cache.sweep(now + OLDEST + Duration::from_secs(60));
        assert_eq!(fs::read_dir(directory.path().join("below")).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_cannot_be_is_an_error_of_writing_alone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let cache = Cache::new(file.path().join("below"));
        let leaf = Sha256::of(b"leaf");
        assert!(cache.write(leaf, b"x").is_err());
        assert_eq!(cache.read(leaf), None);
        cache.remove(leaf);
        cache.sweep(SystemTime::now());
    }
}
