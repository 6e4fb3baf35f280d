//! What one configuration makes of the proxy, for all workers.

use std::sync::Arc;

use super::Settings;
use super::clients::Clients;
use super::metrics::Metrics;
use super::routes::Routes;
use super::upstream::{BackendError, Shared};

/// What one configuration makes of the proxy, for all workers.
#[derive(Debug)]
pub(super) struct Blueprint {
    pub(super) settings: Arc<Settings>,
    pub(super) routes: Arc<Routes>,
    /// In the order of the settings.
    pub(super) backends: Box<[Arc<Shared>]>,
    /// What each client has of the process.
    pub(super) clients: Arc<Clients>,
    /// What is counted, whatever the configuration.
    pub(super) metrics: Arc<Metrics>,
    /// Which configuration of this process it is, beginning with 0.
    number: u64,
}

impl Blueprint {
    /// The first one, by which everything is counted in `metrics`.
    ///
    /// # Errors
    ///
    /// [`BackendError`] where a backend's files cannot be used.
    pub(super) fn new(settings: Settings, metrics: &Arc<Metrics>) -> Result<Self, BackendError> {
        let backends = backends(&settings, &[], metrics, 0)?;
        let clients = Clients::new(&settings.limits.clients, &settings.routes);
        Ok(Self::of(settings, backends, clients, Arc::clone(metrics), 0))
    }

    /// The one after it: what stays as it is goes on with what is known of it.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); nothing has changed then.
    pub(super) fn succeeded_by(&self, settings: Settings) -> Result<Self, BackendError> {
        let number = self.number + 1;
        let backends = backends(&settings, &self.backends, &self.metrics, number)?;
        let before = (&*self.clients, &*self.settings.routes);
        let clients = Clients::succeeding(&settings.limits.clients, &settings.routes, before);
        Ok(Self::of(settings, backends, clients, Arc::clone(&self.metrics), number))
    }

    fn of(
        settings: Settings,
        backends: Box<[Arc<Shared>]>,
        clients: Clients,
        metrics: Arc<Metrics>,
        number: u64,
    ) -> Self {
        Self {
            routes: Arc::new(Routes::new(&settings.routes, &metrics)),
            settings: Arc::new(settings),
            backends,
            clients: Arc::new(clients),
            metrics,
            number,
        }
    }
}

fn backends(
    settings: &Settings,
    previous: &[Arc<Shared>],
    metrics: &Metrics,
    number: u64,
) -> Result<Box<[Arc<Shared>]>, BackendError> {
    // More than 2^32 backends have no room in memory.
    let mut next = number << 32;
    Shared::of(&settings.backends, previous, metrics, || {
        next += 1;
        next
    })
}
