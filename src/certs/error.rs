//! What can be wrong with certificate files. Every message names the path, what was expected and what was found; none
//! holds key or password material.

use std::path::{Path, PathBuf};

use super::contents::ContentsError;
use super::files::ReadError;
use super::key::KeyError;
use super::password::NotUtf8;
use super::revocation_list::RevocationListError;
use crate::chain::{ParseError, Sha256};

/// Something that is wrong with one file, or with what one certificate is configured from.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// One certificate in a file is broken; those around it are sound.
    #[error("{path}: expected an X.509 certificate as number {position}, found something else: {source}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Which of the certificates in it, counted from 1.
        position: usize,
        /// What is wrong with it.
        source: ParseError,
    },
    /// A file is of no format that is read here, or broken.
    #[error("{path}: expected {expected}, found {source}")]
    Contents {
        /// The file.
        path: PathBuf,
        /// What the file was configured to hold.
        expected: &'static str,
        /// What it is.
        source: ContentsError,
    },
    /// There is a key, but it cannot be had.
    #[error("{path}: expected a private key, found {source}")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: KeyError,
    },
    /// There is a key, but no public key can be derived from it.
    #[error(
        "{path}: expected an RSA, ECDSA (P-256, P-384, P-521) or Ed25519 private key, \
         found one that is damaged or of another type"
    )]
    KeyUnusable {
        /// The file.
        path: PathBuf,
    },
    /// A key in a certificate directory whose certificate is not there.
    #[error("{path}: expected the certificate for this private key beside it, as {expected}, found none")]
    LoneKey {
        /// The file.
        path: PathBuf,
        /// The names that the certificate may have.
        expected: String,
    },
    /// Not every certificate is one of a CA, or there is none.
    #[error("{path}: expected CA certificates, found {found}")]
    NoAuthority {
        /// The file or directory.
        path: PathBuf,
        /// What it holds.
        found: String,
    },
    /// A file that should hold certificates holds none.
    #[error("{path}: expected a certificate, found {found}")]
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: String,
    },
    /// No certificate fits the key.
    #[error(
        "{certificates}: expected a certificate for the private key in {} (SHA-256 of its public key {key}), found only {found}",
        place(certificates, keys)
    )]
    NoFit {
        /// The file with the certificates.
        certificates: PathBuf,
        /// The file with the key; the same for one that holds both.
        keys: PathBuf,
        /// SHA-256 of the key's subjectPublicKeyInfo.
        key: Sha256,
        /// The certificates that are there.
        found: String,
    },
    /// A file that should hold a private key holds none.
    #[error("{path}: expected a private key, found {found}{}", if *.is_certificate_file { "; the key may be in a file of its own" } else { "" })]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What it holds.
        found: String,
        /// Whether the key was looked for beside the certificate, because no key file is configured.
        is_certificate_file: bool,
    },
    /// A file that should hold CRLs holds none.
    #[error("{path}: expected a CRL, found none")]
    NoRevocationList {
        /// The file.
        path: PathBuf,
    },
    /// There is no key that seals session tickets.
    #[error("{path}: expected a session ticket key, found {}", if *.next == 0 { "none" } else { "only such as are to seal later (.next)" })]
    NoTicketKey {
        /// The file or directory.
        path: PathBuf,
        /// How many keys there are that only open.
        next: usize,
    },
    /// A file full of one and the same byte should hold a key or a secret.
    #[error("{path}: expected random bytes, found the same one throughout")]
    NotRandom {
        /// The file.
        path: PathBuf,
    },
    /// Only CA certificates fit the key.
    #[error(
        "{certificates}: expected a leaf for the private key in {}, found only a CA certificate for it: {found}; \
         `allow_ca_leaf` serves it all the same",
        place(certificates, keys)
    )]
    OnlyCa {
        /// The file with the certificates.
        certificates: PathBuf,
        /// The file with the key; the same for one that holds both.
        keys: PathBuf,
        /// The certificates that fit.
        found: String,
    },
    /// A password file is not text.
    #[error("{path}: expected a password, found that {source}")]
    Password {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: NotUtf8,
    },
    /// A file cannot be read at all.
    #[error("{path}: cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: ReadError,
    },
    /// A CRL in a file cannot be used.
    #[error("{path}: expected a CRL as number {position}, found {source}")]
    RevocationList {
        /// The file.
        path: PathBuf,
        /// Which of the CRLs in it, counted from 1.
        position: usize,
        /// What is wrong with it.
        source: RevocationListError,
    },
    /// Some of what the operating system trusts cannot be read.
    #[error("expected the roots of the operating system, found: {0}")]
    SystemRoots(String),
    /// A file that should hold a session ticket key is not as long as one.
    #[error("{path}: expected a session ticket key of 48 or 80 bytes, found {length}; make one with: openssl rand 80")]
    TicketKey {
        /// The file.
        path: PathBuf,
        /// How many bytes it has.
        length: usize,
    },
    /// The secret that session ticket keys are derived from is too short.
    #[error("{path}: expected a secret of at least 32 bytes, found {length}; make one with: openssl rand -hex 32")]
    TicketSecret {
        /// The file.
        path: PathBuf,
        /// How many bytes it has.
        length: usize,
    },
}

/// Where the key is, seen from the file with the certificates.
fn place(certificates: &Path, keys: &Path) -> String {
    if certificates == keys {
        "the same file".to_owned()
    } else {
        keys.display().to_string()
    }
}

impl Error {
    /// The file that is to blame, where it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Certificate { path, .. }
            | Self::Contents { path, .. }
            | Self::Key { path, .. }
            | Self::KeyUnusable { path }
            | Self::LoneKey { path, .. }
            | Self::NoAuthority { path, .. }
            | Self::NoCertificate { path, .. }
            | Self::NoFit { certificates: path, .. }
            | Self::NoKey { path, .. }
            | Self::NoRevocationList { path }
            | Self::NoTicketKey { path, .. }
            | Self::NotRandom { path }
            | Self::OnlyCa { certificates: path, .. }
            | Self::Password { path, .. }
            | Self::Read { path, .. }
            | Self::RevocationList { path, .. }
            | Self::TicketKey { path, .. }
            | Self::TicketSecret { path, .. } => Some(path),
            Self::SystemRoots(_) => None,
        }
    }
}
