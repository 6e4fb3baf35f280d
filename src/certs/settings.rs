//! What the operator says about certificate files.

use std::path::PathBuf;

use crate::chain::Sha256;

/// Everything the certificate room reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The configured certificates; the first is served where a client names no other.
    pub bundles: Vec<BundleSettings>,
    /// Files and directories whose certificates make up the store.
    pub intermediates: Vec<PathBuf>,
    /// Where the anchors come from.
    pub roots: Roots,
    /// Certificates and keys that are never used: SHA-256 of the whole certificate or of its public key.
    pub disallowed: Vec<Sha256>,
}

/// One configured certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleSettings {
    /// A file with the leaf and whatever lies beside it: PEM, DER, PKCS#7 or PKCS#12.
    pub certificate: PathBuf,
    /// The file with the key, where it is not in `certificate`.
    pub key: Option<PathBuf>,
    /// A file whose first line is the password of the key or the PKCS#12 file.
    pub password_file: Option<PathBuf>,
    /// A file with the DER of an OCSP response for the leaf.
    pub staple: Option<PathBuf>,
    /// A leaf that is itself a CA certificate is served all the same.
    pub allow_ca_leaf: bool,
}

/// Where the anchors come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Roots {
    /// These files and directories.
    Files(Vec<PathBuf>),
    /// None: every chain ends unanchored.
    None,
    /// What the operating system trusts.
    #[default]
    System,
}
