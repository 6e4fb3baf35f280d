//! A directory of small files that nobody else depends on: whatever goes wrong with it costs a question to the
//! network.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Where what was fetched is kept, readable by this user alone. What it holds is never trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directory {
    path: PathBuf,
}

impl Directory {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The names and contents of at most `most` regular files of at most `largest` bytes whose name `is_ours`. A
    /// directory that is not there is empty.
    pub(super) fn read(
        &self,
        is_ours: impl Fn(&str) -> bool,
        most: usize,
        largest: u64,
    ) -> io::Result<Vec<(String, Vec<u8>)>> {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let names = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| is_ours(name));
        let contents = |name: String| {
            let path = self.path.join(&name);
            // Opening a pipe would wait for its other end.
            let is_small_file = |metadata: &fs::Metadata| metadata.is_file() && metadata.len() <= largest;
            fs::symlink_metadata(&path).ok().filter(is_small_file)?;
            let mut bytes = Vec::new();
            File::open(path).ok()?.take(largest).read_to_end(&mut bytes).ok()?;
            Some((name, bytes))
        };
        Ok(names.filter_map(contents).take(most).collect())
    }

    /// Writes a file aside and renames it to `name`, so that no reader ever sees a part of it.
    pub(super) fn write(&self, name: &str, contents: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        // Made with mode 0600.
        let mut aside = tempfile::Builder::new().prefix(".").tempfile_in(&self.path)?;
        aside.write_all(contents)?;
        aside.persist(self.path.join(name))?;
        Ok(())
    }

    /// Removes a file, if it is there.
    pub(super) fn remove(&self, name: &str) {
        // One that stays is read again, and found to be too many again.
        let _ = fs::remove_file(self.path.join(name));
    }
}
