//! What becomes of a served certificate that is configured no more, or whose file is gone from its directory.
//!
//! A file that is taken out of a certificate directory is meant to go, as long as the directory can be read and
//! something is left in it: a share that is not mounted must cost no site its name. Nor must a new file for the same
//! host that cannot be served.

use std::path::PathBuf;
use std::sync::Arc;

use super::served::Served;
use crate::certs::{BundleSettings, Listing, Origin};

/// What there is to know about what may have been meant to take the place of something.
pub(super) struct Departures<'a> {
    pub(super) directories: &'a [(PathBuf, Listing)],
    /// What is new and cannot be served, with a sentence that says why.
    pub(super) refused: Vec<(Arc<BundleSettings>, String)>,
    pub(super) allow_worse: bool,
}

impl Departures<'_> {
    /// Why `served`, which vanished, is served all the same; `None` where it goes.
    pub(super) fn why_kept(&self, served: &Served) -> Option<String> {
        let file = served.source.certificate.display();
        let directory = served.source.directory();
        let listing = self.directories.iter().find(|(path, _)| Some(path) == directory);
        match listing {
            Some((_, Listing::Unreadable(error))) => return Some(error.to_string()),
            Some((path, Listing::Empty)) if !self.allow_worse => {
                let path = path.display();
                return Some(format!(
                    "{path}: expected certificates, found nothing at all, as if it were not mounted; \
                     `fullchain reload --force` takes it as it is"
                ));
            }
            Some((_, Listing::Read | Listing::Empty)) | None => {}
        }
        let is_listed = listing.is_some();
        let successors = self
            .refused
            .iter()
            .filter(|(source, _)| may_succeed(source, served, is_listed));
        let reasons: Vec<_> = successors.map(|(_, reason)| reason.as_str()).collect();
        let what = match is_listed {
            true => "is gone",
            false => "is no longer configured",
        };
        (!reasons.is_empty()).then(|| format!("{file} {what}, but {}", reasons.join("; ")))
    }
}

/// Whether `refused` may have been meant to take the place of `served`, which vanished from a directory that is listed
/// or else from the configuration.
fn may_succeed(refused: &BundleSettings, served: &Served, is_listed: bool) -> bool {
    match &refused.origin {
        Origin::Configuration => !is_listed,
        Origin::Directory { host, .. } => host
            .as_ref()
            .is_some_and(|host| served.source.host() == Some(host) || host.is_covered_by(served.assembly.chain.leaf())),
    }
}
