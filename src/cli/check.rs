//! `check`: the configuration, and the chain that would be served for each certificate.

use std::fmt::Write;
use std::io;

use rustls_pki_types::UnixTime;

use super::arguments::CheckArguments;
use super::tree::tree;
use super::{Ending, aia, complain, print};
use crate::certs::Files;
use crate::chain::{Signatures, Status, rfc3339};
use crate::config::{self, Config, Environment, Machine};
use crate::fetch::{Issuers, Outcome};
use crate::reload::Survey;

pub(super) fn run(arguments: &CheckArguments, environment: &Environment) -> Ending {
    let config = match config::load(&arguments.config.flags, environment, Machine::here()) {
        Ok(config) => config,
        Err(error) => return complain(&error),
    };
    let now = UnixTime::now();
    let files = Files::read(&config.certs);
    let signatures = Signatures::new();
    let mut survey = Survey::of(&config.certs, &files, &config.reload, now, &signatures);
    let fetched = match fetched(&config, &survey, now, &signatures) {
        Ok(fetched) => fetched,
        Err(error) => return complain(&error),
    };
    let found = fetched.found.iter().map(|found| &found.certificate);
    survey.add(found, &config.reload, now, &signatures);
    let mut text = String::new();
    let mut ending = Ending::Well;
    for problem in &survey.problems {
        eprintln!("warning: {problem} (skipped)");
    }
    aia::complain_of(&fetched);
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
                text.push_str(&aia::sources(assembly, &fetched, "  "));
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

/// The issuers that are missing, where they are to be fetched. What the running proxy keeps on disk is looked at and
/// not touched.
fn fetched(config: &Config, survey: &Survey, now: UnixTime, signatures: &Signatures) -> io::Result<Outcome> {
    match Issuers::looking_on(&config.fetch).zip(survey.lack(&config.reload, now)) {
        Some((issuers, lack)) => aia::wait_for(lack.fetch(&issuers, signatures)),
        None => Ok(Outcome::default()),
    }
}
