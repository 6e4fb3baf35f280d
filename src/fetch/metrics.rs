//! What is counted of what is asked outside.

use std::sync::Arc;

use super::Error;
use crate::telemetry::metrics::{Exposition, Kind, Metric, SharedCounter};

const FETCHES: Metric = Metric {
    name: "fullchain_fetches_total",
    kind: Kind::Counter,
    labels: &["kind", "result"],
    help: "Questions for issuers (aia) and for OCSP responses (ocsp), by what came of them.",
};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sought {
    /// Missing issuers.
    Issuer,
    /// OCSP responses.
    Staple,
}

/// An answer of use.
pub(super) const OK: &str = "ok";
/// The answer that the certificate is revoked.
pub(super) const REVOKED: &str = "revoked";
/// An answer that is none, or about something else.
pub(super) const UNUSABLE: &str = "unusable";

const KINDS: [&str; 2] = ["aia", "ocsp"];
const RESULTS: [&str; 3] = [OK, REVOKED, UNUSABLE];

/// What came of everything that was asked. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<[Results; KINDS.len()]>);

#[derive(Debug, Default)]
struct Results {
    answers: [SharedCounter; RESULTS.len()],
    errors: [SharedCounter; Error::CAUSES.len()],
}

impl Metrics {
    /// Everything that [`write`](Self::write) writes.
    pub const METRICS: [&'static Metric; 1] = [&FETCHES];

    /// Something was asked, and `result` came of it: one of the words above, or the cause of an [`Error`].
    pub(super) fn asked(&self, sought: Sought, result: &'static str) {
        let [issuers, staples] = &*self.0;
        let results = match sought {
            Sought::Issuer => issuers,
            Sought::Staple => staples,
        };
        let counter = results.named().find(|(word, _)| *word == result);
        counter.into_iter().for_each(|(_, counter)| counter.increment());
    }

    /// Writes everything.
    pub fn write(&self, text: &mut Exposition) {
        let mut samples = text.begin(&FETCHES);
        for (kind, results) in KINDS.iter().zip(&*self.0) {
            for (result, counter) in results.named() {
                samples.put(&[kind, result], counter.get());
            }
        }
    }
}

impl Results {
    fn named(&self) -> impl Iterator<Item = (&'static str, &SharedCounter)> {
        let answers = RESULTS.into_iter().zip(&self.answers);
        answers.chain(Error::CAUSES.into_iter().zip(&self.errors))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_errors_are_counted_by_kind() {
        let metrics = Metrics::default();
        metrics.asked(Sought::Issuer, OK);
        metrics.clone().asked(Sought::Staple, Error::Status(404).cause());
        let mut text = Exposition::default();
        metrics.write(&mut text);
        let text = text.into_text();
        for line in [
            "fullchain_fetches_total{kind=\"aia\",result=\"ok\"} 1\n",
            "fullchain_fetches_total{kind=\"ocsp\",result=\"ok\"} 0\n",
            "fullchain_fetches_total{kind=\"ocsp\",result=\"status\"} 1\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }
}
