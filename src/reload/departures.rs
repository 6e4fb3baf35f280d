//! What becomes of a served certificate that is configured no more, or whose file is gone from its directory.
//!
//! A file that is taken out of a certificate directory is meant to go, as long as the directory can be read and
//! something is left in it: a share that is not mounted must cost no site its name. Nor must a new file for the same
//! host that cannot be served.

use std::path::PathBuf;
use std::sync::Arc;

use super::served::Served;
use crate::certs::{BundleSettings, Gaps, Listing, Origin};

/// What there is to know about what may have been meant to take the place of something.
pub(super) struct Departures<'a> {
    pub(super) directories: &'a [(PathBuf, Listing)],
    pub(super) gaps: &'a Gaps,
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
        if let Some(reason) = self.gap_of(&served.source) {
            return Some(reason);
        }
        let is_listed = listing.is_some();
        let successors = self.refused.iter().filter(|(source, _)| may_succeed(source, served));
        let mut reasons: Vec<_> = successors
            .map(|(_, reason)| reason.as_str())
            .take(MOST_REASONS + 1)
            .collect();
        if reasons.len() > MOST_REASONS {
            reasons[MOST_REASONS] = "and so on";
        }
        let what = match is_listed {
            true => "is gone",
            false => "is no longer configured",
        };
        (!reasons.is_empty()).then(|| format!("{file} {what}, but {}", reasons.join("; ")))
    }
}

impl Departures<'_> {
    /// Why `source` may not be meant to be gone: it lies in a folder that cannot be listed, or its key is still there.
    fn gap_of(&self, source: &BundleSettings) -> Option<String> {
        let file = source.certificate.display();
        let mut folders = self.gaps.folders.iter();
        if let Some(folder) = folders.find(|folder| source.certificate.starts_with(folder)) {
            return Some(format!("{file} cannot be seen: {} cannot be listed", folder.display()));
        }
        let mut lone_keys = self.gaps.lone_keys.iter();
        let key = lone_keys.find(|key| source.key.as_ref() == Some(key))?;
        Some(format!("{file} is gone, but its key is still there: {}", key.display()))
    }
}

/// Reasons that one sentence gives: where a path prefix is wrong there are as many as certificates.
const MOST_REASONS: usize = 3;

/// Whether `refused` may have been meant to take the place of `served`, which vanished from a directory that is listed
/// or else from the configuration.
fn may_succeed(refused: &BundleSettings, served: &Served) -> bool {
    match &refused.origin {
        // A configuration with such a one does not come into force.
        Origin::Configuration => false,
        Origin::Directory { host, .. } => host
            .as_ref()
            .is_some_and(|host| served.source.host() == Some(host) || host.is_covered_by(served.assembly.chain.leaf())),
    }
}
