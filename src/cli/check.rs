//! `check`: the configuration, and the chain that would be served for each certificate.

use std::fmt::Write;

use rustls_pki_types::UnixTime;

use super::arguments::CheckArguments;
use super::tree::tree;
use super::{Ending, complain, print};
use crate::certs::Files;
use crate::chain::{Signatures, Status, rfc3339};
use crate::config::{self, Environment, Machine};
use crate::reload::Survey;

pub(super) fn run(arguments: &CheckArguments, environment: &Environment) -> Ending {
    let config = match config::load(&arguments.config.flags, environment, Machine::here()) {
        Ok(config) => config,
        Err(error) => return complain(&error),
    };
    let now = UnixTime::now();
    let files = Files::read(&config.certs);
    let survey = Survey::of(&config.certs, &files, &config.reload, now, &Signatures::new());
    let mut text = String::new();
    let mut ending = Ending::Well;
    for problem in &survey.problems {
        eprintln!("warning: {problem} (skipped)");
    }
    for (source, prospect) in &survey.prospects {
        match prospect {
            Ok(prospect) => {
                let assembly = &prospect.assembly;
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{}", source.certificate.display());
                text.push_str(&tree(assembly, now, assembly.status != Status::Complete));
                if let Some(staple) = &prospect.stapled.staple {
                    let _ = writeln!(text, "  OCSP staple: good until {}", rfc3339(staple.good_until()));
                }
                if let Some(problem) = &prospect.stapled.problem {
                    let _ = writeln!(text, "  warning: no OCSP staple: {problem}");
                }
                for unused in assembly.unused(&prospect.bundle.beside) {
                    let _ = writeln!(text, "  unused: {unused}");
                }
                text.push('\n');
                let is_complete = match assembly.status {
                    Status::Complete => true,
                    Status::Unanchored => !survey.wants_anchor,
                    _ => false,
                };
                if !is_complete && ending == Ending::Well {
                    ending = Ending::Incomplete;
                }
            }
            Err(error) => ending = complain(error),
        }
    }
    let stored = survey.store.len();
    let _ = writeln!(text, "store: {stored} certificates; {} problems", survey.problems.len());
    match print(text.as_bytes()) {
        Ending::Well => ending,
        failed => failed,
    }
}
