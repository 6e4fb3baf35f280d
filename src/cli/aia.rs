//! Missing issuers, fetched while somebody waits: what came and what did not.

use std::fmt::Write;
use std::io;

use tokio::runtime::Builder;

use crate::chain::Assembly;
use crate::fetch::Outcome;

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
