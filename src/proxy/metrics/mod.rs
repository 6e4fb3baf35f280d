//! What is counted of connections, requests and servers.
//!
//! ```text
//! worker   what each worker counts of its connections and requests, and how late it is
//! request  one request, from its beginning to its end
//! routes   requests by route
//! servers  what is asked of servers, and how they are
//! ```

mod request;
mod routes;
mod servers;
mod worker;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

pub(super) use self::request::Meter;
pub(super) use self::routes::RouteMetrics;
pub(super) use self::servers::ServerMetrics;
pub use self::servers::State;
pub(super) use self::worker::{Delay, Refusal, WorkerMetrics};
use super::blueprint::Blueprint;
use super::settings::{Backend, Route};
use super::upstream::Shared;
use crate::telemetry::metrics::{Exposition, Gauge, Metric, PerWorker, Series};
use crate::tls::HandshakeMetrics;

/// Everything that the proxy counts. Each worker counts for itself; who reads adds up.
#[derive(Debug)]
pub struct Metrics {
    workers: Box<[Arc<WorkerMetrics>]>,
    /// By what the route is called.
    routes: Series<Box<str>, RouteMetrics>,
    /// By the names of backend and server.
    servers: Series<(Box<str>, Box<str>), ServerMetrics>,
    /// The backends in force.
    backends: Mutex<Box<[Arc<Shared>]>>,
    most_connections: Gauge,
}

/// What has been counted since the start, all workers together. Two of these and the time between them make rates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests that have ended.
    pub requests: u64,
    /// Those of them that were answered with a status of 500 or more.
    pub server_errors: u64,
    /// Requests in progress at this moment.
    pub requests_in_progress: u64,
    /// Handshakes that were completed.
    pub handshakes: u64,
    /// Handshakes that failed.
    pub handshake_failures: u64,
    /// Client connections that were accepted.
    pub connections: u64,
    /// Client connections that are open at this moment.
    pub connections_open: u64,
}

impl Metrics {
    /// Nothing counted yet, by so many workers.
    pub(super) fn new(workers: NonZeroUsize) -> Self {
        Self {
            workers: (0..workers.get())
                .map(|number| Arc::new(WorkerMetrics::new(number)))
                .collect(),
            routes: Series::new(workers),
            servers: Series::new(workers),
            backends: Mutex::default(),
            most_connections: Gauge::default(),
        }
    }

    /// The names, kinds and labels of everything that [`write`](Self::write) writes.
    pub fn descriptions() -> impl Iterator<Item = &'static Metric> {
        let own = worker::METRICS
            .into_iter()
            .chain(routes::METRICS)
            .chain(servers::METRICS);
        own.chain(HandshakeMetrics::METRICS)
    }

    /// Writes everything.
    pub fn write(&self, text: &mut Exposition) {
        WorkerMetrics::write(&self.workers, self.most_connections.get(), text);
        routes::write(&self.workers, &self.routes.all(), text);
        servers::write(&self.servers.all(), &self.states(), text);
        HandshakeMetrics::write(self.workers.iter().map(|worker| &worker.handshakes), text);
    }

    /// The sums, at the cost of a few reads for each worker.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for worker in &self.workers {
            worker.add_to(&mut totals);
        }
        totals
    }

    /// What the worker with this number counts.
    pub(super) fn of_worker(&self, number: usize) -> Arc<WorkerMetrics> {
        let known = self.workers.get(number).cloned();
        known.unwrap_or_else(|| Arc::new(WorkerMetrics::new(number)))
    }

    /// What is counted of the requests that take `route`. A route of the same hosts and paths counts on.
    pub(super) fn of_route(&self, route: &Route) -> PerWorker<RouteMetrics> {
        self.routes.of(routes::name(route))
    }

    /// What is counted of what each server of `backend` is asked. Those of the same names count on.
    pub(super) fn of_servers(&self, backend: &Backend) -> impl Iterator<Item = PerWorker<ServerMetrics>> {
        let servers = backend.servers.iter();
        servers.map(|server| self.servers.of((backend.log_name().into(), server.to_string().into())))
    }

    /// From now on `blueprint` is in force.
    pub(super) fn follow(&self, blueprint: &Blueprint) {
        self.most_connections.set(blueprint.settings.limits.connections as u64);
        *self.backends.lock().unwrap_or_else(PoisonError::into_inner) = blueprint.backends.clone();
    }

    /// How each server is, by the names of backend and server.
    fn states(&self) -> BTreeMap<(Box<str>, Box<str>), State> {
        let backends = self.backends.lock().unwrap_or_else(PoisonError::into_inner);
        let named = backends.iter().flat_map(|backend| {
            let states = backend.states().into_iter();
            states.map(|(server, state)| ((backend.log_name().into(), server), state))
        });
        named.collect()
    }
}
