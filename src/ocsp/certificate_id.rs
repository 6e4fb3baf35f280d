//! CertID (RFC 6960 section 4.1.1): which certificate is asked about.

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::der::{Elements, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, element};
use super::{Error, Subject};

/// id-sha1, 1.3.14.3.2.26
const SHA1: &[u8] = b"\x2b\x0e\x03\x02\x1a";
/// id-sha256, 2.16.840.1.101.3.4.2.1
const SHA256: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02\x01";

/// A CertID as it stands in a response.
#[derive(Clone, Copy, Debug)]
pub(super) struct CertificateId<'a> {
    hash_algorithm: &'a [u8],
    issuer_name_hash: &'a [u8],
    issuer_key_hash: &'a [u8],
    serial: &'a [u8],
}

impl<'a> CertificateId<'a> {
    /// Reads the next of `elements`.
    pub(super) fn read(elements: &mut Elements<'a>) -> Result<Self, Error> {
        const NAME: &str = "certID";
        let mut id = elements.enter(SEQUENCE, NAME)?;
        // The parameters, NULL or nothing, say nothing.
        let hash_algorithm = id.enter(SEQUENCE, NAME)?.expect(OBJECT_IDENTIFIER, NAME)?.content;
        let read = Self {
            hash_algorithm,
            issuer_name_hash: id.expect(OCTET_STRING, NAME)?.content,
            issuer_key_hash: id.expect(OCTET_STRING, NAME)?.content,
            serial: id.expect(INTEGER, NAME)?.content,
        };
        id.end(NAME)?;
        Ok(read)
    }

    /// Whether it names the leaf of `subject`. A responder may hash otherwise than it was asked (RFC 9654 section 3.1 has
    /// SHA-256).
    pub(super) fn names(&self, subject: &Subject<'_>) -> bool {
        let (name, key) = (subject.leaf.issuer().der(), subject.issuer.key());
        let hashes_fit = match self.hash_algorithm {
            SHA1 => self.issuer_name_hash == sha1(name) && self.issuer_key_hash == sha1(key),
            SHA256 => *self.issuer_name_hash == *Sha256::digest(name) && *self.issuer_key_hash == *Sha256::digest(key),
            _ => false,
        };
        hashes_fit && self.serial == subject.leaf.serial()
    }
}

/// The CertID of the leaf of `subject`, with SHA-1: the hash that every responder takes (RFC 5019 section 2.1.1). Nothing
/// hangs on its strength: whoever finds another certificate of the same hash still needs the CA's signature.
pub(super) fn certificate_id(subject: &Subject<'_>) -> Vec<u8> {
    let algorithm = element(SEQUENCE, &[&element(OBJECT_IDENTIFIER, &[SHA1]), b"\x05\x00"]);
    element(
        SEQUENCE,
        &[
            &algorithm,
            &element(OCTET_STRING, &[&sha1(subject.leaf.issuer().der())]),
            &element(OCTET_STRING, &[&sha1(subject.issuer.key())]),
            &element(INTEGER, &[subject.leaf.serial()]),
        ],
    )
}

pub(super) fn sha1(data: &[u8]) -> [u8; 20] {
    Sha1::digest(data).into()
}
