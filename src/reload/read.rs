//! One look at the files: what they hold, and what would be served of it.

use std::path::PathBuf;

use rustls::pki_types::UnixTime;

use super::Plan;
use super::prepare::{self, Prepared};
use super::served::Generation;
use super::survey::Survey;
use crate::certs::Files;
use crate::chain::{Sha256, Signatures};

/// What one look at the files gave.
pub(super) struct Read {
    pub(super) digest: Sha256,
    /// Those whose events tell of the next change.
    pub(super) directories: Vec<PathBuf>,
    /// With what is broken around it; `None` where nothing has changed.
    pub(super) prepared: Option<(Prepared, Vec<String>)>,
}

/// Reads the files of `plan` and prepares what they hold, unless their digest is `unchanged`. Touches nothing else, and
/// may take as long as a slow file system does.
pub(super) fn read(
    plan: &Plan,
    signatures: &Signatures,
    previous: &Generation,
    unchanged: Option<Sha256>,
    force: bool,
    at: UnixTime,
) -> Read {
    let files = Files::read(&plan.certificates);
    let digest = files.digest();
    let prepared = (unchanged != Some(digest)).then(|| {
        let survey = Survey::of(&plan.certificates, &files, &plan.reload, at, signatures);
        let problems = survey.all_problems();
        (
            prepare::again(survey, &previous.served, &plan.reload, force, at),
            problems,
        )
    });
    Read {
        digest,
        directories: files.directories_to_watch().iter().cloned().collect(),
        prepared,
    }
}
