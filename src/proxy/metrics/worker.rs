//! What each worker counts of its connections and requests, and how late it is.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Totals;
use super::routes::RouteMetrics;
use crate::telemetry::metrics::{Counter, Exposition, Gauge, Histogram, Kind, Metric};
use crate::tls::HandshakeMetrics;

const OPEN: Metric = Metric {
    name: "fullchain_connections_open",
    kind: Kind::Gauge,
    labels: &[],
    help: "Client connections, those in their handshake and tunnels included.",
};
const MOST_OPEN: Metric = Metric {
    name: "fullchain_connections_limit",
    kind: Kind::Gauge,
    labels: &[],
    help: "How many client connections there may be (limits.connections).",
};
const ACCEPTED: Metric = Metric {
    name: "fullchain_connections_accepted_total",
    kind: Kind::Counter,
    labels: &[],
    help: "Client connections that were accepted.",
};
const REFUSED: Metric = Metric {
    name: "fullchain_connections_refused_total",
    kind: Kind::Counter,
    labels: &["reason"],
    help: "Accepted connections that were closed at once: of a client with too many, or of a balancer that did not say whose it is.",
};
const DELAYED: Metric = Metric {
    name: "fullchain_connections_delayed_total",
    kind: Kind::Counter,
    labels: &["reason"],
    help: "Accepted connections that had to wait because of a limit, and everybody behind them in the kernel's queue.",
};
const IN_PROGRESS: Metric = Metric {
    name: "fullchain_requests_in_progress",
    kind: Kind::Gauge,
    labels: &[],
    help: "Requests whose response has not ended.",
};
const LAG: Metric = Metric {
    name: "fullchain_worker_loop_lag_seconds",
    kind: Kind::Histogram,
    labels: &["worker"],
    help: "How late a timer of the worker was that rings four times a second; up to a millisecond is its own.",
};

/// Everything that is written here.
pub(super) const METRICS: [&Metric; 7] = [&OPEN, &MOST_OPEN, &ACCEPTED, &REFUSED, &DELAYED, &IN_PROGRESS, &LAG];

/// How often a worker looks how late it is: a worker that is held up for longer is certain to be seen, and one that has
/// nothing to do is woken four times a second.
const LOOK: Duration = Duration::from_millis(250);

/// Why a connection was closed at once.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) enum Refusal {
    /// Its client has as many as it may.
    ConnectionsPerClient,
    /// The PROXY header that had to come did not.
    ProxyHeader,
}

/// Why a connection had to wait.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) enum Delay {
    /// There are as many as there may be.
    Connections,
    /// As many handshakes as there may be in a second have begun.
    HandshakesPerSecond,
}

const REFUSALS: [&str; 2] = ["connections_per_client", "proxy_header"];
const DELAYS: [&str; 2] = ["connections", "handshakes_per_second"];

/// What one worker counts. On cache lines of its own, and on pairs of such: processors fetch two at a time.
#[derive(Debug)]
#[repr(align(128))]
pub(in crate::proxy) struct WorkerMetrics {
    /// Which of the workers it is.
    pub(in crate::proxy) number: usize,
    pub(in crate::proxy) open: Gauge,
    pub(in crate::proxy) accepted: Counter,
    refused: [Counter; REFUSALS.len()],
    delayed: [Counter; DELAYS.len()],
    pub(super) in_progress: Gauge,
    pub(super) requests: Counter,
    pub(super) server_errors: Counter,
    /// The requests that took no route.
    pub(super) without_route: RouteMetrics,
    pub(in crate::proxy) handshakes: HandshakeMetrics,
    lag: Histogram,
}

impl WorkerMetrics {
    /// Those of the worker with this number, which has counted nothing yet.
    pub(super) fn new(number: usize) -> Self {
        Self {
            number,
            open: Gauge::default(),
            accepted: Counter::default(),
            refused: Default::default(),
            delayed: Default::default(),
            in_progress: Gauge::default(),
            requests: Counter::default(),
            server_errors: Counter::default(),
            without_route: RouteMetrics::default(),
            handshakes: HandshakeMetrics::default(),
            lag: Histogram::default(),
        }
    }

    /// A connection is closed at once.
    pub(in crate::proxy) fn refused(&self, why: Refusal) {
        let [per_client, header] = &self.refused;
        match why {
            Refusal::ConnectionsPerClient => per_client.add(1),
            Refusal::ProxyHeader => header.add(1),
        }
    }

    /// A connection has to wait.
    pub(in crate::proxy) fn delayed(&self, why: Delay) {
        let [connections, handshakes] = &self.delayed;
        match why {
            Delay::Connections => connections.add(1),
            Delay::HandshakesPerSecond => handshakes.add(1),
        }
    }

    /// Looks again and again how late the worker is that this runs on.
    pub(in crate::proxy) async fn watch_lag(self: Arc<Self>) {
        loop {
            let due = Instant::now() + LOOK;
            sleep_until(due).await;
            self.lag.observe(due.elapsed());
        }
    }

    pub(super) fn add_to(&self, totals: &mut Totals) {
        totals.requests += self.requests.get();
        totals.server_errors += self.server_errors.get();
        totals.requests_in_progress += self.in_progress.get();
        totals.handshakes += self.handshakes.completed();
        totals.handshake_failures += self.handshakes.failed();
        totals.connections += self.accepted.get();
        totals.connections_open += self.open.get();
    }

    /// Writes what all `workers` have counted, who may have `most` connections together.
    pub(super) fn write(workers: &[Arc<Self>], most: u64, text: &mut Exposition) {
        let sum = |of: &dyn Fn(&Self) -> u64| workers.iter().map(|worker| of(worker)).sum::<u64>();
        text.begin(&OPEN).put(&[], sum(&|worker| worker.open.get()));
        text.begin(&MOST_OPEN).put(&[], most);
        text.begin(&ACCEPTED).put(&[], sum(&|worker| worker.accepted.get()));
        let mut refused = text.begin(&REFUSED);
        for (place, reason) in REFUSALS.iter().enumerate() {
            let of = |worker: &Self| worker.refused.get(place).map_or(0, Counter::get);
            refused.put(&[reason], sum(&of));
        }
        let mut delayed = text.begin(&DELAYED);
        for (place, reason) in DELAYS.iter().enumerate() {
            let of = |worker: &Self| worker.delayed.get(place).map_or(0, Counter::get);
            delayed.put(&[reason], sum(&of));
        }
        text.begin(&IN_PROGRESS)
            .put(&[], sum(&|worker| worker.in_progress.get()));
        let mut lag = text.begin(&LAG);
        for worker in workers {
            let number = worker.number.to_string();
            lag.put_distribution(&[&number], &[&worker.lag].into_iter().collect());
        }
    }
}
