//! What is remembered of one question, in memory and as a file.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use serde::{Deserialize, Serialize};

use crate::certs::certificates_in;
use crate::chain::{Certificate, Sha256, Wanted};

/// A question as the cache knows it: the URL, and the name and key identifier of the issuer that is wanted there.
/// Every certificate of one CA asks the same; those of a CA that changed its key ask another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(Sha256);

impl Key {
    pub(super) fn new(url: &str, wanted: &Wanted) -> Self {
        let key_id = wanted.key_id.as_deref().unwrap_or_default();
        // A URL has no zero byte, and the DER of a name says how long it is.
        Self(Sha256::of(
            &[url.as_bytes(), &[0], wanted.subject.der(), key_id].concat(),
        ))
    }

    /// The name of the file that holds the answer.
    pub(super) fn file(self) -> String {
        format!("{}{SUFFIX}", self.0)
    }

    /// The question that a file of this name is about.
    pub(super) fn of_file(name: &str) -> Option<Self> {
        let key = Self(name.strip_suffix(SUFFIX)?.parse().ok()?);
        (key.file() == name).then_some(key)
    }
}

const SUFFIX: &str = ".json";

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) url: String,
    /// When it was asked last.
    pub(super) at: UnixTime,
    pub(super) came: Came,
}

/// An answer, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// These certificates, which counted.
    Found(Vec<Arc<Certificate>>),
    /// Nothing that counts, for so many times.
    Nothing { attempts: u32, reason: String },
}

/// The file: an operator may read it, so it says more than is read back.
#[derive(Serialize, Deserialize)]
struct Written {
    format: u32,
    url: String,
    at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificates: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<WrittenFailure>,
}

#[derive(Serialize, Deserialize)]
struct WrittenFailure {
    attempts: u32,
    reason: String,
}

/// Another number is another program's, or another version's.
const FORMAT: u32 = 1;

impl Entry {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (certificates, failure) = match &self.came {
            Came::Found(certificates) => (Some(certificates.iter().map(|found| pem(found)).collect()), None),
            Came::Nothing { attempts, reason } => (
                None,
                Some(WrittenFailure {
                    attempts: *attempts,
                    reason: reason.clone(),
                }),
            ),
        };
        let written = Written {
            format: FORMAT,
            url: self.url.clone(),
            at: self.at.as_secs(),
            certificates,
            failure,
        };
        // Text and numbers alone: there is nothing that JSON could not hold.
        serde_json::to_vec_pretty(&written).unwrap_or_default()
    }

    /// Reads a file back; `None` for one that is damaged or was never one.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let written: Written = serde_json::from_slice(bytes).ok()?;
        let came = match (written.certificates, written.failure) {
            (Some(blocks), None) => Came::Found(certificates_in(blocks.concat().as_bytes()).ok()?),
            (None, Some(failure)) => Came::Nothing {
                attempts: failure.attempts,
                reason: failure.reason,
            },
            _ => return None,
        };
        (written.format == FORMAT).then_some(Self {
            url: written.url,
            at: UnixTime::since_unix_epoch(Duration::from_secs(written.at)),
            came,
        })
    }
}

/// A PEM block (RFC 7468 section 5).
fn pem(certificate: &Certificate) -> String {
    let lines = pkcs8::LineEnding::LF;
    pkcs8::der::pem::encode_string("CERTIFICATE", lines, certificate.der()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn found() -> Entry {
        let key = KeyPair::generate().unwrap();
        let certificate = || {
            let params = CertificateParams::new(vec!["ca.test".to_owned()]).unwrap();
            let der = params.self_signed(&key).unwrap().der().clone();
            Arc::new(Certificate::from_der(der).unwrap())
        };
        Entry {
            url: "http://ca.test/a.cer".to_owned(),
            at: UnixTime::since_unix_epoch(Duration::from_secs(1_780_272_000)),
            came: Came::Found(vec![certificate(), certificate()]),
        }
    }

    #[test]
    fn an_entry_reads_back_as_it_was() {
        let found = found();
        let nothing = Entry {
            came: Came::Nothing {
                attempts: 3,
                reason: "expected status 200, found 404".to_owned(),
            },
            ..found.clone()
        };
        for entry in [found, nothing] {
            assert_eq!(Entry::from_bytes(&entry.to_bytes()), Some(entry));
        }
    }

    #[test]
    fn another_format_and_an_entry_of_both_kinds_or_none_are_no_entries() {
        let text = String::from_utf8(found().to_bytes()).unwrap();
        assert!(Entry::from_bytes(text.replace("\"format\": 1", "\"format\": 2").as_bytes()).is_none());
        let both = text.replacen('{', "{\"failure\": {\"attempts\": 1, \"reason\": \"\"},", 1);
        assert!(Entry::from_bytes(both.as_bytes()).is_none());
        assert!(Entry::from_bytes(b"{\"format\": 1, \"url\": \"\", \"at\": 1}").is_none());
        assert!(Entry::from_bytes(b"{\"format\": 1, \"url\": \"\", \"at\": 1, \"certificates\": []}").is_none());
    }

    #[test]
    fn a_file_is_ours_by_its_name() {
        let name = format!("{}.json", Sha256::of(b"question"));
        assert_eq!(Key::of_file(&name).map(Key::file), Some(name.clone()));
        for foreign in [
            &name.to_uppercase(),
            &name[1..],
            "README",
            ".json",
            &format!("{name}.tmp"),
        ] {
            assert_eq!(Key::of_file(foreign), None, "{foreign}");
        }
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_read_without_a_panic(at in 0_usize..10_000, byte: u8, cut in 0_usize..10_000) {
            let mut bytes = found().to_bytes();
            let length = bytes.len();
            let _ = Entry::from_bytes(&bytes[..cut % length]);
            bytes[at % length] = byte;
            let _ = Entry::from_bytes(&bytes);
        }
    }
}
