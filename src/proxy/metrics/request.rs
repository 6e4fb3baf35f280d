//! One request, from its beginning to its end.

use std::sync::Arc;

use http::{StatusCode, Version};
use tokio::time::Instant;

use super::{RouteMetrics, WorkerMetrics};
use crate::telemetry::metrics::PerWorker;

/// A request that is counted when this is dropped, on the worker that began it. What it holds are counters of this
/// worker, so that nothing on its way is shared with another.
#[derive(Debug)]
pub(in crate::proxy) struct Meter {
    worker: Arc<WorkerMetrics>,
    route: Option<Arc<RouteMetrics>>,
    version: Version,
    status: Option<StatusCode>,
    begun: Instant,
}

impl Meter {
    /// A request of this version has begun at `begun`.
    pub(in crate::proxy) fn begin(worker: &Arc<WorkerMetrics>, version: Version, begun: Instant) -> Self {
        worker.in_progress.raise();
        Self {
            worker: Arc::clone(worker),
            route: None,
            version,
            status: None,
            begun,
        }
    }

    /// It takes the route of these numbers.
    pub(in crate::proxy) fn takes(&mut self, route: &PerWorker<RouteMetrics>) {
        self.route = Some(route.at(self.worker.number));
    }

    /// The response has begun.
    pub(in crate::proxy) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let worker = &self.worker;
        worker.in_progress.lower();
        worker.requests.add(1);
        if self.status.is_some_and(|status| status.is_server_error()) {
            worker.server_errors.add(1);
        }
        let route = self.route.as_deref().unwrap_or(&worker.without_route);
        route.ended(self.version, self.status, self.begun.elapsed());
    }
}
