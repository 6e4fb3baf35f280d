//! `chain`: the chain of one certificate, assembled and printed.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls_pki_types::UnixTime;
use serde_json::json;

use super::arguments::{ChainArguments, ChainFormat};
use super::tree::tree;
use super::{Ending, aia, complain, print};
use crate::certs::{self, Files, Inventory, Roots};
use crate::chain::{Anchors, Assembly, Certificate, Context, Disallowed, Signatures, Status, Store, assemble};
use crate::fetch::{Aia, Cache, Client, Issuers, Outcome};
use crate::{admin, tls};

pub(super) fn run(arguments: &ChainArguments) -> Ending {
    let is_at_fault = |problem: &certs::Error| problem.path() == Some(arguments.leaf.as_path());
    let beside = read(vec![arguments.leaf.clone()], Roots::None);
    let mut inventory = read(arguments.intermediates.clone(), arguments.roots.clone());
    // A leaf that lies in the store too is told of once.
    inventory.problems.retain(|problem| !is_at_fault(problem));
    inventory.problems.splice(0..0, beside.problems);
    let beside: Vec<_> = beside.store.iter().cloned().collect();
    if let Some(problem) = inventory
        .problems
        .iter()
        .find(|problem| is_of_no_use(problem, arguments))
    {
        return complain(problem);
    }
    let Some(leaf) = leaf_among(&beside) else {
        return match inventory.problems.iter().find(|problem| is_at_fault(problem)) {
            Some(problem) => complain(problem),
            None => {
                eprintln!("{}: expected a certificate, found none", arguments.leaf.display());
                Ending::Bad
            }
        };
    };
    for problem in &inventory.problems {
        eprintln!("warning: {problem} (skipped)");
    }
    inventory.store.extend(beside);
    let at = arguments.at.unwrap_or_else(UnixTime::now);
    let (assembly, fetched) = match assembled(&leaf, inventory.store, &inventory.anchors, arguments, at) {
        Ok(assembled) => assembled,
        Err(error) => return complain(&error),
    };
    aia::complain_of(&fetched);
    let is_found = match assembly.status {
        Status::Complete => true,
        Status::Unanchored | Status::SelfSigned => arguments.roots == Roots::None,
        Status::Incomplete | Status::Invalid => false,
    };
    if !is_found {
        complain_of(&assembly);
    }
    match print(&formatted(&assembly, &fetched, arguments.format, at, is_found)) {
        Ending::Well if is_found => Ending::Well,
        Ending::Well => Ending::Incomplete,
        failed => failed,
    }
}

/// Reads `paths` as a store. A leaf needs no key here, so it is read as one of the certificates.
fn read(paths: Vec<PathBuf>, roots: Roots) -> Inventory {
    let settings = certs::Settings {
        bundles: Vec::new(),
        intermediates: paths,
        roots,
        disallowed: Vec::new(),
    };
    Inventory::read(&settings, &Files::read(&settings), &|_| None)
}

/// Whether `problem` leaves nothing of a path that was named. What is broken inside a file or a directory is skipped.
fn is_of_no_use(problem: &certs::Error, arguments: &ChainArguments) -> bool {
    use certs::Error::{Contents, NoCertificate, Read};
    let roots = match &arguments.roots {
        Roots::Files(paths) => paths.as_slice(),
        Roots::None | Roots::System => &[],
    };
    let mut named = arguments.intermediates.iter().chain(roots).chain([&arguments.leaf]);
    matches!(problem, Contents { .. } | NoCertificate { .. } | Read { .. })
        && named.any(|path| problem.path() == Some(path))
}

/// The leaf of a file without a key: what is no CA certificate, or else the first.
fn leaf_among(certificates: &[Arc<Certificate>]) -> Option<Arc<Certificate>> {
    let end_entity = certificates.iter().find(|certificate| !certificate.is_ca());
    end_entity.or_else(|| certificates.first()).cloned()
}

/// The best chain there is, and what was fetched for it.
fn assembled(
    leaf: &Arc<Certificate>,
    mut store: Store,
    anchors: &Anchors,
    arguments: &ChainArguments,
    at: UnixTime,
) -> io::Result<(Assembly, Outcome)> {
    let context = Context {
        anchors,
        at,
        policy: arguments.policy,
        disallowed: &Disallowed::default(),
        algorithms: tls::signature_algorithms(),
        weak_algorithms: tls::WEAK_ALGORITHMS,
        signatures: &Signatures::new(),
        allow_ca_leaf: false,
        send_intermediate_anchor: true,
    };
    let without = assemble(leaf, &store, &context);
    if arguments.aia == Aia::Off {
        return Ok((without, Outcome::default()));
    }
    // Nothing is kept: whoever runs this need not be the one who serves.
    let issuers = Issuers::new(Client::new(arguments.aia_allow_private), Cache::in_memory());
    let fetched = aia::wait_for(issuers.find(std::slice::from_ref(leaf), store.clone(), &context))?;
    store.extend(fetched.found.iter().map(|found| found.certificate.clone()));
    let with = assemble(leaf, &store, &context);
    let best = if with.status < without.status { without } else { with };
    Ok((best, fetched))
}

/// Nothing goes to standard output as PEM unless it is the chain that was asked for.
fn formatted(assembly: &Assembly, fetched: &Outcome, format: ChainFormat, at: UnixTime, is_found: bool) -> Vec<u8> {
    match format {
        ChainFormat::Json => {
            let mut value = admin::assembly(assembly);
            let fetched = fetched
                .found
                .iter()
                .map(|found| json!({ "sha256": found.certificate.fingerprint().to_string(), "url": found.url }));
            value["fetched"] = fetched.collect();
            format!("{value:#}\n").into_bytes()
        }
        ChainFormat::Pem if is_found => {
            eprint!("{}", aia::sources(assembly, fetched, ""));
            let blocks = assembly.chain.certificates.iter().map(|certificate| pem(certificate));
            blocks.collect::<String>().into_bytes()
        }
        ChainFormat::Pem => Vec::new(),
        ChainFormat::Text => {
            let mut text = tree(assembly, at, true);
            let sources = aia::sources(assembly, fetched, "  ");
            if !sources.is_empty() {
                text.push_str("\nfrom outside\n");
                text.push_str(&sources);
            }
            text.into_bytes()
        }
    }
}

/// A PEM block (RFC 7468 section 5).
pub(super) fn pem(certificate: &Certificate) -> String {
    let lines = pkcs8::LineEnding::LF;
    pkcs8::der::pem::encode_string("CERTIFICATE", lines, certificate.der()).unwrap_or_default()
}

/// Why there is no such chain, on standard error.
fn complain_of(assembly: &Assembly) {
    eprintln!("no complete chain for {}: {}", assembly.chain.leaf(), assembly.status);
    for flaw in &assembly.flaws {
        eprintln!("  {flaw}");
    }
    if let Some(wanted) = &assembly.wanted {
        eprintln!("  the issuer of {} is missing: {wanted}", wanted.issuer_of);
    }
}
