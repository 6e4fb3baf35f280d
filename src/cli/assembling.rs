//! What `chain` and `inspect` assemble with: the store and the roots that were named, and the rules of a client.

use std::path::PathBuf;

use rustls_pki_types::UnixTime;

use crate::certs::{self, Files, Inventory, Roots};
use crate::chain::{Anchors, Context, Disallowed, Policy, Signatures, Status};
use crate::tls;

/// What chains are assembled with, whatever the leaf.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) anchors: Anchors,
    disallowed: Disallowed,
    signatures: Signatures,
}

impl Bench {
    /// One with these anchors, on which nothing has been assembled.
    pub(super) fn new(anchors: Anchors) -> Self {
        Self {
            anchors,
            disallowed: Disallowed::default(),
            signatures: Signatures::new(),
        }
    }

    /// What a chain is assembled for that clients shall accept at the instant `at`.
    pub(super) fn context(&self, policy: Policy, at: UnixTime) -> Context<'_> {
        Context {
            anchors: &self.anchors,
            at,
            policy,
            disallowed: &self.disallowed,
            algorithms: tls::signature_algorithms(),
            weak_algorithms: tls::WEAK_ALGORITHMS,
            signatures: &self.signatures,
            allow_ca_leaf: false,
            send_intermediate_anchor: true,
        }
    }
}

/// The settings that name a store and roots, and no certificate.
pub(super) fn settings(intermediates: Vec<PathBuf>, roots: Roots) -> certs::Settings {
    certs::Settings {
        intermediates,
        roots,
        ..certs::Settings::default()
    }
}

/// Reads the store and the roots. A leaf needs no key here.
pub(super) fn read(settings: &certs::Settings, files: &Files) -> Inventory {
    Inventory::read(settings, files, &|_| None)
}

/// Whether `problem` leaves nothing of a path that was named, of the store or of `roots`. What is broken inside a file or
/// a directory is skipped.
pub(super) fn is_of_no_use(problem: &certs::Error, named: &[PathBuf], roots: &Roots) -> bool {
    use certs::Error::{Contents, NoCertificate, Read};
    let roots = match roots {
        Roots::Files(paths) => paths.as_slice(),
        Roots::None | Roots::System => &[],
    };
    matches!(problem, Contents { .. } | NoCertificate { .. } | Read { .. })
        && named.iter().chain(roots).any(|path| problem.path() == Some(path))
}

/// Whether clients accept a chain of this status; where no root was named, whoever has the right one.
pub(super) fn is_accepted(status: Status, roots: &Roots) -> bool {
    match status {
        Status::Complete => true,
        Status::Unanchored | Status::SelfSigned => *roots == Roots::None,
        Status::Incomplete | Status::Invalid => false,
    }
}
