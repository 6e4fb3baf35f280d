//! What earlier questions gave: in memory, and where there is a directory, on disk too.
//!
//! A CA is asked once and not at every start; one that does not answer is asked less and less often. Nothing is
//! trusted for being here: what was found is judged again each time it is used, and a damaged file is no file.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::UnixTime;

use super::back_off::{is_due, next_attempt};
use super::directory::Directory;
use super::entry::{Came, Entry, Key};
use crate::chain::Certificate;

/// What is known of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// These certificates counted when they came, at this instant.
    Found(Vec<Arc<Certificate>>, UnixTime),
    /// Nothing that counts: not to be asked again before this instant.
    NotBefore(UnixTime),
    /// Nothing that forbids asking.
    Nothing,
}

/// The answers there have been.
#[derive(Debug)]
pub struct Cache {
    entries: HashMap<Key, Entry>,
    disk: Disk,
    /// What there is to say about the directory, once.
    problem: Option<String>,
}

#[derive(Debug)]
enum Disk {
    /// Not read yet.
    Unread { directory: Directory, may_write: bool },
    /// Read, and written to from now on.
    Kept(Directory),
    /// There is none, or none that can be used.
    None,
}

/// Ten thousand certificates are of some dozen CAs; the oldest entries go first.
const MOST_ENTRIES: usize = 1_000;
/// A CA's certificate takes 3 KiB here, so that the entries of an ordinary cache fit several times over.
const MOST_BYTES: usize = 16 << 20;
/// A full answer of 64 KiB as PEM in JSON takes 100 KiB.
const LARGEST_FILE: u64 = 256 << 10;

impl Cache {
    /// A cache that ends with the process.
    pub fn in_memory() -> Self {
        Self::with(Disk::None)
    }

    /// A cache in `directory`, which is made when there is something to keep.
    pub fn at(directory: PathBuf) -> Self {
        let directory = Directory::new(directory);
        Self::with(Disk::Unread {
            directory,
            may_write: true,
        })
    }

    /// What was found by whoever writes to `directory`, and a memory of its own: for a look by another user. What was
    /// not found is asked again, since somebody is looking.
    pub fn reading(directory: PathBuf) -> Self {
        let directory = Directory::new(directory);
        Self::with(Disk::Unread {
            directory,
            may_write: false,
        })
    }

    fn with(disk: Disk) -> Self {
        Self {
            entries: HashMap::new(),
            disk,
            problem: None,
        }
    }

    /// Reads the directory, if that has not been done: as late as possible, since a file system may hang.
    fn load(&mut self) {
        let Disk::Unread { directory, may_write } = &self.disk else {
            return;
        };
        let (directory, may_write) = (directory.clone(), *may_write);
        self.disk = Disk::None;
        let files = directory.read(|name| Key::of_file(name).is_some(), 2 * MOST_ENTRIES, LARGEST_FILE);
        let files = match files {
            Ok(files) => files,
            Err(error) => return self.give_up(&directory, &error),
        };
        for (name, bytes) in files {
            if let Some((key, entry)) = Key::of_file(&name).zip(Entry::from_bytes(&bytes)) {
                self.entries.insert(key, entry);
            }
        }
        if may_write {
            self.disk = Disk::Kept(directory);
            self.tidy();
        } else {
            self.forget_failures();
        }
    }

    /// What is known of each of `keys` at `now`. The first look reads the directory.
    pub(super) fn look_up_all(&mut self, keys: &[Key], now: UnixTime) -> Vec<Known> {
        self.load();
        keys.iter().map(|key| self.look_up(*key, now)).collect()
    }

    fn look_up(&self, key: Key, now: UnixTime) -> Known {
        match self.entries.get(&key) {
            None => Known::Nothing,
            Some(Entry { at, came, .. }) => match came {
                Came::Found(certificates) => Known::Found(certificates.clone(), *at),
                Came::Nothing { attempts, .. } if is_due(*attempts, *at, now) => Known::Nothing,
                Came::Nothing { attempts, .. } => Known::NotBefore(next_attempt(*attempts, *at)),
            },
        }
    }

    /// Keeps what counted.
    pub(super) fn keep(&mut self, key: Key, url: &str, certificates: Vec<Arc<Certificate>>, now: UnixTime) {
        self.insert(key, url, now, Came::Found(certificates));
    }

    /// Notes that nothing came, or nothing that counts; returns when to ask again.
    pub(super) fn note_failure(&mut self, key: Key, url: &str, reason: String, now: UnixTime) -> UnixTime {
        let before = match self.entries.get(&key).map(|entry| &entry.came) {
            Some(Came::Nothing { attempts, .. }) => *attempts,
            Some(Came::Found(_)) | None => 0,
        };
        let attempts = before.saturating_add(1);
        self.insert(key, url, now, Came::Nothing { attempts, reason });
        next_attempt(attempts, now)
    }

    /// Lets everything be asked again that gave no answer: somebody may have mended it.
    pub(super) fn forget_failures(&mut self) {
        self.load();
        let failed = |entry: &Entry| matches!(entry.came, Came::Nothing { .. });
        let forgotten: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| failed(entry))
            .map(|(key, _)| *key)
            .collect();
        for key in forgotten {
            self.remove(key);
        }
    }

    /// What is wrong with the directory, the first time it is asked.
    pub(super) fn take_problem(&mut self) -> Option<String> {
        self.problem.take()
    }

    fn insert(&mut self, key: Key, url: &str, at: UnixTime, came: Came) {
        let url = url.to_owned();
        let entry = Entry { url, at, came };
        if let Disk::Kept(directory) = &self.disk
            && let Err(error) = directory.write(&key.file(), &entry.to_bytes())
        {
            let directory = directory.clone();
            self.give_up(&directory, &error);
        }
        self.entries.insert(key, entry);
        self.tidy();
    }

    /// Removes the oldest entries where there are too many or too large ones.
    fn tidy(&mut self) {
        let mut by_age: Vec<_> = self
            .entries
            .iter()
            .map(|(key, entry)| (entry.at.as_secs(), *key, size(entry)))
            .collect();
        let mut bytes: usize = by_age.iter().map(|(_, _, size)| size).sum();
        if by_age.len() <= MOST_ENTRIES && bytes <= MOST_BYTES {
            return;
        }
        by_age.sort_by_key(|(at, key, _)| (*at, key.file()));
        let mut left = by_age.len();
        for (_, key, size) in by_age {
            if left <= MOST_ENTRIES && bytes <= MOST_BYTES {
                break;
            }
            self.remove(key);
            (left, bytes) = (left - 1, bytes - size);
        }
    }

    fn remove(&mut self, key: Key) {
        self.entries.remove(&key);
        if let Disk::Kept(directory) = &self.disk {
            directory.remove(&key.file());
        }
    }

    fn give_up(&mut self, directory: &Directory, error: &std::io::Error) {
        let path = directory.path().display();
        self.problem = Some(format!(
            "{path}: what is fetched cannot be kept there ({error}): it is fetched again after a restart"
        ));
        self.disk = Disk::None;
    }
}

fn size(entry: &Entry) -> usize {
    let came = match &entry.came {
        Came::Found(certificates) => certificates.iter().map(|certificate| certificate.der().len()).sum(),
        Came::Nothing { reason, .. } => reason.len(),
    };
    entry.url.len() + came
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::chain::Sha256;

    fn key(number: usize) -> Key {
        Key::of_file(&format!("{}.json", Sha256::of(&number.to_be_bytes()))).unwrap()
    }

    fn at(seconds: usize) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds as u64))
    }

    #[test]
    fn the_oldest_entries_make_room_in_memory_and_on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let mut cache = Cache::at(directory.path().to_owned());
        cache.load();
        for number in 0..MOST_ENTRIES + 5 {
            cache.note_failure(key(number), "http://ca.test/", String::new(), at(number));
        }
        let known = |number| !matches!(cache.look_up(key(number), at(number)), Known::Nothing);
        assert_eq!((known(4), known(5), cache.entries.len()), (false, true, MOST_ENTRIES));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), MOST_ENTRIES);
    }

    #[test]
    fn entries_make_room_by_their_size_too() {
        let mut cache = Cache::in_memory();
        for number in 0..5 {
            cache.note_failure(key(number), "http://ca.test/", "a".repeat(MOST_BYTES / 4), at(number));
        }
        assert_eq!(cache.entries.len(), 3);
    }
}
