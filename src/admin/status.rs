//! How the process fares at one moment: what `/status` and the page show.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use serde_json::{Value, json};

use super::certificates::JSON_VERSION;
use super::diagnosis::{Diagnosis, Severity, Trouble};
use super::endpoints::Sources;
use super::readiness::{Stage, ready};
use crate::chain::{Certificate, rfc3339};
use crate::proxy::settings::Service;
use crate::proxy::{BackendState, ListenerState, Observation, State, Totals};
use crate::reload::{Generation, Outcome, Record};

/// How the process fares at one moment.
#[derive(Debug)]
pub(super) struct Status {
    pub(super) at: UnixTime,
    pub(super) started_at: UnixTime,
    pub(super) stage: Stage,
    /// Why `/readyz` fails, if it does.
    pub(super) not_ready: Option<String>,
    pub(super) generation: Arc<Generation>,
    /// The latest, newest first.
    pub(super) reloads: Vec<Record>,
    pub(super) proxy: Observation,
    pub(super) diagnosis: Diagnosis,
}

impl Status {
    /// As of the instant `at`.
    pub(super) fn of(sources: &Sources, at: UnixTime) -> Self {
        let generation = sources.generation.current();
        let proxy = (sources.proxy)();
        let settings = sources.settings.current();
        let readiness = ready(&sources.readiness, &proxy, &generation, settings.ready_days, at);
        let reloads = sources.history.records();
        let stage = sources.readiness.stage();
        Self {
            at,
            started_at: sources.started_at,
            stage,
            not_ready: readiness.err(),
            diagnosis: Diagnosis::of(&generation, &proxy, reloads.first(), stage, at),
            generation,
            reloads,
            proxy,
        }
    }

    /// How long the process has run.
    pub(super) fn uptime(&self) -> Duration {
        let seconds = self.at.as_secs().saturating_sub(self.started_at.as_secs());
        Duration::from_secs(seconds)
    }

    /// The certificate of all chains that are sent which ends first, with the place of the first chain it is in.
    pub(super) fn first_to_end(&self) -> Option<(usize, &Arc<Certificate>)> {
        let served = self.generation.served.iter().enumerate();
        let ends = served.map(|(place, served)| (place, served.assembly.chain.first_to_expire()));
        ends.min_by_key(|(_, certificate)| certificate.not_after().as_secs())
    }

    /// The same as JSON; `docs/JSON.md` names every field.
    pub(super) fn json(&self) -> Value {
        let first = self.first_to_end();
        let count = |severity| self.diagnosis.certificates_with(severity);
        let served = &self.generation.served;
        json!({
            "version": JSON_VERSION,
            "program": env!("CARGO_PKG_VERSION"),
            "at": rfc3339(self.at),
            "started_at": rfc3339(self.started_at),
            "uptime": self.uptime().as_secs(),
            "stage": self.stage.as_str(),
            "not_ready_because": self.not_ready,
            "verdict": self.diagnosis.verdict(self),
            "certificates": {
                "served": served.len(),
                "well": served.len() - self.diagnosis.ailing(),
                "warnings": count(Severity::Warning),
                "errors": count(Severity::Error),
                "first_end": first.map(|(_, certificate)| rfc3339(certificate.not_after())),
                "first_end_file": first.map(|(place, _)| &served[place].source.certificate),
            },
            "troubles": self.diagnosis.troubles.iter().map(|trouble| self.trouble(trouble)).collect::<Vec<_>>(),
            "listeners": self.proxy.listeners.iter().map(listener).collect::<Vec<_>>(),
            "backends": self.proxy.backends.iter().map(backend).collect::<Vec<_>>(),
            "totals": totals(&self.proxy.totals),
            "reloads": self.reloads.iter().map(reload).collect::<Vec<_>>(),
        })
    }

    fn trouble(&self, trouble: &Trouble) -> Value {
        let served = trouble.certificate.and_then(|place| self.generation.served.get(place));
        json!({
            "severity": trouble.severity.as_str(),
            "text": trouble.text,
            "reason": trouble.reason,
            "remedy": trouble.remedy,
            "file": served.map(|served| &served.source.certificate),
        })
    }
}

fn listener(listener: &ListenerState) -> Value {
    json!({
        "address": listener.at.address.to_string(),
        "service": service(&listener.at.service),
        "accepting": listener.trouble().is_none(),
        "trouble": listener.trouble(),
    })
}

/// What is done at a listener, in the words of the configuration.
pub(super) fn service(service: &Service) -> &'static str {
    match service {
        Service::Tls => "tls",
        Service::Http => "http",
        Service::Redirect(_) => "redirect",
    }
}

fn backend(backend: &BackendState) -> Value {
    let servers = backend.servers.iter().map(|server| {
        json!({
            "address": server.address,
            "state": state(server.state),
            "checked": server.is_checked,
        })
    });
    json!({ "name": backend.name, "servers": servers.collect::<Vec<_>>() })
}

/// Whether a server gets requests, in a word.
pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Up => "up",
        State::Down => "down",
        State::Ejected => "ejected",
    }
}

fn totals(totals: &Totals) -> Value {
    json!({
        "requests": totals.requests,
        "server_errors": totals.server_errors,
        "requests_in_progress": totals.requests_in_progress,
        "handshakes": totals.handshakes,
        "handshake_failures": totals.handshake_failures,
        "connections": totals.connections,
        "connections_open": totals.connections_open,
    })
}

fn reload(record: &Record) -> Value {
    json!({
        "at": rfc3339(record.at),
        "first_at": rfc3339(record.first_at),
        "times": record.times,
        "cause": record.cause.to_string(),
        "outcome": record.outcome.as_str(),
        "details": record.outcome.sentences(),
        "more": record.more,
    })
}

/// Whether something that was to take effect has not.
pub(super) fn is_amiss(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Kept(_) | Outcome::Refused(_))
}
