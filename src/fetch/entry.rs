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

/// What came of a question: an answer once, no answer later, or one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) url: String,
    pub(super) answer: Option<Answer>,
    /// Why nothing has come since.
    pub(super) failure: Option<Failure>,
}

/// Certificates that counted when they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) at: Seconds,
    pub(super) certificates: Vec<Arc<Certificate>>,
}

/// Nothing that counts, for so many times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    /// When it was asked last.
    pub(super) at: Seconds,
    pub(super) attempts: u32,
    pub(super) reason: String,
}

/// An instant as a file has it: seconds after 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Seconds(u64);

impl From<UnixTime> for Seconds {
    fn from(time: UnixTime) -> Self {
        Self(time.as_secs())
    }
}

impl From<Seconds> for UnixTime {
    fn from(seconds: Seconds) -> Self {
        Self::since_unix_epoch(Duration::from_secs(seconds.0))
    }
}

/// The file: text that an operator may read too.
#[derive(Serialize, Deserialize)]
struct Written {
    format: u32,
    url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<WrittenAnswer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
}

#[derive(Serialize, Deserialize)]
struct WrittenAnswer {
    at: Seconds,
    certificates: Vec<String>,
}

/// Another number is another program's, or another version's.
const FORMAT: u32 = 1;

impl Entry {
    /// When it was asked last, whatever came of it.
    pub(super) fn latest(&self) -> Option<Seconds> {
        let answer = self.answer.as_ref().map(|answer| answer.at);
        answer.max(self.failure.as_ref().map(|failure| failure.at))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let answer = self.answer.as_ref().map(|answer| WrittenAnswer {
            at: answer.at,
            certificates: answer.certificates.iter().map(|found| pem(found)).collect(),
        });
        let written = Written {
            format: FORMAT,
            url: self.url.clone(),
            answer,
            failure: self.failure.clone(),
        };
        // Text and numbers alone: there is nothing that JSON could not hold.
        serde_json::to_vec_pretty(&written).unwrap_or_default()
    }

    /// Reads a file back; `None` for one that is damaged or was never one.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let written: Written = serde_json::from_slice(bytes).ok()?;
        let answer = match written.answer {
            None => None,
            Some(answer) => Some(Answer {
                at: answer.at,
                certificates: certificates_in(answer.certificates.concat().as_bytes()).ok()?,
            }),
        };
        let entry = Self {
            url: written.url,
            answer,
            failure: written.failure,
        };
        Some(entry).filter(|entry| written.format == FORMAT && entry.latest().is_some())
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
        let answer = Answer {
            at: Seconds(1_780_272_000),
            certificates: vec![certificate(), certificate()],
        };
        Entry {
            url: "http://ca.test/a.cer".to_owned(),
            answer: Some(answer),
            failure: None,
        }
    }

    #[test]
    fn an_entry_reads_back_as_it_was() {
        let found = found();
        let failure = Some(Failure {
            at: Seconds(1_780_272_001),
            attempts: 3,
            reason: "expected status 200, found 404".to_owned(),
        });
        let both = Entry {
            failure: failure.clone(),
            ..found.clone()
        };
        let failed = Entry {
            answer: None,
            ..both.clone()
        };
        for entry in [found, both, failed] {
            assert_eq!(Entry::from_bytes(&entry.to_bytes()), Some(entry));
        }
    }

    #[test]
    fn another_format_and_an_entry_that_says_nothing_are_no_entries() {
        let text = String::from_utf8(found().to_bytes()).unwrap();
        assert!(Entry::from_bytes(text.replace("\"format\": 1", "\"format\": 2").as_bytes()).is_none());
        for nothing in [
            "{}",
            "{\"format\": 1, \"url\": \"\"}",
            "{\"format\": 1, \"url\": \"\", \"answer\": {\"at\": 1, \"certificates\": []}}",
        ] {
            assert!(Entry::from_bytes(nothing.as_bytes()).is_none(), "{nothing}");
        }
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
