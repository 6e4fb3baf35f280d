//! What is counted of reloads, and how long what is served is valid.

use std::collections::HashSet;
use std::sync::Arc;

use rustls::pki_types::UnixTime;

use super::guard::key_type;
use super::handle::Outcome;
use super::served::{Generation, Served};
use crate::chain::{Certificate, Status};
use crate::fetch;
use crate::live::Live;
use crate::telemetry::metrics::{Counter, Exposition, Gauge, Kind, Metric};

const RELOADS: Metric = Metric {
    name: "fullchain_reloads_total",
    kind: Kind::Counter,
    labels: &["result"],
    help: "Looks at the files, polls included: nothing differs (unchanged), what is served has changed, something is kept that differs from the files, or the configuration was refused.",
};
const LAST_ATTEMPT: Metric = Metric {
    name: "fullchain_reload_last_attempt_timestamp_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "When the files were last looked at, in seconds since 1970.",
};
const LAST_SUCCESS: Metric = Metric {
    name: "fullchain_reload_last_success_timestamp_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "When they were last looked at with nothing kept or refused, in seconds since 1970.",
};
const NOT_BEFORE: Metric = of_certificate(
    "fullchain_certificate_not_before_timestamp_seconds",
    "When the leaf that is served begins to be valid, in seconds since 1970.",
);
const NOT_AFTER: Metric = of_certificate(
    "fullchain_certificate_not_after_timestamp_seconds",
    "When the leaf that is served ends to be valid, in seconds since 1970.",
);
const CHAIN_NOT_AFTER: Metric = of_certificate(
    "fullchain_certificate_chain_not_after_timestamp_seconds",
    "When the first of the certificates that are sent ends to be valid, the leaf included, in seconds since 1970.",
);
const KEPT: Metric = of_certificate(
    "fullchain_certificate_kept",
    "1 where what lies on disk is not served, and what was served before is.",
);
const STATUS: Metric = Metric {
    name: "fullchain_certificate_status",
    kind: Kind::Gauge,
    labels: &["certificate", "name", "key", "status"],
    help: "1 for what a client will make of the chain.",
};

const fn of_certificate(name: &'static str, help: &'static str) -> Metric {
    Metric {
        name,
        kind: Kind::Gauge,
        labels: &["certificate", "name", "key"],
        help,
    }
}

const RESULTS: [&str; 4] = ["unchanged", "changed", "kept", "refused"];
const STATUSES: [Status; 5] = [
    Status::Complete,
    Status::Unanchored,
    Status::SelfSigned,
    Status::Incomplete,
    Status::Invalid,
];

/// What is counted of reloads, written by the reload task alone; and what is known of the certificates.
#[derive(Debug)]
pub struct Metrics {
    /// By [`RESULTS`].
    reloads: [Counter; RESULTS.len()],
    last_attempt: Gauge,
    last_success: Gauge,
    fetches: fetch::Metrics,
    generation: Arc<Live<Generation>>,
}

impl Metrics {
    /// Everything was loaded at the instant `at`, and is in `generation`.
    pub(super) fn new(at: UnixTime, generation: Arc<Live<Generation>>, fetches: fetch::Metrics) -> Self {
        let metrics = Self {
            reloads: Default::default(),
            last_attempt: Gauge::default(),
            last_success: Gauge::default(),
            fetches,
            generation,
        };
        metrics.last_attempt.set(at.as_secs());
        metrics.last_success.set(at.as_secs());
        metrics
    }

    /// What is fetched.
    pub(super) fn fetches(&self) -> &fetch::Metrics {
        &self.fetches
    }

    /// A reload at the instant `at` has ended.
    pub(super) fn reloaded(&self, outcome: &Outcome, at: UnixTime) {
        let [unchanged, changed, kept, refused] = &self.reloads;
        let counter = match outcome {
            Outcome::Unchanged => unchanged,
            Outcome::Changed(_) => changed,
            Outcome::Kept(_) => kept,
            Outcome::Refused(_) => refused,
        };
        counter.add(1);
        self.last_attempt.set(at.as_secs());
        if matches!(outcome, Outcome::Unchanged | Outcome::Changed(_)) {
            self.last_success.set(at.as_secs());
        }
    }

    /// The names, kinds and labels of everything that [`write`](Self::write) writes.
    pub fn descriptions() -> impl Iterator<Item = &'static Metric> {
        let reloads = [&RELOADS, &LAST_ATTEMPT, &LAST_SUCCESS];
        let certificates = [&NOT_BEFORE, &NOT_AFTER, &CHAIN_NOT_AFTER, &STATUS, &KEPT];
        reloads.into_iter().chain(certificates).chain(fetch::Metrics::METRICS)
    }

    /// Writes everything.
    pub fn write(&self, text: &mut Exposition) {
        let mut reloads = text.begin(&RELOADS);
        for (result, counter) in RESULTS.iter().zip(&self.reloads) {
            reloads.put(&[result], counter.get());
        }
        text.begin(&LAST_ATTEMPT).put(&[], self.last_attempt.get());
        text.begin(&LAST_SUCCESS).put(&[], self.last_success.get());
        write_certificates(&self.generation.current().served, text);
        self.fetches.write(text);
    }
}

/// What a certificate is called: its file, the first of its names, and the kind of its key, since one file may hold an
/// RSA and an ECDSA certificate.
type Labels = [String; 3];

/// An instant of a certificate, in seconds since 1970.
type InstantOf = fn(&Served) -> Option<u64>;

fn labels(served: &Served) -> Labels {
    let leaf = served.assembly.chain.leaf();
    let addresses = leaf.ip_addresses().map(|address| address.to_string());
    let name = leaf.dns_names().map(str::to_owned).chain(addresses).next();
    [
        served.source.certificate.display().to_string(),
        name.unwrap_or_else(|| leaf.subject().to_string()),
        key_type(leaf.key_algorithm()).to_owned(),
    ]
}

fn write_certificates(served: &[Arc<Served>], text: &mut Exposition) {
    let mut seen = HashSet::new();
    // What is configured twice is one series, which must not be written twice.
    let all: Vec<(Labels, &Served)> = served
        .iter()
        .map(|served| (labels(served), &**served))
        .filter(|(labels, _)| seen.insert(labels.clone()))
        .collect();
    let instants: [(_, InstantOf); 3] = [
        (&NOT_BEFORE, |served| Some(leaf(served).not_before().as_secs())),
        (&NOT_AFTER, |served| Some(leaf(served).not_after().as_secs())),
        (&CHAIN_NOT_AFTER, |served| {
            let sent = served.assembly.chain.certificates.iter();
            sent.map(|certificate| certificate.not_after().as_secs()).min()
        }),
    ];
    for (metric, instant) in instants {
        let mut samples = text.begin(metric);
        for ([file, name, key], served) in &all {
            let instant = instant(served);
            instant.into_iter().for_each(|instant| {
                samples.put(&[file, name, key], instant);
            });
        }
    }
    let mut samples = text.begin(&STATUS);
    for ([file, name, key], served) in &all {
        for status in STATUSES {
            samples.put(&[file, name, key, status.as_str()], status == served.assembly.status);
        }
    }
    let mut samples = text.begin(&KEPT);
    for ([file, name, key], served) in &all {
        samples.put(&[file, name, key], served.kept_because.is_some());
    }
}

fn leaf(served: &Served) -> &Certificate {
    served.assembly.chain.leaf()
}
