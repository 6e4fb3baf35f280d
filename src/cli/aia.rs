//! Missing issuers, fetched while somebody waits: what came and what did not.

use std::fmt::Write;
use std::io;

use serde_json::{Value, json};
use tokio::runtime::Builder;

use crate::chain::{Assembly, Wanted};
use crate::fetch::{Aia, Error, Failure, Found, Outcome, Reason};

/// Runs `search` to its end.
///
/// # Errors
///
/// Where the operating system gives no event queue.
pub(super) fn wait_for(search: impl Future<Output = Outcome>) -> io::Result<Outcome> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(search);
    // A resolver that was given up may still be waiting; the end does not.
    runtime.shutdown_background();
    Ok(outcome)
}

/// A certificate that was fetched, and where it is from.
pub(super) fn json(found: &Found) -> Value {
    json!({ "sha256": found.certificate.fingerprint().to_string(), "url": found.url })
}

/// A question without an answer that counts.
pub(super) fn failure_json(failure: &Failure) -> Value {
    json!({
        "url": failure.url,
        "issuer_of": failure.issuer_of.fingerprint().to_string(),
        "reason": failure.reason.to_string(),
    })
}

/// How the issuer `wanted` might be fetched, where it says where it is published, and what was done so far does not.
pub(super) fn hint(wanted: &Wanted, aia: Aia, outcome: &Outcome) -> Option<&'static str> {
    let is_asked_for = |url: &String| url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http:"));
    if !wanted.ca_issuers.iter().any(is_asked_for) {
        return None;
    }
    let is_private = |failure: &Failure| match &failure.reason {
        Reason::Fetch(error) => matches!(**error, Error::Address { .. }),
        Reason::Answer(_) | Reason::Dismissed(_) => false,
    };
    let mut failures = outcome.failures.iter();
    match aia {
        Aia::Off => Some("or have it fetched from there with --aia missing"),
        Aia::Missing if failures.any(|failure| failure.issuer_of == wanted.issuer_of && is_private(failure)) => {
            Some("or let that address be asked with --aia-allow-private")
        }
        Aia::Missing => None,
    }
}

/// Says on standard error what gave nothing.
pub(super) fn complain_of(outcome: &Outcome) {
    for failure in &outcome.failures {
        eprintln!("warning: {failure}");
    }
    if let Some(problem) = &outcome.cache_problem {
        eprintln!("warning: {problem}");
    }
}

/// A line for each certificate of the chain that was fetched, each after `indent`.
pub(super) fn sources(assembly: &Assembly, outcome: &Outcome, indent: &str) -> String {
    let mut text = String::new();
    for found in &outcome.found {
        if assembly.chain.certificates.contains(&found.certificate) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{indent}fetched: {found}");
        }
    }
    text
}
