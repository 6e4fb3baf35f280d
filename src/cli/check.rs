//! `check`: the configuration, the chain that would be served for each certificate, and what time will do to it.

use std::fmt::{self, Write};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::UnixTime;
use serde_json::{Value, json};

use super::arguments::{CheckArguments, CheckFormat};
use super::client_auth::ClientAuthReport;
use super::outlook::Outlook;
use super::tickets::TicketReport;
use super::tree::{View, body, certificates, counted, headline};
use super::{Ending, aia, complain, print, with_causes};
use crate::admin;
use crate::certs::{BundleSettings, HostName, Listing};
use crate::chain::{Status, rfc3339};
use crate::config::{self, Environment, Machine};
use crate::fetch::{self, Aia, Issuers, Outcome};
use crate::proxy;
use crate::reload::{Lack, Prospect, Survey, Surveyor};
use crate::tls::OutOfReach;

pub(super) fn run(arguments: &CheckArguments, environment: &Environment) -> Ending {
    let config = match config::load(&arguments.config.flags, environment, Machine::here()) {
        Ok(config) => config,
        Err(error) => return complain(&error),
    };
    if let Err(error) = proxy::check_trust(&config.proxy.backends) {
        return complain(&error);
    }
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
    let report = Report {
        out_of_reach: OutOfReach::of(usable(&survey).map(|(_, prospect)| &*prospect.bundle.leaf)),
        count: Count::of(&survey),
        client_auth: ClientAuthReport::of(config.client_auth, &survey.client_trust),
        tickets: TicketReport::of(survey.tickets.as_ref(), at),
        survey,
        aia: config.fetch.aia,
        fetched,
        outlook,
        at,
    };
    report.complain();
    let formatted = match arguments.format {
        CheckFormat::Text => report.text(),
        CheckFormat::Json => format!("{:#}\n", report.json()),
    };
    match print(formatted.as_bytes()) {
        Ending::Well => report.ending(),
        failed => failed,
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
        // Unlike where one chain is asked for, a self-signed leaf is a fault among those to be served.
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
        let colon = if parts.is_empty() { "" } else { ": " };
        format!("{}{colon}{}", certificates(self.all), parts.join(", "))
    }
}

/// Everything there is to tell.
struct Report {
    survey: Survey,
    count: Count,
    client_auth: ClientAuthReport,
    tickets: TicketReport,
    aia: Aia,
    fetched: Outcome,
    outlook: Option<Outlook>,
    out_of_reach: OutOfReach,
    at: UnixTime,
}

impl Report {
    fn ending(&self) -> Ending {
        let is_unlisted = |(_, listing): &(PathBuf, Listing)| matches!(listing, Listing::Unreadable(_));
        let breaks = self.outlook.as_ref().is_some_and(|outlook| outlook.breaks() > 0);
        let is_usable = self.count.unusable == 0 && self.client_auth.is_well() && self.tickets.is_well();
        if !is_usable || self.survey.directories.iter().any(is_unlisted) {
            Ending::Bad
        } else if self.count.lacking > 0 || breaks {
            Ending::Incomplete
        } else {
            Ending::Well
        }
    }

    /// Says on standard error what is broken, and what is a warning for all.
    fn complain(&self) {
        for problem in &self.survey.problems {
            eprintln!("warning: {problem} (skipped)");
        }
        aia::complain_of(&self.fetched);
        for (_, prospect) in &self.survey.prospects {
            if let Err(error) = prospect {
                complain(error);
            }
        }
        for (directory, listing) in &self.survey.directories {
            match listing {
                Listing::Unreadable(error) => drop(complain(error)),
                Listing::Empty => eprintln!("warning: {}: it is empty", directory.display()),
                Listing::Read => {}
            }
        }
        self.client_auth.complain(self.at);
        self.tickets.complain();
        if !self.out_of_reach.is_empty() {
            eprintln!("warning: {}", self.out_of_reach);
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (source, prospect) in &self.survey.prospects {
            // Writing to a String cannot fail.
            let _ = match prospect {
                Ok(prospect) => self.write_certificate(&mut text, source, prospect),
                // Standard error says why.
                Err(_) => writeln!(text, "{}: unusable", source.certificate.display()),
            };
            text.push('\n');
        }
        let _ = self.client_auth.write(&mut text);
        let _ = self.tickets.write(&mut text);
        if let Some(outlook) = &self.outlook {
            let _ = writeln!(text, "{}", outlook.text(self.at));
        }
        let problems = counted(self.survey.problems.len(), "problem");
        let _ = writeln!(text, "store: {}; {problems}", certificates(self.survey.stored));
        let _ = writeln!(text, "{}", self.count.sentence());
        text
    }

    fn write_certificate(&self, text: &mut String, source: &BundleSettings, prospect: &Prospect) -> fmt::Result {
        let assembly = &prospect.assembly;
        let wanted = assembly.wanted.as_ref();
        let view = View {
            now: self.at,
            trail: assembly.status != Status::Complete,
            verb: "sent",
            hint: wanted.and_then(|wanted| aia::hint(wanted, self.aia, &self.fetched)),
        };
        writeln!(text, "{}\n  file: {}", headline(assembly), source.certificate.display())?;
        text.push_str(&body(assembly, view));
        text.push_str(&aia::sources(assembly, &self.fetched, "  "));
        if let Some(staple) = &prospect.stapled.staple {
            writeln!(text, "  OCSP staple: good until {}", rfc3339(staple.good_until()))?;
        }
        if let Some(problem) = &prospect.stapled.problem {
            writeln!(text, "  warning: no OCSP staple: {problem}")?;
        }
        if let Some(host) = source.misses(&prospect.bundle.leaf) {
            writeln!(
                text,
                "  not for {host}, which the file is named after: served for its own names"
            )?;
        }
        for unused in assembly.unused(&prospect.bundle.beside) {
            writeln!(text, "  unused: {unused}")?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let Self {
            survey, count, fetched, ..
        } = self;
        let of = |status: Status| {
            let of_status = count.statuses.iter().find(|(of, _)| *of == status);
            of_status.map_or(0, |(_, count)| *count)
        };
        let certificates = usable(survey).map(|(source, prospect)| {
            let mut value = admin::assembly(&prospect.assembly);
            let unused = prospect.assembly.unused(&prospect.bundle.beside);
            value["unused"] = unused.map(|unused| admin::certificate(unused)).collect();
            value["file"] = json!(source.certificate);
            value["host"] = json!(source.host().map(HostName::as_str));
            value["misses_host"] = json!(source.misses(&prospect.bundle.leaf).is_some());
            value["staple"] = admin::staple(&prospect.stapled);
            value["staple_problem"] = json!(prospect.stapled.problem);
            value
        });
        let unusable = survey.prospects.iter().filter_map(|(source, prospect)| {
            let error = prospect.as_ref().err()?;
            Some(json!({ "file": source.certificate, "error": with_causes(error) }))
        });
        let directories = survey.directories.iter().map(|(path, listing)| {
            let (listing, error) = match listing {
                Listing::Read => ("read", None),
                Listing::Empty => ("empty", None),
                Listing::Unreadable(error) => ("unreadable", Some(with_causes(error))),
            };
            json!({ "path": path, "listing": listing, "error": error })
        });
        json!({
            "version": admin::JSON_VERSION,
            "at": rfc3339(self.at),
            "certificates": certificates.collect::<Vec<_>>(),
            "unusable": unusable.collect::<Vec<_>>(),
            "directories": directories.collect::<Vec<_>>(),
            "client_auth": self.client_auth.json(),
            "tickets": self.tickets.json(),
            "problems": survey.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "out_of_reach_of_old_windows": self.out_of_reach.names().collect::<Vec<_>>(),
            "fetched": fetched.found.iter().map(aia::json).collect::<Vec<_>>(),
            "not_fetched": fetched.failures.iter().map(aia::failure_json).collect::<Vec<_>>(),
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
            "outlook": self.outlook.as_ref().map(|outlook| outlook.json(self.at)),
        })
    }
}
