//! TLS to the servers of each backend, shared by all workers.

use std::sync::Arc;

use crate::proxy::settings::{Backend, HttpVersion};
use crate::telemetry::Causes;
use crate::tls::{Connector, ConnectorError, Offered, Trust};

/// TLS to the servers of each backend that has such servers.
#[derive(Clone, Debug)]
pub struct Connectors {
    /// In the order of the settings.
    backends: Vec<Option<Named>>,
}

#[derive(Clone, Debug)]
struct Named {
    name: Box<str>,
    connector: Arc<Connector>,
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

impl Connectors {
    /// Reads the files that `backends` name, and warns of those whose servers are not verified.
    ///
    /// # Errors
    ///
    /// [`BackendError`] for the first backend with something wrong.
    pub fn new(backends: &[Backend]) -> Result<Self, BackendError> {
        let named = |backend: &Backend| {
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
            Ok(Some(Named {
                name: backend.log_name().into(),
                connector: Arc::new(connector),
            }))
        };
        Ok(Self {
            backends: backends.iter().map(named).collect::<Result<_, _>>()?,
        })
    }

    /// Says loudly which backends' servers nobody verifies.
    pub(in crate::proxy) fn warn_of_unverified(backends: &[Backend]) {
        for backend in backends {
            let is_tls = backend.servers.iter().any(|server| server.tls);
            if is_tls && backend.protocol.tls.trust == Trust::Anyone {
                tracing::warn!(
                    backend = backend.log_name(),
                    "the certificates of servers are not verified (tls_verify = false): whoever sits between can read and change everything"
                );
            }
        }
    }

    /// Whether no server is spoken to over TLS.
    pub fn is_empty(&self) -> bool {
        self.backends.iter().all(Option::is_none)
    }

    /// Reads again what has changed. Takes as long as a slow file system does. What cannot be read leaves what was read
    /// before; that is logged.
    pub fn read_again(&self) {
        for Named { name, connector } in self.backends.iter().flatten() {
            let backend = &**name;
            match connector.read_again() {
                Ok(false) => {}
                Ok(true) => tracing::info!(backend, "roots or client certificate read again"),
                Err(error) => {
                    let error = Causes(&error).to_string();
                    tracing::error!(backend, %error, "roots or client certificate cannot be read: those in use stay");
                }
            }
        }
    }

    /// That of the backend at a position in the settings.
    pub(super) fn at(&self, index: usize) -> Option<&Arc<Connector>> {
        self.backends.get(index)?.as_ref().map(|named| &named.connector)
    }
}
