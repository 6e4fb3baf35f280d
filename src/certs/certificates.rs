//! Every certificate of one reading, parsed once: thousands of bundles share a few intermediates.

use std::collections::HashMap;
use std::path::Path;
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
            let contents = files.bytes(file).and_then(|bytes| {
                Contents::of_store(bytes).map_err(|source| Error::Contents {
                    path: file.to_owned(),
                    expected: "certificates as PEM, DER or PKCS#7",
                    source,
                })
            });
            match contents {
                Ok(contents) if contents.certificates.is_empty() && file == path => {
                    problems.push(Error::NoCertificate {
                        path: path.to_owned(),
                        found: contents.summary(),
                    });
                }
                Ok(contents) => certificates.extend(self.parse(file, contents.certificates, problems)),
                Err(error) => problems.push(error),
            }
        }
        certificates
    }
}
