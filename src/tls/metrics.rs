//! What is counted of handshakes.

use std::time::Duration;

use super::{Accepted, HandshakeError, Hello};
use crate::telemetry::metrics::{Counter, Distribution, Exposition, Histogram, Kind, Metric};

const COMPLETED: Metric = Metric {
    name: "fullchain_tls_handshakes_total",
    kind: Kind::Counter,
    labels: &["version", "resumption"],
    help: "Handshakes with clients that were completed.",
};
const FAILED: Metric = Metric {
    name: "fullchain_tls_handshake_failures_total",
    kind: Kind::Counter,
    labels: &["cause"],
    help: "Handshakes with clients that failed, by the word that the log has for it.",
};
const DURATION: Metric = Metric {
    name: "fullchain_tls_handshake_duration_seconds",
    kind: Kind::Histogram,
    labels: &[],
    help: "From the beginning to the end of the handshakes that were completed, what the client took included.",
};

const VERSIONS: [&str; 2] = ["TLSv1.2", "TLSv1.3"];
const RESUMPTIONS: [&str; 2] = ["full", "resumed"];

/// The handshakes of one worker.
#[derive(Debug, Default)]
pub struct HandshakeMetrics {
    /// By [`VERSIONS`] and [`RESUMPTIONS`].
    completed: [[Counter; RESUMPTIONS.len()]; VERSIONS.len()],
    /// By [`HandshakeError::CAUSES`].
    failed: [Counter; HandshakeError::CAUSES.len()],
    duration: Histogram,
}

impl HandshakeMetrics {
    /// Everything that is written here.
    pub const METRICS: [&'static Metric; 3] = [&COMPLETED, &FAILED, &DURATION];

    /// A handshake has ended, and took so long.
    pub(crate) fn ended<IO>(&self, outcome: &Result<Accepted<IO>, HandshakeError>, took: Duration) {
        match outcome {
            Ok(Accepted { hello, .. }) => {
                self.completed_as(hello).add(1);
                self.duration.observe(took);
            }
            Err(error) => {
                let mut causes = HandshakeError::CAUSES.iter().zip(&self.failed);
                let cause = causes.find(|(cause, _)| **cause == error.cause());
                cause.into_iter().for_each(|(_, counter)| counter.add(1));
            }
        }
    }

    fn completed_as(&self, hello: &Hello) -> &Counter {
        let [old, new] = &self.completed;
        let [full, resumed] = if hello.version == VERSIONS[0] { old } else { new };
        if hello.resumed { resumed } else { full }
    }

    /// How many were completed.
    pub(crate) fn completed(&self) -> u64 {
        self.completed.iter().flatten().map(Counter::get).sum()
    }

    /// How many failed.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.iter().map(Counter::get).sum()
    }

    /// Writes what all `workers` together have counted.
    pub(crate) fn write<'a>(workers: impl Iterator<Item = &'a Self> + Clone, text: &mut Exposition) {
        let mut samples = text.begin(&COMPLETED);
        for (version, of_version) in VERSIONS.iter().enumerate() {
            for (resumption, of_both) in RESUMPTIONS.iter().enumerate() {
                let count = |worker: &Self| worker.completed.get(version)?.get(resumption).map(Counter::get);
                samples.put(&[of_version, of_both], workers.clone().filter_map(count).sum::<u64>());
            }
        }
        let mut samples = text.begin(&FAILED);
        for (place, cause) in HandshakeError::CAUSES.iter().enumerate() {
            let count = |worker: &Self| worker.failed.get(place).map(Counter::get);
            samples.put(&[cause], workers.clone().filter_map(count).sum::<u64>());
        }
        let durations: Distribution = workers.map(|worker| &worker.duration).collect();
        text.begin(&DURATION).put_distribution(&[], &durations);
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::tls::ApplicationProtocol;

    #[test]
    fn what_was_agreed_on_and_what_failed_is_counted_apart() {
        let (one, two) = (HandshakeMetrics::default(), HandshakeMetrics::default());
        let fails = |error| -> Result<Accepted<()>, _> { Err(error) };
        one.ended(&fails(HandshakeError::PlainHttp), Duration::ZERO);
        two.ended(
            &fails(HandshakeError::Closed(io::ErrorKind::UnexpectedEof.into())),
            Duration::ZERO,
        );
        let hello = Hello::example("a.test", ApplicationProtocol::Http1);
        one.completed_as(&hello).add(1);
        let mut old = Hello::example("a.test", ApplicationProtocol::Http1);
        (old.resumed, old.version) = (true, "TLSv1.2");
        two.completed_as(&old).add(2);
        let mut text = Exposition::default();
        HandshakeMetrics::write([&one, &two].into_iter(), &mut text);
        let text = text.into_text();
        for line in [
            "fullchain_tls_handshakes_total{version=\"TLSv1.3\",resumption=\"full\"} 1\n",
            "fullchain_tls_handshakes_total{version=\"TLSv1.3\",resumption=\"resumed\"} 0\n",
            "fullchain_tls_handshakes_total{version=\"TLSv1.2\",resumption=\"resumed\"} 2\n",
            "fullchain_tls_handshake_failures_total{cause=\"plain-http\"} 1\n",
            "fullchain_tls_handshake_failures_total{cause=\"closed\"} 1\n",
            "fullchain_tls_handshake_failures_total{cause=\"time\"} 0\n",
            // Of those that failed nobody knows how long they would have taken.
            "fullchain_tls_handshake_duration_seconds_count 0\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert_eq!((two.completed(), one.failed()), (2, 1));
    }
}
