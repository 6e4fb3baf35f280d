//! What earlier questions gave: in memory, and where there is a directory, on disk too.
//!
//! A CA is asked once and not at every start; one that does not answer is asked less and less often. Nothing is
//! trusted for being here: what was found is judged again each time it is used, and a damaged file is no file.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::UnixTime;

use super::back_off::{is_due, is_fresh, next_attempt};
use super::directory::Directory;
use super::entry::{Answer, Entry, Failure, Key};
use crate::chain::Certificate;

/// What is known of a question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// These certificates counted when they came, at this instant.
    pub(super) answer: Option<(Vec<Arc<Certificate>>, UnixTime)>,
    /// Whether they came so lately that nothing need be asked.
    pub(super) is_fresh: bool,
    /// Nothing came since, and it is not to be asked before this instant.
    pub(super) not_before: Option<UnixTime>,
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
    Kept {
        directory: Directory,
        /// The last attempt failed: the next is not made before this instant.
        not_before: Option<UnixTime>,
    },
    /// There is none, or none that is written to.
    None,
}

/// Ten thousand certificates are of some dozen CAs; the oldest entries go first.
const MOST_ENTRIES: usize = 1_000;
/// A CA's certificate takes 3 KiB here, so that the entries of an ordinary cache fit several times over.
const MOST_BYTES: usize = 16 << 20;
/// A disk that was full or not mounted is mended by then, and one that stays so is not tried at every answer.
const REST: Duration = Duration::from_secs(10 * 60);
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
    fn load(&mut self, now: UnixTime) {
        let Disk::Unread { directory, may_write } = &self.disk else {
            return;
        };
        let (directory, may_write) = (directory.clone(), *may_write);
        self.disk = Disk::None;
        let files = directory.read(|name| Key::of_file(name).is_some(), 2 * MOST_ENTRIES, LARGEST_FILE);
        let files = match files {
            Ok(files) => files,
            Err(error) if may_write => return self.rest(directory, &error, now),
            Err(error) => return self.complain(&directory, &error),
        };
        for (name, bytes) in files {
            if let Some((key, entry)) = Key::of_file(&name).zip(Entry::from_bytes(&bytes)) {
                self.entries.insert(key, entry);
            }
        }
        if may_write {
            self.disk = Disk::Kept {
                directory,
                not_before: None,
            };
            self.tidy();
        } else {
            self.forget_failures(now);
        }
    }

    /// What is known of each of `keys` at `now`. The first look reads the directory.
    pub(super) fn look_up_all(&mut self, keys: &[Key], now: UnixTime) -> Vec<Known> {
        self.load(now);
        keys.iter().map(|key| self.look_up(*key, now)).collect()
    }

    fn look_up(&self, key: Key, now: UnixTime) -> Known {
        let Some(entry) = self.entries.get(&key) else {
            return Known::default();
        };
        let answer = entry.answer.as_ref();
        let failure = entry.failure.as_ref();
        let waiting = failure.filter(|failure| !is_due(failure.attempts, failure.at.into(), now));
        Known {
            answer: answer.map(|answer| (answer.certificates.clone(), answer.at.into())),
            is_fresh: answer.is_some_and(|answer| is_fresh(answer.at.into(), now)),
            not_before: waiting.map(|failure| next_attempt(failure.attempts, failure.at.into())),
        }
    }

    /// Keeps what counted.
    pub(super) fn keep(&mut self, key: Key, url: &str, certificates: Vec<Arc<Certificate>>, now: UnixTime) {
        let at = now.into();
        let entry = Entry {
            url: url.to_owned(),
            answer: Some(Answer { at, certificates }),
            failure: None,
        };
        self.insert(key, entry, now);
    }

    /// Notes that nothing came, or nothing that counts; returns when to ask again. What came earlier stays.
    pub(super) fn note_failure(&mut self, key: Key, url: &str, reason: String, now: UnixTime) -> UnixTime {
        let before = self.entries.get(&key).cloned().unwrap_or_default();
        let attempts = before.failure.map_or(0, |failure| failure.attempts).saturating_add(1);
        let at = now.into();
        let entry = Entry {
            url: url.to_owned(),
            answer: before.answer,
            failure: Some(Failure { at, attempts, reason }),
        };
        self.insert(key, entry, now);
        next_attempt(attempts, now)
    }

    /// Lets everything be asked again that gave no answer: somebody may have mended it. Tells whether there was any.
    pub(super) fn forget_failures(&mut self, now: UnixTime) -> bool {
        self.load(now);
        let failed = self.entries.iter().filter(|(_, entry)| entry.failure.is_some());
        let failed: Vec<_> = failed.map(|(key, entry)| (*key, entry.clone())).collect();
        let any = !failed.is_empty();
        for (key, entry) in failed {
            match entry.answer {
                None => self.remove(key),
                answer => self.insert(
                    key,
                    Entry {
                        answer,
                        failure: None,
                        ..entry
                    },
                    now,
                ),
            }
        }
        any
    }

    /// What is wrong with the directory, the first time it is asked.
    pub(super) fn take_problem(&mut self) -> Option<String> {
        self.problem.take()
    }

    fn insert(&mut self, key: Key, entry: Entry, now: UnixTime) {
        self.entries.insert(key, entry);
        self.write(key, now);
        self.tidy();
    }

    /// Writes the entry of `key`, and after a rest all that there are.
    fn write(&mut self, key: Key, now: UnixTime) {
        let Disk::Kept { directory, not_before } = &self.disk else {
            return;
        };
        // One further off than a rest was set by a clock that was ahead.
        let is_late = |instant: &UnixTime| {
            let rest = instant.as_secs().checked_sub(now.as_secs());
            rest.is_none_or(|rest| rest == 0 || rest > REST.as_secs())
        };
        let unwritten: Vec<_> = match not_before {
            None => vec![key],
            Some(instant) if is_late(instant) => self.entries.keys().copied().collect(),
            Some(_) => return,
        };
        let directory = directory.clone();
        let mut written = unwritten.iter().filter_map(|key| {
            let entry = self.entries.get(key)?;
            directory.write(&key.file(), &entry.to_bytes()).err()
        });
        match written.next() {
            None => {
                self.disk = Disk::Kept {
                    directory,
                    not_before: None,
                }
            }
            Some(error) => self.rest(directory, &error, now),
        }
    }

    /// Removes the oldest entries where there are too many or too large ones.
    fn tidy(&mut self) {
        let mut by_age: Vec<_> = self
            .entries
            .iter()
            .map(|(key, entry)| (entry.latest(), *key, size(entry)))
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
        if let Disk::Kept { directory, .. } = &self.disk {
            directory.remove(&key.file());
        }
    }

    /// Writes nothing for a while. It is said once, and again where it has been mended in between.
    fn rest(&mut self, directory: Directory, error: &std::io::Error, now: UnixTime) {
        let is_new = !matches!(
            self.disk,
            Disk::Kept {
                not_before: Some(_),
                ..
            }
        );
        if is_new {
            self.complain(&directory, error);
        }
        let later = Duration::from_secs(now.as_secs()).saturating_add(REST);
        self.disk = Disk::Kept {
            directory,
            not_before: Some(UnixTime::since_unix_epoch(later)),
        };
    }

    fn complain(&mut self, directory: &Directory, error: &std::io::Error) {
        let path = directory.path().display();
        self.problem = Some(format!(
            "{path}: what is fetched cannot be kept there ({error}): it is fetched again after a restart"
        ));
    }
}

fn size(entry: &Entry) -> usize {
    let certificates = entry.answer.iter().flat_map(|answer| &answer.certificates);
    let certificates: usize = certificates.map(|certificate| certificate.der().len()).sum();
    let reason = entry.failure.as_ref().map_or(0, |failure| failure.reason.len());
    entry.url.len() + certificates + reason
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
        cache.load(at(0));
        for number in 0..MOST_ENTRIES + 5 {
            cache.note_failure(key(number), "http://ca.test/", String::new(), at(number));
        }
        let known = |number| cache.look_up(key(number), at(number)) != Known::default();
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

    #[test]
    fn what_could_not_be_written_is_written_after_a_rest() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cache");
        let mut cache = Cache::at(path.clone());
        cache.load(at(0));
        let fail = |cache: &mut Cache, number| {
            cache.note_failure(key(number), "http://ca.test/", String::new(), at(number));
            cache.take_problem()
        };
        // A file where the directory is to be made.
        std::fs::write(&path, "").unwrap();
        assert!(fail(&mut cache, 1).is_some_and(|problem| problem.contains("cannot be kept")));
        // Tried again after ten minutes, and said once.
        assert_eq!(fail(&mut cache, 700), None);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(fail(&mut cache, 1_299), None);
        assert!(!path.exists());
        assert_eq!(fail(&mut cache, 1_300), None);
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 4);
        fail(&mut cache, 1_301);
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 5);
    }
}
