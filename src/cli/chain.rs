//! `chain`: the chain of one certificate, assembled and printed.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls_pki_types::UnixTime;
use serde_json::{Value, json};

use super::arguments::{ChainArguments, ChainFormat};
use super::assembling::{self, Bench, is_accepted, is_of_no_use};
use super::tree::{View, tree};
use super::{Ending, aia, complain, print};
use crate::admin::{self, advice};
use crate::certs::{self, Files, Inventory, Roots};
use crate::chain::{Anchors, Assembly, Certificate, Store, assemble, rfc3339};
use crate::fetch::{Aia, Cache, Client, Issuers, Outcome};

pub(super) fn run(arguments: &ChainArguments) -> Ending {
    let is_at_fault = |problem: &certs::Error| problem.path() == Some(arguments.leaf.as_path());
    let beside = read(vec![arguments.leaf.clone()], Roots::None);
    let mut inventory = read(arguments.intermediates.clone(), arguments.roots.clone());
    // A leaf that lies in the store too is told of once.
    inventory.problems.retain(|problem| !is_at_fault(problem));
    inventory.problems.splice(0..0, beside.problems);
    let beside: Vec<_> = beside.store.iter().cloned().collect();
    let named = [std::slice::from_ref(&arguments.leaf), &arguments.intermediates].concat();
    let is_of_no_use = |problem: &&certs::Error| is_of_no_use(problem, &named, &arguments.roots);
    if let Some(problem) = inventory.problems.iter().find(is_of_no_use) {
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
    let (assembly, fetched) = match assembled(&leaf, inventory.store, inventory.anchors, arguments, at) {
        Ok(assembled) => assembled,
        Err(error) => return complain(&error),
    };
    aia::complain_of(&fetched);
    let is_found = is_accepted(assembly.status, &arguments.roots);
    if !is_found {
        complain_of(&assembly, &fetched, arguments.aia);
    }
    match print(&formatted(&assembly, &fetched, arguments, at, is_found)) {
        Ending::Well if is_found => Ending::Well,
        Ending::Well => Ending::Incomplete,
        failed => failed,
    }
}

/// Reads `paths` as a store. A leaf is read as one of the certificates.
fn read(paths: Vec<PathBuf>, roots: Roots) -> Inventory {
    let settings = assembling::settings(paths, roots);
    assembling::read(&settings, &Files::read(&settings))
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
    anchors: Anchors,
    arguments: &ChainArguments,
    at: UnixTime,
) -> io::Result<(Assembly, Outcome)> {
    let bench = Bench::new(anchors);
    let context = bench.context(arguments.policy, at);
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
fn formatted(
    assembly: &Assembly,
    fetched: &Outcome,
    arguments: &ChainArguments,
    at: UnixTime,
    is_found: bool,
) -> Vec<u8> {
    match arguments.format {
        ChainFormat::Json => {
            let mut value = json!({ "version": admin::JSON_VERSION, "at": rfc3339(at) });
            if let (Some(fields), Value::Object(assembly)) = (value.as_object_mut(), admin::assembly(assembly)) {
                fields.extend(assembly);
            }
            let found = fetched.found.iter();
            value["fetched"] = found.map(aia::json).collect();
            value["not_fetched"] = fetched.failures.iter().map(aia::failure_json).collect();
            format!("{value:#}\n").into_bytes()
        }
        ChainFormat::Pem if is_found => {
            eprint!("{}", aia::sources(assembly, fetched, ""));
            let blocks = assembly.chain.certificates.iter().map(|certificate| pem(certificate));
            blocks.collect::<String>().into_bytes()
        }
        ChainFormat::Pem => Vec::new(),
        ChainFormat::Text => {
            let wanted = assembly.wanted.as_ref();
            let view = View {
                now: at,
                trail: true,
                verb: "sent",
                hint: wanted.and_then(|wanted| aia::hint(wanted, arguments.aia, fetched)),
            };
            let mut text = tree(assembly, view);
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
fn complain_of(assembly: &Assembly, fetched: &Outcome, aia: Aia) {
    eprintln!("no complete chain for {}: {}", assembly.chain.leaf(), assembly.status);
    for flaw in &assembly.flaws {
        eprintln!("  {flaw}");
    }
    if let Some(wanted) = &assembly.wanted {
        eprintln!("  the issuer of {} is missing: {wanted}", wanted.issuer_of);
        let advice = advice::on_missing(wanted, assembly.status, aia::hint(wanted, aia, fetched));
        eprintln!("  to do: {advice}");
    }
}
