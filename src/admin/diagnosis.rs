//! What is wrong, why, and what to do about it: the worst first, in sentences for whoever is woken up by it.

use std::collections::BTreeMap;
use std::time::Duration;

use rustls::pki_types::UnixTime;

use super::advice;
use super::certificates::{common_name, name};
use super::readiness::Stage;
use super::status::{self, is_amiss};
use crate::chain::{Assembly, Certificate, End, Flaw, Refusal, Status, Warning, in_words, rfc3339};
use crate::proxy::{Observation, State};
use crate::reload::{Generation, Record, Served, is_near};

/// What is wrong, all in all.
#[derive(Debug)]
pub(super) struct Diagnosis {
    /// The worst first; of equally bad ones what is so already, then what ends first, then in the order of the configuration.
    pub(super) troubles: Vec<Trouble>,
    /// The worst that is wrong with each certificate that something is wrong with, by its place.
    worst: BTreeMap<usize, Severity>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) severity: Severity,
    /// Whether it is yet to come.
    is_ahead: bool,
    /// The place of the certificate it is about.
    pub(super) certificate: Option<usize>,
    /// What is wrong, as a sentence without its full stop.
    pub(super) text: String,
    /// Why that is so, where it takes more words.
    pub(super) reason: Option<String>,
    /// What to do about it.
    pub(super) remedy: Option<String>,
}

/// How bad it is; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Clients are refused, or are about to be.
    Error,
    /// Some clients are, or all will be if nobody does anything.
    Warning,
    /// Worth knowing.
    Note,
}

/// From so long before its end a certificate is an emergency.
const URGENT: u64 = 3 * DAY;
/// But not earlier than in this part of its life.
const LAST_PART: u64 = 10;
const DAY: u64 = 86_400;

impl Diagnosis {
    /// What is wrong with what is served, with the proxy, and with the latest reload, as of the instant `at`.
    pub(super) fn of(
        generation: &Generation,
        proxy: &Observation,
        latest: Option<&Record>,
        stage: Stage,
        at: UnixTime,
    ) -> Self {
        let mut troubles = of_process(stage, generation);
        let mut worst = BTreeMap::new();
        for (place, served) in generation.served.iter().enumerate() {
            let of_it = of_certificate(served, at);
            if let Some(severity) = of_it.iter().map(|trouble| trouble.severity).min() {
                worst.insert(place, severity);
            }
            troubles.extend(of_it.into_iter().map(|trouble| Trouble {
                certificate: Some(place),
                ..trouble
            }));
        }
        troubles.extend(of_proxy(proxy));
        troubles.extend(of_reload(generation, latest));
        let end = |trouble: &Trouble| {
            let served = generation.served.get(trouble.certificate?)?;
            Some(served.assembly.chain.first_to_expire().not_after().as_secs())
        };
        troubles.sort_by_key(|trouble| (trouble.severity, trouble.is_ahead, end(trouble).unwrap_or(0)));
        Self { troubles, worst }
    }

    /// The worst that is wrong with the certificate at `place`.
    pub(super) fn severity(&self, place: usize) -> Option<Severity> {
        self.worst.get(&place).copied()
    }

    /// How many certificates have nothing worse than this.
    pub(super) fn certificates_with(&self, severity: Severity) -> usize {
        self.worst.values().filter(|worst| **worst == severity).count()
    }

    /// How many certificates clients refuse or will.
    pub(super) fn ailing(&self) -> usize {
        self.worst.values().filter(|worst| **worst < Severity::Note).count()
    }

    /// The worst of all.
    pub(super) fn worst(&self) -> Option<Severity> {
        self.troubles.first().map(|trouble| trouble.severity)
    }

    /// The first thing that somebody has to do something about.
    pub(super) fn first(&self) -> Option<&Trouble> {
        self.troubles.first().filter(|first| first.severity < Severity::Note)
    }

    /// One sentence for everything.
    pub(super) fn verdict(&self, status: &status::Status) -> String {
        let bad: Vec<&Trouble> = self
            .troubles
            .iter()
            .filter(|trouble| trouble.severity < Severity::Note)
            .collect();
        match bad.as_slice() {
            [] => well(status),
            [only] => format!("{}.", only.text),
            [worst, rest @ ..] => {
                let things = if rest.len() == 1 { "thing needs" } else { "things need" };
                format!("{}. {} more {things} attention.", worst.text, rest.len())
            }
        }
    }
}

fn well(status: &status::Status) -> String {
    let served = &status.generation.served;
    let complete = match served.iter().all(|served| served.assembly.status == Status::Complete) {
        true => "served with a complete chain",
        false => "served",
    };
    let Some((place, first)) = status.first_to_end() else {
        return "There is no certificate to serve.".to_owned();
    };
    let left = in_words(left(first, status.at));
    match served.len() {
        1 => format!(
            "{} is {complete}; it ends in {left}.",
            name(served[place].assembly.chain.leaf())
        ),
        count => format!("All {count} certificates are {complete}; the next ends in {left}."),
    }
}

/// How long `certificate` is valid yet.
pub(super) fn left(certificate: &Certificate, at: UnixTime) -> Duration {
    Duration::from_secs(certificate.not_after().as_secs().saturating_sub(at.as_secs()))
}

fn of_process(stage: Stage, generation: &Generation) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    match stage {
        Stage::Starting => troubles.push(Trouble::new(Severity::Warning, "The process is starting", None)),
        Stage::Draining => troubles.push(Trouble::new(
            Severity::Warning,
            "The process is draining: it takes no new connections soon, and ends",
            None,
        )),
        Stage::Failed => troubles.push(Trouble::new(
            Severity::Error,
            "Certificates are no longer reloaded: what is served stays as it is",
            Some("see the log, and restart".to_owned()),
        )),
        Stage::Ready => {}
    }
    if generation.served.is_empty() {
        troubles.push(Trouble::new(
            Severity::Error,
            "There is no certificate to serve: every handshake fails",
            Some("put one into the certificate directory".to_owned()),
        ));
    }
    troubles
}

fn of_certificate(served: &Served, at: UnixTime) -> Vec<Trouble> {
    let name = name(served.assembly.chain.leaf());
    let mut troubles = of_chain(&served.assembly, &name);
    troubles.extend(of_end(served, &name, at));
    troubles.extend(of_warnings(&served.assembly, &name, at));
    troubles.extend(of_files(served, &name));
    troubles
}

/// What is wrong with the chain itself.
fn of_chain(assembly: &Assembly, name: &str) -> Vec<Trouble> {
    let flaw = |flaw: &Flaw| {
        let text = format!("{name} is refused by clients: {flaw}");
        Trouble::new(Severity::Error, text, advice::on_flaw(flaw, assembly.chain.leaf()))
    };
    let mut troubles: Vec<Trouble> = assembly.flaws.iter().map(flaw).collect();
    let status = assembly.status;
    let of_status = match (status, &assembly.wanted) {
        (Status::Incomplete, Some(wanted)) => {
            let text = format!(
                "{name} is served without its intermediate {}",
                common_name(&wanted.subject)
            );
            let remedy = advice::on_missing(wanted, status, None);
            Some(Trouble::new(Severity::Error, text, Some(remedy)))
        }
        (Status::Incomplete, None) => {
            let text = format!("{name} is served with a chain that leads to no root");
            Some(Trouble::new(Severity::Error, text, None))
        }
        (Status::Unanchored, Some(wanted)) => {
            let end = common_name(&wanted.subject);
            let text = format!("The chain of {name} ends below {end}, which is not known here");
            let remedy = advice::on_missing(wanted, status, None);
            Some(Trouble::new(Severity::Note, text, Some(remedy)))
        }
        (Status::SelfSigned, _) => {
            let text = format!("{name} is self-signed: only clients that were told to trust it do");
            Some(Trouble::new(Severity::Note, text, None))
        }
        (Status::Complete | Status::Invalid | Status::Unanchored, _) => None,
    };
    troubles.extend(of_status);
    troubles
}

/// That the chain ends soon, or has ended; not where that is told as a flaw.
fn of_end(served: &Served, name: &str, at: UnixTime) -> Option<Trouble> {
    let (assembly, file) = (&served.assembly, served.source.certificate.display());
    let is_end = |flaw: &Flaw| {
        matches!(
            flaw,
            Flaw::Certificate {
                refusal: Refusal::Expired(_),
                ..
            }
        )
    };
    let first = assembly.chain.first_to_expire();
    let severity = urgency(first, at).filter(|_| !assembly.flaws.iter().any(is_end))?;
    let is_leaf = first == assembly.chain.leaf();
    let what = match is_leaf {
        true => name.to_owned(),
        false => format!("The intermediate {} of {name}", common_name(first.subject())),
    };
    let has_ended = first.not_after().as_secs() < at.as_secs();
    let when = match has_ended {
        true => format!("has ended, on {}", rfc3339(first.not_after())),
        false => format!("ends in {}", in_words(left(first, at))),
    };
    let remedy = match is_leaf {
        true => format!("renew it, and put the new one into {file}: it is noticed by itself"),
        false => "add its renewal to the store, or have the leaf issued anew".to_owned(),
    };
    Some(Trouble {
        is_ahead: !has_ended,
        ..Trouble::new(severity, format!("{what} {when}"), Some(remedy))
    })
}

/// What some clients stumble over, or will.
fn of_warnings(assembly: &Assembly, name: &str, at: UnixTime) -> impl Iterator<Item = Trouble> {
    // That is told as an end by then.
    let is_near = move |warning: &&Warning| match warning {
        Warning::ExpiresBeforeLeaf { certificate, .. } => is_near(certificate, at),
        _ => false,
    };
    let others = assembly.warnings.iter().filter(move |warning| !is_near(warning));
    others.map(move |warning| {
        let (severity, text) = match warning {
            Warning::ExpiresBeforeLeaf { .. } => (Severity::Note, format!("{name} will not last: {warning}")),
            _ => (
                Severity::Warning,
                format!("{name} is refused by some clients: {warning}"),
            ),
        };
        Trouble::new(severity, text, advice::on_warning(warning, &assembly.chain.end))
    })
}

/// What is wrong with what lies on disk, and with the staple.
fn of_files(served: &Served, name: &str) -> Vec<Trouble> {
    let file = served.source.certificate.display();
    let mut troubles = Vec::new();
    if let Some(reason) = &served.kept_because {
        let text = format!("{name} is served as it was: what lies on disk by now is refused");
        let remedy = format!("put {file} right; where it is meant to be so: fullchain reload --force");
        troubles.push(Trouble::new(Severity::Warning, text, Some(remedy)).because(reason));
    }
    match &served.stapled.problem {
        Some(problem) if served.stapled.is_revoked => {
            let text = format!("{name} is revoked by its CA");
            let remedy = format!("have it issued anew with another key, and put it into {file}");
            troubles.push(Trouble::new(Severity::Error, text, Some(remedy)).because(problem));
        }
        Some(problem) => {
            let text = format!("{name} has no fresh OCSP staple");
            troubles.push(Trouble::new(Severity::Warning, text, None).because(problem));
        }
        None => {}
    }
    if let Some(host) = served.source.misses(served.assembly.chain.leaf()) {
        let text = format!("{file} is not for {host}, the host that it is named after");
        let remedy = "rename the file, or put the right one there".to_owned();
        troubles.push(Trouble::new(Severity::Warning, text, Some(remedy)));
    }
    troubles
}

/// How bad it is that `certificate` ends when it does.
pub(super) fn urgency(certificate: &Certificate, at: UnixTime) -> Option<Severity> {
    let (begin, end) = (certificate.not_before().as_secs(), certificate.not_after().as_secs());
    let urgent = URGENT.min(end.saturating_sub(begin) / LAST_PART);
    match end.saturating_sub(at.as_secs()) <= urgent {
        true => Some(Severity::Error),
        false => is_near(certificate, at).then_some(Severity::Warning),
    }
}

fn of_proxy(proxy: &Observation) -> Vec<Trouble> {
    let listeners = proxy.listeners.iter().filter_map(|listener| listener.trouble());
    let mut troubles: Vec<Trouble> = listeners
        .map(|text| Trouble::new(Severity::Error, format!("The listener {text}"), None))
        .collect();
    for backend in &proxy.backends {
        let gone = backend.servers.iter().filter(|server| server.state != State::Up);
        let gone: Vec<&str> = gone.map(|server| server.address.as_str()).collect();
        let (count, all, name) = (gone.len(), backend.servers.len(), &backend.name);
        let (severity, which) = match count {
            0 => continue,
            1 if all == 1 => (Severity::Error, format!("The only server of the backend {name} gets")),
            _ if count == all => (Severity::Error, format!("All {all} servers of the backend {name} get")),
            1 => (
                Severity::Warning,
                format!("1 of {all} servers of the backend {name} gets"),
            ),
            _ => (
                Severity::Warning,
                format!("{count} of {all} servers of the backend {name} get"),
            ),
        };
        let text = format!(
            "{which} no requests, since it does not answer as it should: {}",
            gone.join(", ")
        );
        let text = if count == 1 {
            text
        } else {
            text.replace("since it does", "since they do")
        };
        let remedy = "see whether it runs; why it counts as gone is in the log".to_owned();
        troubles.push(Trouble::new(severity, text, Some(remedy)));
    }
    troubles
}

/// What of the latest reload is not told beside a certificate.
fn of_reload(generation: &Generation, latest: Option<&Record>) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    let mut told: Vec<&str> = generation
        .served
        .iter()
        .filter_map(|served| served.kept_because.as_deref())
        .collect();
    for policy in &generation.client_auth.policies {
        if let Some(reason) = &policy.kept_because {
            let text = "The client authentication in force is not the one on disk";
            troubles.push(Trouble::new(Severity::Warning, text, None).because(reason));
            told.push(reason);
        }
    }
    if let Some(reason) = &generation.tickets.kept_because {
        let text = "The session ticket keys in force are not those on disk";
        troubles.push(Trouble::new(Severity::Warning, text, None).because(reason));
        told.push(reason);
    }
    for problem in &generation.problems {
        troubles.push(Trouble::new(Severity::Warning, "Something on disk was skipped", None).because(problem));
        told.push(problem);
    }
    let Some(latest) = latest.filter(|latest| is_amiss(&latest.outcome)) else {
        return troubles;
    };
    let is_new = |sentence: &&String| !told.iter().any(|told| sentence.contains(told));
    for sentence in latest.outcome.sentences().iter().filter(is_new) {
        let text = "The latest reload did not change what it was to";
        troubles.push(Trouble::new(Severity::Warning, text, None).because(sentence));
    }
    troubles
}

impl Trouble {
    fn new(severity: Severity, text: impl Into<String>, remedy: Option<String>) -> Self {
        Self {
            severity,
            is_ahead: false,
            certificate: None,
            text: text.into(),
            reason: None,
            remedy,
        }
    }

    fn because(self, reason: impl Into<String>) -> Self {
        Self {
            reason: Some(reason.into()),
            ..self
        }
    }
}

impl Severity {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// The root that a chain ends at, if it is known, and whether clients are expected to have it.
pub(super) fn root(end: &End) -> Option<(&Certificate, bool)> {
    match end {
        End::Anchor(root) => Some((root, true)),
        End::SelfSigned(root) => Some((root, false)),
        End::Cycle | End::Leaf | End::Open => None,
    }
}
