//! The log line of a request that failed.

use http::request::Parts;
use http::{HeaderValue, Method, Uri};

use crate::proxy::access_log::Escaped;
use crate::proxy::error::{Error, Side};
use crate::proxy::peer::Peer;
use crate::telemetry::Causes;

/// Where a request went, for the line about its failure.
pub(super) struct Place {
    method: Method,
    host: Option<HeaderValue>,
    target: Uri,
}

impl Place {
    /// That of a request.
    pub(super) fn of(head: &Parts) -> Self {
        Self {
            method: head.method.clone(),
            host: head.headers.get(http::header::HOST).cloned(),
            target: head.uri.clone(),
        }
    }

    /// Says that it failed with `error`.
    pub(super) fn log(&self, peer: Peer, error: &Error) {
        let (method, status, cause) = (&self.method, error.status().as_u16(), error.cause());
        let authority = self.target.authority().map(|authority| authority.as_str().as_bytes());
        let host = authority
            .or_else(|| self.host.as_ref().map(HeaderValue::as_bytes))
            .unwrap_or_default();
        // As texts in quotes: a blank in a host would begin a field of its own.
        let (host, path) = (Escaped(host).text(), Escaped(self.target.path().as_bytes()).text());
        let (host, path) = (&*host, &*path);
        let error_text = Causes(error);
        match error.side() {
            // Anyone can send nonsense; only what is ours or the backend's to mend is a warning.
            Side::Downstream => {
                tracing::info!(%peer, %method, host, path, status, cause, error = %error_text, "request refused");
            }
            Side::Upstream => {
                tracing::warn!(%peer, %method, host, path, status, cause, error = %error_text, "request failed");
            }
        }
    }
}
