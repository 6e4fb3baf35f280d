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
