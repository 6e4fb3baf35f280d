//! How the proxy fares, for people and probes: its listeners, and the servers of its backends.

use std::sync::Arc;

use super::metrics::{Metrics, State, Totals};
use super::reconfigurer::Reconfigurer;
use super::server::LocalAddress;
use super::vitals::Vitals;

/// Looks at a running proxy. Clones look at the same one.
#[derive(Clone, Debug)]
pub struct Observer {
    pub(super) listeners: Vec<(LocalAddress, Vitals)>,
    pub(super) reconfigurer: Reconfigurer,
    pub(super) metrics: Arc<Metrics>,
}

/// What was seen at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// In the order of the settings.
    pub listeners: Vec<ListenerState>,
    /// In the order of the settings.
    pub backends: Vec<BackendState>,
    /// What has been counted since the start.
    pub totals: Totals,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerState {
    /// Where it is, and what is done there.
    pub at: LocalAddress,
    /// Workers that cannot accept from it for now, for want of file descriptors most likely.
    pub failing: usize,
    /// Workers that accept from it no more, though nobody told them to end.
    pub lost: usize,
}

/// A backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendState {
    /// Its name, as the log has it.
    pub name: String,
    /// Its servers, in the order of the settings.
    pub servers: Vec<ServerState>,
}

/// A server of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerState {
    /// Its URL.
    pub address: String,
    /// Whether it gets requests.
    pub state: State,
    /// Whether it is asked how it is; otherwise only requests tell.
    pub is_checked: bool,
}

impl Observer {
    /// How the proxy fares now.
    pub fn observe(&self) -> Observation {
        let listeners = self.listeners.iter().map(|(at, vitals)| {
            let (failing, lost) = vitals.troubled();
            ListenerState {
                at: at.clone(),
                failing,
                lost,
            }
        });
        let blueprint = self.reconfigurer.current();
        let backends = blueprint.backends.iter().map(|backend| backend.state());
        Observation {
            listeners: listeners.collect(),
            backends: backends.collect(),
            totals: self.metrics.totals(),
        }
    }
}

impl ListenerState {
    /// Why it does not accept as it should, if it does not.
    pub fn trouble(&self) -> Option<String> {
        let Self { at, failing, lost } = self;
        let address = &at.address;
        match (lost, failing) {
            (0, 0) => None,
            (0, 1) => Some(format!("{address} cannot accept connections: see the log")),
            (0, _) => Some(format!(
                "{address} cannot accept connections in {failing} workers: see the log"
            )),
            (1, _) => Some(format!("{address} has lost a worker: see the log, and restart")),
            (_, _) => Some(format!("{address} has lost {lost} workers: see the log, and restart")),
        }
    }
}
