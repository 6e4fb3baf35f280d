//! What one handshake came to: which identity was shown, and what was verified of the client's certificates.
//!
//! rustls keeps neither, so that both are noted while it asks.

use std::sync::{Arc, OnceLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::client_auth::{Asked, ClientAuth, Verdict};
use super::names;
use super::resolver::Resolver;

/// What one handshake came to.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The names of the identity that was shown.
    pub(super) shown: OnceLock<Arc<[Box<str>]>>,
    /// What was verified of the client's certificates, if it sent any.
    pub(super) verdict: Arc<OnceLock<Verdict>>,
}

/// A resolver that notes what it answers.
#[derive(Debug)]
pub(super) struct Noting {
    pub(super) resolver: Arc<Resolver>,
    pub(super) memory: Arc<Memory>,
}

impl ResolvesServerCert for Noting {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let (identity, chain) = self.resolver.answer(&client_hello)?;
        // After a HelloRetryRequest the same client asks once more, and gets the same answer.
        let _ = self.memory.shown.set(Arc::clone(identity.shared_names()));
        Some(Arc::clone(chain))
    }
}

/// Which hosts may be asked for on a connection.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// The names of the identity that was shown, where they are known.
    pub(super) names: Option<Arc<[Box<str>]>>,
    /// What the client was asked.
    pub(super) asked: Asked,
}

impl Scope {
    /// Whether the identity that was shown is for `host`.
    pub(super) fn covers(&self, host: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names::cover(names, host))
    }

    /// Whether what was asked of the client is what `client_auth` would ask of it for `host`.
    pub(super) fn is_enough_for(&self, host: &str, client_auth: &ClientAuth) -> bool {
        client_auth.is_same_for(self.asked, host)
    }
}
