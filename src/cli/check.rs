//! `check`: the configuration, the chain that would be served for each certificate, and what time will do to it.

use std::fmt::Write;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::UnixTime;
use serde_json::{Value, json};

use super::arguments::{CheckArguments, CheckFormat};
use super::outlook::Outlook;
use super::tree::{body, certificates, headline};
use super::{Ending, aia, complain, print, with_causes};
use crate::admin;
use crate::certs::{BundleSettings, Listing};
use crate::chain::{Status, rfc3339};
use crate::config::{self, Environment, Machine};
use crate::fetch::{self, Issuers, Outcome};
use crate::reload::{Lack, Prospect, Survey, Surveyor};
use crate::tls::OutOfReach;

pub(super) fn run(arguments: &CheckArguments, environment: &Environment) -> Ending {
    let config = match config::load(&arguments.config.flags, environment, Machine::here()) {
        Ok(config) => config,
        Err(error) => return complain(&error),
    };
    let at = arguments.at.unwrap_or_else(UnixTime::now);
    let mut surveyor = Surveyor::new(config.certs, config.reload);
    let mut survey = surveyor.survey(at);
    let fetched = match fetched(&config.fetch, surveyor.lack(&survey, at)) {
        Ok(fetched) => fetched,
        Err(error) => return complain(&error),
    };
    if surveyor.learn(fetched.found.iter().map(|found| Arc::clone(&found.certificate))) {
        survey = surveyor.survey(at);
    }
    let outlook = arguments.within.map(|within| {
        let end = Duration::from_secs(at.as_secs()).saturating_add(within);
        outlook(&surveyor, &survey, at, UnixTime::since_unix_epoch(end))
    });
    for problem in &survey.problems {
        eprintln!("warning: {problem} (skipped)");
    }
    aia::complain_of(&fetched);
    let count = Count::of(&survey);
    for (_, prospect) in &survey.prospects {
        if let Err(error) = prospect {
            complain(error);
        }
    }
    let mut is_unlisted = false;
    for (directory, listing) in &survey.directories {
        match listing {
            Listing::Unreadable(error) => {
                complain(error);
                is_unlisted = true;
            }
            Listing::Empty => eprintln!("warning: {}: it is empty", directory.display()),
            Listing::Read => {}
        }
    }
    let out_of_reach = OutOfReach::of(usable(&survey).map(|(_, prospect)| &*prospect.bundle.leaf));
    if !out_of_reach.is_empty() {
        eprintln!("warning: {out_of_reach}");
    }
    let report = match arguments.format {
        CheckFormat::Text => text(&survey, &fetched, outlook.as_ref(), &count, at),
        CheckFormat::Json => format!("{:#}\n", json(&survey, &fetched, outlook.as_ref(), &count, at)),
    };
    let breaks = outlook.is_some_and(|outlook| outlook.breaks() > 0);
    match print(report.as_bytes()) {
        Ending::Well if count.unusable > 0 || is_unlisted => Ending::Bad,
        Ending::Well if count.lacking > 0 || breaks => Ending::Incomplete,
        ended => ended,
    }
}

/// The issuers that are missing, where they are to be fetched. What the running proxy keeps on disk is looked at and not
/// touched.
fn fetched(settings: &fetch::Settings, lack: Option<Lack>) -> io::Result<Outcome> {
    match Issuers::looking_on(settings).zip(lack) {
        Some((issuers, lack)) => aia::wait_for(lack.fetch(&issuers)),
        None => Ok(Outcome::default()),
    }
}

fn outlook(surveyor: &Surveyor, survey: &Survey, at: UnixTime, end: UnixTime) -> Outlook {
    let changes = usable(survey).map(|(source, prospect)| {
        let changes = surveyor.forecast(source, &prospect.assembly, at, end);
        (source.certificate.display().to_string(), changes)
    });
    Outlook::of(changes, end)
}

fn usable(survey: &Survey) -> impl Iterator<Item = (&BundleSettings, &Prospect)> {
    let prospects = survey.prospects.iter();
    prospects.filter_map(|(source, prospect)| Some((&**source, prospect.as_ref().ok()?)))
}

/// How many certificates there are of each kind.
struct Count {
    all: usize,
    /// Of each status, best first.
    statuses: Vec<(Status, usize)>,
    /// Those whose chain lacks something.
    lacking: usize,
    /// Those whose files cannot be used.
    unusable: usize,
}

impl Count {
    fn of(survey: &Survey) -> Self {
        let is_enough = |status| match status {
            Status::Complete => true,
            Status::Unanchored => !survey.wants_anchor,
            _ => false,
        };
        let mut found: Vec<Status> = usable(survey).map(|(_, prospect)| prospect.assembly.status).collect();
        found.sort_unstable_by(|one, other| other.cmp(one));
        let statuses = found.chunk_by(|one, other| one == other);
        Self {
            all: survey.prospects.len(),
            statuses: statuses.map(|of_one| (of_one[0], of_one.len())).collect(),
            lacking: found.iter().filter(|status| !is_enough(**status)).count(),
            unusable: survey.prospects.len() - found.len(),
        }
    }

    /// `3 certificates: 2 complete, 1 incomplete`
    fn sentence(&self) -> String {
        let mut parts: Vec<_> = self
            .statuses
            .iter()
            .map(|(status, count)| format!("{count} {status}"))
            .collect();
        if self.unusable > 0 {
            parts.push(format!("{} unusable", self.unusable));
        }
        format!("{}: {}", certificates(self.all), parts.join(", "))
    }
}

fn text(survey: &Survey, fetched: &Outcome, outlook: Option<&Outlook>, count: &Count, at: UnixTime) -> String {
    let mut text = String::new();
    for (source, prospect) in &survey.prospects {
        let file = source.certificate.display();
        // Writing to a String cannot fail.
        let _ = match prospect {
            Ok(prospect) => {
                let assembly = &prospect.assembly;
                let _ = writeln!(text, "{}\n  file: {file}", headline(assembly));
                text.push_str(&body(assembly, at, assembly.status != Status::Complete));
                text.push_str(&aia::sources(assembly, fetched, "  "));
                if let Some(staple) = &prospect.stapled.staple {
                    let _ = writeln!(text, "  OCSP staple: good until {}", rfc3339(staple.good_until()));
                }
                if let Some(problem) = &prospect.stapled.problem {
                    let _ = writeln!(text, "  warning: no OCSP staple: {problem}");
                }
                if let Some(host) = source.misses(&prospect.bundle.leaf) {
                    let _ = writeln!(
                        text,
                        "  not for {host}, which the file is named after: served for its own names"
                    );
                }
                for unused in assembly.unused(&prospect.bundle.beside) {
                    let _ = writeln!(text, "  unused: {unused}");
                }
                writeln!(text)
            }
            // Standard error says why.
            Err(_) => writeln!(text, "{file}: unusable\n"),
        };
    }
    if let Some(outlook) = outlook {
        let _ = writeln!(text, "{}", outlook.text(at));
    }
    let problems = survey.problems.len();
    let _ = writeln!(text, "store: {}; {problems} problems", certificates(survey.stored));
    let _ = writeln!(text, "{}", count.sentence());
    text
}

fn json(survey: &Survey, fetched: &Outcome, outlook: Option<&Outlook>, count: &Count, at: UnixTime) -> Value {
    let of = |status: Status| {
        count
            .statuses
            .iter()
            .find(|(of, _)| *of == status)
            .map_or(0, |(_, count)| *count)
    };
    let certificates = usable(survey).map(|(source, prospect)| {
        let mut value = admin::assembly(&prospect.assembly);
        let unused = prospect.assembly.unused(&prospect.bundle.beside);
        value["unused"] = unused.map(|unused| admin::certificate(unused)).collect();
        value["file"] = json!(source.certificate);
        value
    });
    let unusable = survey.prospects.iter().filter_map(|(source, prospect)| {
        let error = prospect.as_ref().err()?;
        Some(json!({ "file": source.certificate, "error": with_causes(error) }))
    });
    json!({
        "version": admin::JSON_VERSION,
        "at": rfc3339(at),
        "certificates": certificates.collect::<Vec<_>>(),
        "unusable": unusable.collect::<Vec<_>>(),
        "problems": survey.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "fetched": fetched.found.iter().map(aia::json).collect::<Vec<_>>(),
        "store": survey.stored,
        "summary": {
            "certificates": count.all,
            "complete": of(Status::Complete),
            "unanchored": of(Status::Unanchored),
            "self_signed": of(Status::SelfSigned),
            "incomplete": of(Status::Incomplete),
            "invalid": of(Status::Invalid),
            "unusable": count.unusable,
        },
        "outlook": outlook.map(|outlook| outlook.json(at)),
    })
}
