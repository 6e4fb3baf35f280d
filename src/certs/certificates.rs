//! Every certificate, parsed once: thousands of bundles share a few intermediates, and a reload brings few new ones.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls_pki_types::CertificateDer;

use super::Error;
use super::contents::Contents;
use super::files::Files;
use crate::chain::{Certificate, Sha256};

/// The certificates read so far.
#[derive(Debug, Default)]
pub(super) struct Certificates {
    by_fingerprint: HashMap<Sha256, Arc<Certificate>>,
    /// What each file of the store or of the anchors holds.
    files: HashMap<PathBuf, Parsed>,
}

/// What one file of the store or of the anchors holds.
#[derive(Debug)]
struct Parsed {
    /// Of its bytes; `None` where it cannot be read.
    digest: Option<Sha256>,
    certificates: Vec<Arc<Certificate>>,
    problems: Vec<Error>,
    /// What else is in a sound file without certificates.
    nothing_but: Option<String>,
    is_in_use: bool,
}

impl Certificates {
    /// Parses the certificates found in `path`. What is none goes to `problems`.
    pub(super) fn parse(
        &mut self,
        path: &Path,
        found: Vec<CertificateDer<'static>>,
        problems: &mut Vec<Error>,
    ) -> Vec<Arc<Certificate>> {
        let mut certificates = Vec::with_capacity(found.len());
        for (index, der) in found.into_iter().enumerate() {
            let fingerprint = Sha256::of(&der);
            let certificate = match self.by_fingerprint.get(&fingerprint) {
                Some(known) => known.clone(),
                None => match Certificate::from_der(der) {
                    Ok(certificate) => self
                        .by_fingerprint
                        .entry(fingerprint)
                        .or_insert_with(|| Arc::new(certificate))
                        .clone(),
                    Err(source) => {
                        problems.push(Error::Certificate {
                            path: path.to_owned(),
                            position: index + 1,
                            source,
                        });
                        continue;
                    }
                },
            };
            certificates.push(certificate);
        }
        certificates
    }

    /// The certificates of `path`, a file or directory of the store or of the anchors. A broken file goes to
    /// `problems` and is skipped; a sound one without certificates is a problem only where it is configured by its
    /// own name.
    pub(super) fn below(&mut self, path: &Path, files: &Files, problems: &mut Vec<Error>) -> Vec<Arc<Certificate>> {
        let mut certificates = Vec::new();
        for file in files.below(path) {
            let parsed = self.of_file(file, files);
            certificates.extend(parsed.certificates.iter().cloned());
            problems.extend(parsed.problems.iter().cloned());
            if let Some(found) = parsed.nothing_but.as_ref().filter(|_| file == path) {
                problems.push(Error::NoCertificate {
                    path: path.to_owned(),
                    found: found.clone(),
                });
            }
        }
        certificates
    }

    fn of_file(&mut self, file: &Path, files: &Files) -> &Parsed {
        let digest = files.digest(file);
        let is_known = |parsed: &Parsed| digest.is_some() && parsed.digest == digest;
        if !self.files.get(file).is_some_and(is_known) {
            let parsed = self.read(file, files, digest);
            self.files.insert(file.to_owned(), parsed);
        }
        let parsed = self
            .files
            .entry(file.to_owned())
            .or_insert_with(|| Parsed::unreadable(Vec::new()));
        parsed.is_in_use = true;
        parsed
    }

    fn read(&mut self, file: &Path, files: &Files, digest: Option<Sha256>) -> Parsed {
        let contents = files.bytes(file).and_then(|bytes| {
            Contents::of_store(&bytes).map_err(|source| Error::Contents {
                path: file.to_owned(),
                expected: "certificates as PEM, DER or PKCS#7",
                source,
            })
        });
        let contents = match contents {
            Ok(contents) => contents,
            Err(error) => return Parsed::unreadable(vec![error]),
        };
        let mut problems = Vec::new();
        Parsed {
            digest,
            nothing_but: contents.certificates.is_empty().then(|| contents.summary()),
            certificates: self.parse(file, contents.certificates, &mut problems),
            problems,
            is_in_use: true,
        }
    }

    /// Whether `file` is of the store or of the anchors.
    pub(super) fn has_file(&self, file: &Path) -> bool {
        self.files.contains_key(file)
    }

    /// Reads a file of the store again: its certificates before and now. `None` where there was or is a problem to tell.
    pub(super) fn read_again(&mut self, file: &Path, files: &Files) -> Option<(Found, Found)> {
        let before = self.files.get(file)?;
        let (was_sound, before) = (before.is_sound(), before.certificates.clone());
        let now = self.of_file(file, files);
        let is_sound = was_sound && now.is_sound();
        is_sound.then(|| (before, now.certificates.clone()))
    }

    /// Every file of the store and of the anchors with its certificates.
    pub(super) fn files(&self) -> impl Iterator<Item = (&PathBuf, &[Arc<Certificate>])> {
        self.files
            .iter()
            .map(|(file, parsed)| (file, parsed.certificates.as_slice()))
    }

    /// Forgets files that were not asked for since the last call, and certificates that nobody else holds.
    pub(super) fn forget_unused(&mut self) {
        self.files
            .retain(|_, parsed| std::mem::replace(&mut parsed.is_in_use, false));
        self.by_fingerprint
            .retain(|_, certificate| Arc::strong_count(certificate) > 1);
    }
}

type Found = Vec<Arc<Certificate>>;

impl Parsed {
    fn is_sound(&self) -> bool {
        self.problems.is_empty() && self.nothing_but.is_none()
    }

    /// It is read anew each time.
    fn unreadable(problems: Vec<Error>) -> Self {
        Self {
            digest: None,
            certificates: Vec::new(),
            problems,
            nothing_but: None,
            is_in_use: true,
        }
    }
}
