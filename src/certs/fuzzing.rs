//! The parsers of this room as `fuzz/` calls them: from bytes, without a file. There only where `--cfg fuzzing` is
//! given.

use super::contents::Contents;
use super::password::Password;
use super::work::Work;
use super::{pem, pkcs7, pkcs12};

/// Finds the PEM blocks of `bytes` and counts them; `None` where it is broken.
pub fn pem_blocks(bytes: &[u8]) -> Option<usize> {
    pem::blocks(bytes).ok().map(|blocks| blocks.len())
}

/// Reads the DER of a PKCS#7 ContentInfo and counts its certificates; `None` where it is broken.
pub fn pkcs7_certificates(bytes: &[u8]) -> Option<usize> {
    pkcs7::certificates(bytes).ok().map(|certificates| certificates.len())
}

/// Opens the DER of a PKCS#12 PFX with `password` and counts certificates and keys; `None` where it is broken.
pub fn pkcs12_entries(bytes: &[u8], password: &Password) -> Option<usize> {
    let archive = pkcs12::Archive::read(bytes, Some(password)).ok()?;
    Some(archive.certificates.len() + archive.keys.len())
}

/// Reads `bytes` as a file of a bundle in whatever format, opens its keys with `password` and counts them.
pub fn private_keys(bytes: &[u8], password: &Password) -> usize {
    let Ok(contents) = Contents::of_bundle(bytes, Some(password)) else {
        return 0;
    };
    let mut work = Work::new();
    let opened = contents.keys.into_iter().map(|key| key.open(Some(password), &mut work));
    opened.filter(Result::is_ok).count()
}
