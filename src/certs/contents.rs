//! What one file holds, whatever its format: certificates and keys.

use std::collections::HashSet;

use rustls_pki_types::CertificateDer;

use super::der::{self, SEQUENCE};
use super::format::{Format, FormatError};
use super::key::{KeyError, PrivateKey};
use super::password::Password;
use super::pem::{self, Block, PROPERTIES, PemError};
use super::pkcs7::{self, Pkcs7Error};
use super::pkcs12::{Archive, Pkcs12Error};
use super::work::Work;

/// The certificates and keys of one file, in its order.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) keys: Vec<StoredKey>,
    /// Certificate properties, each with the certificate that follows them.
    pub(super) properties: Vec<(CertificateDer<'static>, Vec<u8>)>,
    /// The labels of PEM blocks that are neither.
    others: Vec<String>,
}

/// A key as it lies in a file: decrypting costs work, so it is left to whoever wants the key.
#[derive(Debug)]
pub(super) enum StoredKey {
    /// The DER of an EncryptedPrivateKeyInfo.
    Encrypted(Vec<u8>),
    Plain(PrivateKey),
    /// In OpenSSL's traditional encryption, which is not read.
    Traditional,
}

/// What was found instead of readable contents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentsError {
    /// No known format.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Broken PEM.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// Broken or unopenable PKCS#12.
    #[error(transparent)]
    Pkcs12(#[from] Pkcs12Error),
    /// A PKCS#12 file where no password can be had for it.
    #[error("PKCS#12, which is read only where a certificate and its key are configured")]
    Pkcs12Elsewhere,
    /// Broken PKCS#7.
    #[error(transparent)]
    Pkcs7(#[from] Pkcs7Error),
}

impl Contents {
    /// Reads a file of a bundle; `password` opens PKCS#12.
    pub(super) fn of_bundle(file: &[u8], password: Option<&Password>) -> Result<Self, ContentsError> {
        match Format::of(file)? {
            Format::Pkcs12 => {
                let Archive { certificates, keys } = Archive::read(der::value(file), password)?;
                Ok(Self {
                    certificates,
                    keys: keys.into_iter().map(StoredKey::Plain).collect(),
                    ..Self::default()
                })
            }
            format => Self::read(file, format),
        }
    }

    /// Reads a file of the store or of the anchors, where keys do not matter.
    pub(super) fn of_store(file: &[u8]) -> Result<Self, ContentsError> {
        match Format::of(file)? {
            Format::Pkcs12 => Err(ContentsError::Pkcs12Elsewhere),
            format => Self::read(file, format),
        }
    }

    /// The DER of each CRL in a file, whatever else lies in it; in DER, a CRL looks like a certificate from outside.
    pub(super) fn revocation_lists(file: &[u8]) -> Result<Vec<Vec<u8>>, ContentsError> {
        Ok(match Format::of(file)? {
            Format::Pem => {
                let lists = pem::blocks(file)?.into_iter().filter_map(|block| match block {
                    Block::RevocationList(der) => Some(der),
                    _ => None,
                });
                lists.collect()
            }
            Format::Certificate => certificates_in_a_row(file).iter().map(|der| der.to_vec()).collect(),
            Format::Pkcs7 | Format::Pkcs12 | Format::Key | Format::EncryptedKey => Vec::new(),
        })
    }

    fn read(file: &[u8], format: Format) -> Result<Self, ContentsError> {
        let mut contents = Self::default();
        match format {
            Format::Pem => contents.extend(pem::blocks(file)?)?,
            Format::Certificate => contents.certificates = certificates_in_a_row(file),
            Format::Pkcs7 => contents.certificates = pkcs7::certificates(der::value(file))?,
            Format::Key => {
                let key = PrivateKey::from_der(der::value(file)).map_err(|_| FormatError::Unknown(file.len()))?;
                contents.keys.push(StoredKey::Plain(key));
            }
            Format::EncryptedKey => contents.keys.push(StoredKey::Encrypted(der::value(file).to_vec())),
            Format::Pkcs12 => return Err(ContentsError::Pkcs12Elsewhere),
        }
        Ok(contents)
    }

    fn extend(&mut self, blocks: Vec<Block>) -> Result<(), Pkcs7Error> {
        let mut properties = None;
        for block in blocks {
            match block {
                Block::Certificate(der) => {
                    self.properties
                        .extend(properties.take().map(|list| (der.clone(), list)));
                    self.certificates.push(der);
                }
                Block::EncryptedKey(der) => self.keys.push(StoredKey::Encrypted(der)),
                Block::Key(key) => self.keys.push(StoredKey::Plain(key)),
                Block::Other(label) => self.others.push(label),
                Block::Pkcs7(der) => self.certificates.extend(pkcs7::certificates(&der)?),
                Block::RevocationList(_) => self.others.push("X509 CRL".to_owned()),
                Block::Properties(list) => {
                    self.others.push(PROPERTIES.to_owned());
                    properties = Some(list);
                }
                Block::TraditionalKey => self.keys.push(StoredKey::Traditional),
            }
        }
        Ok(())
    }

    /// What is in the file, for a message.
    pub(super) fn summary(&self) -> String {
        let count = |count: usize, noun: &str| match count {
            0 => None,
            1 => Some(format!("1 {noun}")),
            many => Some(format!("{many} {noun}s")),
        };
        let parts = [
            count(self.certificates.len(), "certificate"),
            count(self.keys.len(), "private key"),
        ];
        let mut parts: Vec<String> = parts.into_iter().flatten().collect();
        let mut seen = HashSet::new();
        let kinds: Vec<&String> = self.others.iter().filter(|label| seen.insert(*label)).collect();
        parts.extend(
            kinds
                .iter()
                .take(MAX_NAMED_KINDS)
                .map(|label| format!("a block {label}")),
        );
        if let Some(more @ 1..) = kinds.len().checked_sub(MAX_NAMED_KINDS) {
            parts.push(format!("{more} more"));
        }
        if parts.is_empty() {
            "nothing".to_owned()
        } else {
            parts.join(", ")
        }
    }
}

/// Other kinds of block than certificates and keys that a message names: a real file has one or two.
const MAX_NAMED_KINDS: usize = 5;

impl StoredKey {
    /// The key, decrypted with `password` where that is needed; `work` is what the keys of one file share.
    pub(super) fn open(self, password: Option<&Password>, work: &mut Work) -> Result<PrivateKey, KeyError> {
        match self {
            Self::Encrypted(der) => PrivateKey::decrypt(&der, password, work),
            Self::Plain(key) => Ok(key),
            Self::Traditional => Err(KeyError::TraditionalEncryption),
        }
    }
}

/// The certificates of a DER file; what follows the first and is none ends it.
fn certificates_in_a_row(file: &[u8]) -> Vec<CertificateDer<'static>> {
    let mut certificates = Vec::new();
    let mut rest = file;
    while let Some((element, after)) = der::first(rest).filter(|(element, _)| element.tag == SEQUENCE) {
        certificates.push(CertificateDer::from(element.encoding.to_vec()));
        rest = after;
    }
    certificates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certs::testing::{fixture, password};

    #[test]
    fn every_format_gives_the_same_certificates() {
        let pem = [fixture("ec.test.pem"), fixture("ca.pem")].concat();
        let expected = Contents::of_store(&pem).unwrap().certificates;
        assert_eq!(expected.len(), 2);
        for name in ["ec.p7b", "ec.p7b.pem"] {
            assert_eq!(
                Contents::of_store(&fixture(name)).unwrap().certificates,
                expected,
                "{name}"
            );
        }
        assert_eq!(
            Contents::of_store(&[&*expected[0], &*expected[1]].concat())
                .unwrap()
                .certificates,
            expected
        );
        for name in ["ec.legacy.pfx", "ec.modern.pfx"] {
            let contents = Contents::of_bundle(&fixture(name), Some(&password("fixture"))).unwrap();
            assert_eq!(contents.certificates, expected, "{name}");
            assert_eq!(contents.keys.len(), 1, "{name}");
        }
    }

    #[test]
    fn a_store_takes_no_pkcs12() {
        assert_eq!(
            Contents::of_store(&fixture("ec.modern.pfx")).unwrap_err(),
            ContentsError::Pkcs12Elsewhere
        );
    }

    #[test]
    fn the_summary_names_what_there_is() {
        let summary = |file: &[u8]| Contents::of_bundle(file, None).unwrap().summary();
        assert_eq!(summary(&fixture("ec.p7b")), "2 certificates");
        assert_eq!(summary(&fixture("ec.sec1.pem")), "1 private key, a block EC PARAMETERS");
    }
    #[test]
    fn the_summary_stays_short() {
        let block = |number: usize| format!("-----BEGIN KIND {number}-----\nMAA=\n-----END KIND {number}-----\n");
        let pem: String = (0..1000).chain(0..1000).map(block).collect();
        assert_eq!(
            Contents::of_store(pem.as_bytes()).unwrap().summary(),
            "a block KIND 0, a block KIND 1, a block KIND 2, a block KIND 3, a block KIND 4, 995 more"
        );
    }
}
