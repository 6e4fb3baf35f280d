//! What all workers share of a backend: what the operator says about it, TLS to its servers, and what is known of them.

use std::sync::Arc;

use super::roster::Roster;
use crate::proxy::metrics::{Metrics, ServerMetrics, State};
use crate::proxy::observer::{BackendState, ServerState};
use crate::proxy::settings::{Backend, HttpVersion};
use crate::telemetry::Causes;
use crate::telemetry::metrics::PerWorker;
use crate::tls::{Connector, ConnectorError, Offered, Trust};

/// What all workers share of a backend. One whose settings stay the same is the same after the configuration has been
/// read again, with everything that is known of its servers.
#[derive(Debug)]
pub(in crate::proxy) struct Shared {
    pub(super) id: BackendId,
    pub(super) settings: Backend,
    /// TLS to its servers, where any speaks it.
    pub(super) connector: Option<Arc<Connector>>,
    pub(super) roster: Arc<Roster>,
    /// What is counted of each of its servers, in their order.
    metrics: Box<[PerWorker<ServerMetrics>]>,
}

/// A backend that no other is taken for, whatever the configuration comes to call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct BackendId(u64);

#[cfg(test)]
impl BackendId {
    pub(in crate::proxy) fn example(number: u64) -> Self {
        Self(number)
    }
}

/// Why the servers of a backend cannot be spoken to over TLS.
#[derive(Debug, thiserror::Error)]
#[error("the servers of the {backend} backend cannot be spoken to over TLS")]
pub struct BackendError {
    /// Which.
    pub backend: String,
    /// Why not.
    pub source: ConnectorError,
}

/// Reads the files for TLS to the servers of `backends`, to see whether they can be used.
///
/// # Errors
///
/// [`BackendError`] for the first backend with something wrong.
pub fn check_trust(backends: &[Backend]) -> Result<(), BackendError> {
    backends.iter().try_for_each(|backend| connector(backend).map(drop))
}

impl Shared {
    /// The backends of `settings`. Those of `previous` that stay as they are come along; of a changed one what is known of
    /// the servers that it still has. What servers are asked is counted in `metrics`. `fresh` names those that are new or changed.
    ///
    /// # Errors
    ///
    /// [`BackendError`] for the first backend whose files cannot be used.
    pub(in crate::proxy) fn of(
        settings: &[Backend],
        previous: &[Arc<Self>],
        metrics: &Metrics,
        mut fresh: impl FnMut() -> u64,
    ) -> Result<Box<[Arc<Self>]>, BackendError> {
        let shared = |settings: &Backend| {
            let before = previous.iter().find(|before| before.settings.name == settings.name);
            match before {
                Some(before) if before.settings == *settings => Ok(Arc::clone(before)),
                _ => Ok(Arc::new(Self {
                    id: BackendId(fresh()),
                    connector: connector(settings)?.map(Arc::new),
                    roster: Arc::new(Roster::new(settings, before.map(|before| &*before.roster))),
                    metrics: metrics.of_servers(settings).collect(),
                    settings: settings.clone(),
                })),
            }
        };
        settings.iter().map(shared).collect()
    }

    /// Which it is, for as long as the process runs.
    pub(in crate::proxy) fn id(&self) -> BackendId {
        self.id
    }

    /// What one worker counts of a server.
    pub(super) fn metrics(&self, server: usize, worker: usize) -> Arc<ServerMetrics> {
        let metrics = self.metrics.get(server);
        metrics.map(|metrics| metrics.at(worker)).unwrap_or_default()
    }

    /// How each server is, by its name.
    pub(in crate::proxy) fn states(&self) -> Vec<(Box<str>, State)> {
        self.roster.states()
    }

    /// What logs call it.
    pub(in crate::proxy) fn log_name(&self) -> &str {
        self.settings.log_name()
    }

    /// How its servers fare.
    pub(in crate::proxy) fn state(&self) -> BackendState {
        let is_checked = self.settings.choice.health.is_some();
        let server = |(address, state): (Box<str>, _)| ServerState {
            address: address.into(),
            state,
            is_checked,
        };
        BackendState {
            name: self.log_name().to_owned(),
            servers: self.roster.states().into_iter().map(server).collect(),
        }
    }

    /// Says loudly where nobody verifies its servers.
    pub(in crate::proxy) fn warn_if_unverified(&self) {
        if self.connector.is_some() && self.settings.protocol.tls.trust == Trust::Anyone {
            tracing::warn!(
                backend = self.log_name(),
                "the certificates of servers are not verified (tls_verify = false): whoever sits between can read and change everything"
            );
        }
    }

    /// Reads roots and client certificate again where they have changed. Takes as long as a slow file system does. What
    /// cannot be read leaves what was read before; that is logged.
    pub(in crate::proxy) fn read_trust_again(&self) {
        let backend = self.log_name();
        match self
            .connector
            .as_ref()
            .map_or(Ok(false), |connector| connector.read_again())
        {
            Ok(false) => {}
            Ok(true) => tracing::info!(backend, "roots or client certificate read again"),
            Err(error) => {
                let error = Causes(&error).to_string();
                tracing::error!(backend, %error, "roots or client certificate cannot be read: those in use stay");
            }
        }
    }
}

/// TLS to the servers of a backend, where any speaks it.
fn connector(backend: &Backend) -> Result<Option<Connector>, BackendError> {
    if !backend.servers.iter().any(|server| server.tls) {
        return Ok(None);
    }
    let offered = match backend.protocol.http {
        HttpVersion::Http10 | HttpVersion::Http11 => Offered::Http1,
        HttpVersion::Http2 => Offered::Http2,
        HttpVersion::Auto => Offered::Both,
    };
    let connector = Connector::new(&backend.protocol.tls, offered).map_err(|source| BackendError {
        backend: backend.log_name().to_owned(),
        source,
    })?;
    Ok(Some(connector))
}
