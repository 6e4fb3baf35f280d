//! What is asked of servers, and how they are.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;

use crate::telemetry::metrics::{Counter, Distribution, Exposition, Gauge, Histogram, Kind, Metric, PerWorker};

const STATE: Metric = Metric {
    name: "fullchain_backend_server_state",
    kind: Kind::Gauge,
    labels: &["backend", "server", "state"],
    help: "1 for the state that the server is in: up, down by its health checks, or ejected because requests to it failed.",
};
const CONNECTIONS: Metric = Metric {
    name: "fullchain_backend_connections",
    kind: Kind::Gauge,
    labels: &["backend", "server", "state"],
    help: "Connections to the server: busy with requests or a tunnel, or idle.",
};
const OPENED: Metric = Metric {
    name: "fullchain_backend_connections_opened_total",
    kind: Kind::Counter,
    labels: &["backend", "server"],
    help: "Connections to the server that were opened.",
};
const FAILED: Metric = Metric {
    name: "fullchain_backend_connection_failures_total",
    kind: Kind::Counter,
    labels: &["backend", "server"],
    help: "Connections to the server that could not be opened.",
};
const REUSED: Metric = Metric {
    name: "fullchain_backend_connections_reused_total",
    kind: Kind::Counter,
    labels: &["backend", "server"],
    help: "How often a request found a connection to the server that was open already.",
};
const RETRIES: Metric = Metric {
    name: "fullchain_backend_retries_total",
    kind: Kind::Counter,
    labels: &["backend", "server"],
    help: "Requests that were sent again, to this server or another, because this one failed them.",
};
const RESPONSES: Metric = Metric {
    name: "fullchain_backend_responses_total",
    kind: Kind::Counter,
    labels: &["backend", "server", "status"],
    help: "Responses of the server, by the class of their status.",
};
const FIRST_BYTE: Metric = Metric {
    name: "fullchain_backend_first_byte_seconds",
    kind: Kind::Histogram,
    labels: &["backend", "server"],
    help: "From the beginning of a request on a connection to the server to the head of the response.",
};

/// Everything that is written here.
pub(super) const METRICS: [&Metric; 8] = [
    &STATE,
    &CONNECTIONS,
    &OPENED,
    &FAILED,
    &REUSED,
    &RETRIES,
    &RESPONSES,
    &FIRST_BYTE,
];

const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What may be sent to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Requests.
    Up,
    /// Nothing: health checks say that it is not well.
    Down,
    /// Nothing for a while: requests to it failed.
    Ejected,
}

/// What one worker counts of one server.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(in crate::proxy) struct ServerMetrics {
    pub(in crate::proxy) open: Gauge,
    pub(in crate::proxy) busy: Gauge,
    pub(in crate::proxy) opened: Counter,
    pub(in crate::proxy) failed: Counter,
    pub(in crate::proxy) reused: Counter,
    pub(in crate::proxy) retries: Counter,
    responses: [Counter; STATUSES.len()],
    first_byte: Histogram,
}

impl ServerMetrics {
    /// The head of a response has come so long after its request began.
    pub(in crate::proxy) fn answered(&self, status: StatusCode, took: Duration) {
        let [informational, successful, redirected, refused, failed] = &self.responses;
        let counter = match status.as_u16() {
            ..200 => informational,
            200..300 => successful,
            300..400 => redirected,
            400..500 => refused,
            500.. => failed,
        };
        counter.add(1);
        self.first_byte.observe(took);
    }
}

impl State {
    const ALL: [Self; 3] = [Self::Up, Self::Down, Self::Ejected];

    fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Ejected => "ejected",
        }
    }
}

type Names = (Box<str>, Box<str>);
type Counted = fn(&ServerMetrics) -> &Counter;

/// Writes what the workers have counted for each server, and how each is.
pub(super) fn write(
    servers: &[(Names, PerWorker<ServerMetrics>)],
    states: &BTreeMap<Names, State>,
    text: &mut Exposition,
) {
    let mut samples = text.begin(&STATE);
    for ((backend, server), state) in states {
        for one in State::ALL {
            samples.put(&[backend, server, one.as_str()], one == *state);
        }
    }
    let sum = |numbers: &PerWorker<ServerMetrics>, of: &dyn Fn(&ServerMetrics) -> u64| -> u64 {
        numbers.iter().map(of).sum()
    };
    let mut samples = text.begin(&CONNECTIONS);
    for ((backend, server), numbers) in servers {
        let open = sum(numbers, &|numbers| numbers.open.get());
        let busy = sum(numbers, &|numbers| numbers.busy.get());
        samples.put(&[backend, server, "busy"], busy);
        // A connection may be closed before the request on it has ended.
        samples.put(&[backend, server, "idle"], open.saturating_sub(busy));
    }
    let counters: [(_, Counted); 4] = [
        (&OPENED, |numbers| &numbers.opened),
        (&FAILED, |numbers| &numbers.failed),
        (&REUSED, |numbers| &numbers.reused),
        (&RETRIES, |numbers| &numbers.retries),
    ];
    for (metric, counter) in counters {
        let mut samples = text.begin(metric);
        for ((backend, server), numbers) in servers {
            samples.put(&[backend, server], sum(numbers, &|numbers| counter(numbers).get()));
        }
    }
    let mut samples = text.begin(&RESPONSES);
    for ((backend, server), numbers) in servers {
        for (place, status) in STATUSES.iter().enumerate() {
            let of = |numbers: &ServerMetrics| numbers.responses.get(place).map_or(0, Counter::get);
            samples.put(&[backend, server, status], sum(numbers, &of));
        }
    }
    let mut samples = text.begin(&FIRST_BYTE);
    for ((backend, server), numbers) in servers {
        let distribution: Distribution = numbers.iter().map(|numbers| &numbers.first_byte).collect();
        samples.put_distribution(&[backend, server], &distribution);
    }
}
