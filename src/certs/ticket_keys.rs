//! What the keys of session tickets are made of that replicas share: files with a key each, or one secret.
//!
//! Whatever is broken counts as all of it. A key that is missing here is one whose tickets another replica gives out.

use std::cmp::Ordering;
use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::files::Files;
use super::{Error, TicketSettings};

/// How long a key file of nginx is (ngx_event_openssl.c): a name of 16 bytes, and keys for AES-128 or AES-256 and HMAC.
const KEY_FILE: [usize; 2] = [48, 80];
/// The fewest bytes of a secret. Each is worth half of one where they are hexadecimal digits.
const SHORTEST_SECRET: usize = 32;
/// The end of the name of a key that does not seal yet.
const NEXT: &str = ".next";

/// What the keys of session tickets are made of.
#[derive(Clone, PartialEq, Eq)]
pub enum TicketMaterial {
    /// Files with a key each.
    Keys {
        /// The one whose name is the last: it seals.
        sealing: TicketKeyFile,
        /// Those that only open, the last name first.
        others: Vec<TicketKeyFile>,
    },
    /// A secret that keys are derived from.
    Secret {
        /// The file.
        path: PathBuf,
        /// What is in it.
        bytes: Zeroizing<Vec<u8>>,
    },
}

/// A file with a key.
#[derive(Clone, PartialEq, Eq)]
pub struct TicketKeyFile {
    /// The file.
    pub path: PathBuf,
    /// What is in it: 48 or 80 bytes.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// What came of reading it: everything that is wrong, if anything is.
pub type LoadedTicketMaterial = Result<TicketMaterial, Vec<Error>>;

impl TicketMaterial {
    /// Reads what `settings` name.
    pub(super) fn load(settings: &TicketSettings, files: &Files) -> LoadedTicketMaterial {
        match settings {
            TicketSettings::Keys(path) => keys(path, files),
            TicketSettings::Secret(path) => secret(path, files).map_err(|fault| vec![fault]),
        }
    }
}

fn keys(path: &Path, files: &Files) -> LoadedTicketMaterial {
    let single = [path.to_owned()];
    let mut names: Vec<&PathBuf> = files.listed(path).unwrap_or(&single).iter().collect();
    names.sort_by(|one, other| by_number(one, other).reverse());
    let (mut read, mut faults) = (Vec::new(), Vec::new());
    for name in names {
        match key(name, files) {
            Ok(key) => read.push(key),
            Err(fault) => faults.push(fault),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let has_come = |key: &TicketKeyFile| !key.path.as_os_str().as_encoded_bytes().ends_with(NEXT.as_bytes());
    let Some(place) = read.iter().position(has_come) else {
        return Err(vec![Error::NoTicketKey {
            path: path.to_owned(),
            next: read.len(),
        }]);
    };
    let sealing = read.remove(place);
    Ok(TicketMaterial::Keys { sealing, others: read })
}

fn key(path: &Path, files: &Files) -> Result<TicketKeyFile, Error> {
    let bytes = Zeroizing::new(files.bytes(path)?.to_vec());
    if !KEY_FILE.contains(&bytes.len()) {
        return Err(Error::TicketKey {
            path: path.to_owned(),
            length: bytes.len(),
        });
    }
    random(path, &bytes)?;
    let path = path.to_owned();
    Ok(TicketKeyFile { path, bytes })
}

fn secret(path: &Path, files: &Files) -> Result<TicketMaterial, Error> {
    let bytes = files.bytes(path)?;
    // An editor ends the line, and a Kubernetes Secret does not.
    let bytes = Zeroizing::new(bytes.trim_ascii_end().to_vec());
    let path = path.to_owned();
    if bytes.len() < SHORTEST_SECRET {
        let length = bytes.len();
        return Err(Error::TicketSecret { path, length });
    }
    random(&path, &bytes)?;
    Ok(TicketMaterial::Secret { path, bytes })
}

/// Refuses what nobody has drawn: a file that was made and never filled. GnuTLS once sealed tickets with zeros, and
/// everybody could read them (CVE-2020-13777).
fn random(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    match bytes.split_first() {
        Some((first, rest)) if rest.iter().any(|byte| byte != first) => Ok(()),
        _ => Err(Error::NotRandom { path: path.to_owned() }),
    }
}

/// The order of names in which numbers count as such, so that 10.key comes after 9.key.
fn by_number(one: &Path, other: &Path) -> Ordering {
    let (one, other) = (one.as_os_str().as_encoded_bytes(), other.as_os_str().as_encoded_bytes());
    runs(one).cmp(runs(other)).then_with(|| one.cmp(other))
}

/// The name in runs of digits and of others, each as what it is compared by: where it stands among the characters, and for
/// a number how many digits it has besides zeros before it.
fn runs(name: &[u8]) -> impl Iterator<Item = (u8, usize, &[u8])> {
    let is_alike = |one: &u8, other: &u8| one.is_ascii_digit() == other.is_ascii_digit();
    name.chunk_by(is_alike).map(|run| {
        let zeros = run.iter().take_while(|byte| **byte == b'0').count();
        match run.first() {
            Some(first) if first.is_ascii_digit() => (b'0', run.len() - zeros, run.get(zeros..).unwrap_or_default()),
            first => (first.copied().unwrap_or_default(), 0, run),
        }
    })
}

/// Never shows what is in the files.
impl fmt::Debug for TicketMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys { sealing, others } => f.debug_tuple("Keys").field(sealing).field(others).finish(),
            Self::Secret { path, .. } => f.debug_tuple("Secret").field(path).finish(),
        }
    }
}

/// Never shows what is in the file.
impl fmt::Debug for TicketKeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TicketKeyFile").field(&self.path).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::certs::{Inventory, Look, Roots, Settings};

    /// Bytes that are not all the same.
    fn bytes(length: u8) -> Vec<u8> {
        (0..length).collect()
    }

    struct Scene(tempfile::TempDir);

    impl Scene {
        fn with(files: &[(&str, Vec<u8>)]) -> Self {
            let scene = Self(tempfile::tempdir().unwrap());
            fs::create_dir(scene.0.path().join("keys")).unwrap();
            for (name, contents) in files {
                scene.write(name, contents);
            }
            scene
        }

        fn write(&self, name: &str, contents: &[u8]) {
            let path = self.0.path().join("keys").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }

        fn settings(&self, tickets: fn(PathBuf) -> TicketSettings, name: &str) -> Settings {
            Settings {
                tickets: Some(tickets(self.0.path().join(name))),
                roots: Roots::None,
                ..Settings::default()
            }
        }

        fn load(&self, tickets: fn(PathBuf) -> TicketSettings, name: &str) -> LoadedTicketMaterial {
            let settings = self.settings(tickets, name);
            let inventory = Inventory::read(&settings, &Files::read(&settings), &|_| None);
            inventory.tickets.unwrap()
        }

        /// The names of the keys, what seals first; or what is wrong.
        fn keys(&self, name: &str) -> Result<Vec<String>, Vec<String>> {
            names(self.load(TicketSettings::Keys, name))
        }

        fn secret(&self, name: &str) -> Result<Vec<u8>, String> {
            match self.load(TicketSettings::Secret, name) {
                Ok(TicketMaterial::Secret { bytes, .. }) => Ok(bytes.to_vec()),
                Ok(keys) => panic!("{keys:?}"),
                Err(faults) => Err(faults[0].to_string()),
            }
        }
    }

    fn names(loaded: LoadedTicketMaterial) -> Result<Vec<String>, Vec<String>> {
        let name = |key: &TicketKeyFile| key.path.file_name().unwrap().to_str().unwrap().to_owned();
        match loaded {
            Ok(TicketMaterial::Keys { sealing, others }) => {
                Ok([&sealing].into_iter().chain(&others).map(name).collect())
            }
            Ok(secret) => panic!("{secret:?}"),
            Err(faults) => Err(faults.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn the_last_name_seals_and_numbers_count_as_such() {
        for (unsorted, expected) in [
            (&["9.key", "10.key", "1.key"][..], &["10.key", "9.key", "1.key"][..]),
            (
                &["2026-07-01.key", "2026-11-23.key"],
                &["2026-11-23.key", "2026-07-01.key"],
            ),
            (&["007.key", "8.key", "07.key"], &["8.key", "07.key", "007.key"]),
            (&["b", "a", "1", "key-2", "key-10"], &["key-10", "key-2", "b", "a", "1"]),
            (&["0.key", "current"], &["current", "0.key"]),
            (&["current", "current.1"], &["current.1", "current"]),
        ] {
            let files: Vec<_> = unsorted.iter().map(|name| (*name, bytes(48))).collect();
            assert_eq!(Scene::with(&files).keys("keys").unwrap(), expected);
        }
    }

    #[test]
    fn one_that_is_to_seal_later_only_opens() {
        let scene = Scene::with(&[("1.key", bytes(80)), ("2.key.next", bytes(48))]);
        assert_eq!(scene.keys("keys").unwrap(), ["1.key", "2.key.next"]);
        scene.write("3.key", &bytes(80));
        assert_eq!(scene.keys("keys").unwrap(), ["3.key", "2.key.next", "1.key"]);
        let faults = Scene::with(&[("2.key.next", bytes(48))]).keys("keys").unwrap_err();
        assert!(
            faults[0].ends_with("found only such as are to seal later (.next)"),
            "{faults:?}"
        );
    }

    #[test]
    fn a_file_may_stand_for_itself_and_what_is_hidden_or_unfinished_does_not_count() {
        let scene = Scene::with(&[
            ("1.key", bytes(48)),
            (".2.key", bytes(48)),
            ("3.key.tmp", bytes(7)),
            ("4.key~", bytes(7)),
            ("folder/5.key", bytes(7)),
        ]);
        assert_eq!(scene.keys("keys").unwrap(), ["1.key"]);
        assert_eq!(scene.keys("keys/1.key").unwrap(), ["1.key"]);
    }

    #[test]
    fn whatever_is_broken_counts_as_all_of_it() {
        let good = || ("1.key", bytes(48));
        for (files, expected) in [
            (vec![], "keys: expected a session ticket key, found none"),
            (
                vec![good(), ("2.key", bytes(0))],
                "2.key: expected a session ticket key of 48 or 80 bytes, found 0",
            ),
            (
                vec![good(), ("README", bytes(64))],
                "README: expected a session ticket key of 48 or 80 bytes, found 64",
            ),
            (
                vec![good(), ("2.key", vec![0; 80])],
                "2.key: expected random bytes, found the same one throughout",
            ),
        ] {
            let faults = Scene::with(&files).keys("keys").unwrap_err();
            assert!(matches!(&faults[..], [fault] if fault.contains(expected)), "{faults:?}");
        }
        let faults = Scene::with(&[]).keys("missing").unwrap_err();
        assert!(
            faults[0].contains("missing: cannot be read: No such file"),
            "{faults:?}"
        );
    }

    #[test]
    fn a_secret_is_long_and_random_and_how_its_line_ends_does_not_matter() {
        let long = b"0123456789abcdef0123456789abcdef";
        let scene = Scene::with(&[
            ("long", long.to_vec()),
            ("line", [&long[..], b"\r\n"].concat()),
            ("short", [&long[..31], b"\n\n"].concat()),
            ("zeros", vec![0; 64]),
            ("directory/x", Vec::new()),
        ]);
        assert_eq!(scene.secret("keys/long").unwrap(), long);
        assert_eq!(scene.secret("keys/line").unwrap(), long);
        for (name, expected) in [
            (
                "keys/short",
                "short: expected a secret of at least 32 bytes, found 31; make one with",
            ),
            ("keys/zeros", "zeros: expected random bytes"),
            ("keys/missing", "missing: cannot be read"),
            (
                "keys/directory",
                "directory: cannot be read: expected a regular file, found a directory",
            ),
        ] {
            let fault = scene.secret(name).unwrap_err();
            assert!(fault.contains(expected), "{fault}");
        }
    }

    #[test]
    fn a_key_that_comes_changes_or_goes_is_seen() {
        let scene = Scene::with(&[("1.key", bytes(48))]);
        let settings = scene.settings(TicketSettings::Keys, "keys");
        let mut files = Files::read(&settings);
        let mut inventory = Inventory::read(&settings, &files, &|_| None);
        let path = scene.0.path().canonicalize().unwrap().join("keys");
        let mut look = |inventory: &mut Inventory, name: &str| {
            files.forget();
            let has_changed = files.read_again(&settings, &Look::At([path.join(name)].into()));
            inventory.update(&settings, &files, &|_| None);
            has_changed
        };
        assert!(!look(&mut inventory, "1.key"));
        scene.write("2.key", &bytes(80));
        assert!(look(&mut inventory, "2.key"));
        assert_eq!(names(inventory.tickets.clone().unwrap()).unwrap(), ["2.key", "1.key"]);
        let before = inventory.tickets.clone().unwrap().unwrap();
        scene.write("1.key", &bytes(80));
        assert!(look(&mut inventory, "1.key"));
        assert_ne!(inventory.tickets.clone().unwrap().unwrap(), before);
        fs::remove_file(path.join("2.key")).unwrap();
        assert!(look(&mut inventory, "2.key"));
        assert_eq!(names(inventory.tickets.clone().unwrap()).unwrap(), ["1.key"]);
    }
}
