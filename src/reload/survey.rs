//! A survey: every configured certificate with the best chain for it, as the files are at one moment.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Stapled, Unservable};
use crate::certs::{
    self, Bundle, BundleSettings, ClientTrustSettings, Gaps, Listing, LoadedClientTrust, LoadedTicketMaterial,
};
use crate::chain::Assembly;

/// What the files hold and what would be served of it.
#[derive(Debug)]
pub struct Survey {
    /// One entry for each configured certificate, in their order, then those of the certificate directories.
    pub prospects: Vec<(Arc<BundleSettings>, Result<Prospect, Unservable>)>,
    /// What became of each certificate directory.
    pub directories: Vec<(PathBuf, Listing)>,
    /// What they hold in part only.
    pub gaps: Gaps,
    /// What client certificates are checked against, as the files are.
    pub client_trust: Vec<(ClientTrustSettings, LoadedClientTrust)>,
    /// What the keys of session tickets are made of, where replicas share them.
    pub tickets: Option<LoadedTicketMaterial>,
    /// What is broken in the store or the roots and was skipped.
    pub problems: Vec<certs::Error>,
    /// How many certificates the store has, those beside the leaves included.
    pub stored: usize,
    /// Whether a chain that ends at no anchor lacks something: everywhere but where the operator wants no roots. That
    /// the configured ones cannot be read, or that the operating system has none, is no excuse.
    pub wants_anchor: bool,
}

impl Survey {
    /// What is broken and belongs to no single certificate, in sentences: files of the store and the roots, keys without
    /// certificate, directories.
    pub(super) fn all_problems(&self) -> Vec<String> {
        let unreadable = self.directories.iter().filter_map(|(_, listing)| match listing {
            Listing::Unreadable(error) => Some(error),
            Listing::Empty | Listing::Read => None,
        });
        self.problems
            .iter()
            .chain(unreadable)
            .map(ToString::to_string)
            .collect()
    }
}

/// A certificate that could be served.
#[derive(Clone, Debug)]
pub struct Prospect {
    /// Leaf, key, and what lies beside them.
    pub bundle: Arc<Bundle>,
    /// The chain for the leaf.
    pub assembly: Arc<Assembly>,
    /// The staple of the operator's file.
    pub stapled: Stapled,
}
