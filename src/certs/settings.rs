//! What the operator says about certificate files.

use std::path::PathBuf;

use super::host::HostName;
use crate::chain::{Certificate, Policy, Sha256};

/// Everything the certificate room reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The configured certificates; the first is served where a client names no other.
    pub bundles: Vec<BundleSettings>,
    /// Directories whose files are certificates too, each named after its host.
    pub directories: Vec<PathBuf>,
    /// A file whose first line is the password of every PKCS#12 file and every encrypted key in `directories`.
    pub directory_password_file: Option<PathBuf>,
    /// Files and directories whose certificates make up the store.
    pub intermediates: Vec<PathBuf>,
    /// Where the anchors come from.
    pub roots: Roots,
    /// Certificates and keys that are never used: SHA-256 of the whole certificate or of its public key.
    pub disallowed: Vec<Sha256>,
    /// What client certificates are checked against, where they are asked for.
    pub client_trust: Vec<ClientTrustSettings>,
    /// What the keys of session tickets are made of, where replicas share them.
    pub tickets: Option<TicketSettings>,
}

/// What the keys of session tickets are made of that replicas share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TicketSettings {
    /// The files in this directory, or this file, each a key.
    Keys(PathBuf),
    /// The secret in this file.
    Secret(PathBuf),
}

impl TicketSettings {
    /// The file or directory.
    pub fn path(&self) -> &PathBuf {
        match self {
            Self::Keys(path) | Self::Secret(path) => path,
        }
    }
}

/// The files with what client certificates are checked against.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientTrustSettings {
    /// Files and directories with the CAs that may have issued them.
    pub authorities: Vec<PathBuf>,
    /// Files and directories with the CRLs of those CAs; none where nothing is asked about revocation.
    pub revocation_lists: Vec<PathBuf>,
}

/// One certificate: configured by itself, or found in a certificate directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BundleSettings {
    /// Who says that it is one.
    pub origin: Origin,
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
    /// Which of several complete chains is served for it, where that is not what holds for all.
    pub policy: Option<Policy>,
}

/// Who says that a file is a certificate to be served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The configuration names it.
    #[default]
    Configuration,
    /// It lies in a certificate directory.
    Directory {
        /// The directory.
        directory: PathBuf,
        /// The host it is named after, where its name is one.
        host: Option<HostName>,
    },
}

impl BundleSettings {
    /// The certificate directory that it lies in.
    pub fn directory(&self) -> Option<&PathBuf> {
        match &self.origin {
            Origin::Configuration => None,
            Origin::Directory { directory, .. } => Some(directory),
        }
    }

    /// The host that its file is named after.
    pub fn host(&self) -> Option<&HostName> {
        match &self.origin {
            Origin::Configuration => None,
            Origin::Directory { host, .. } => host.as_ref(),
        }
    }

    /// The host that its file is named after and `leaf` is not for. Names without a domain mean no host, and folders
    /// are named freely: certbot and Kubernetes let the operator choose.
    pub fn misses(&self, leaf: &Certificate) -> Option<&HostName> {
        let is_file = self.certificate.parent() == self.directory().map(PathBuf::as_path);
        self.host()
            .filter(|host| is_file && host.has_domain() && !host.is_covered_by(leaf))
    }
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
