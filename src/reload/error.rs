//! Why the proxy cannot start with the certificates it is given.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::chain::Certificate;
use crate::{certs, tls};

/// Why there is nothing to serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Some certificates cannot be loaded, or may not be served.
    #[error("{}", Lines(.0))]
    Certificates(Vec<Unservable>),
    /// The CAs or the CRLs of clients cannot be used; one sentence each.
    #[error("{}", Lines(.0))]
    ClientAuth(Vec<String>),
    /// Under `strict`, some chains are not complete; one sentence each.
    #[error("{}", Lines(.0))]
    Strict(Vec<String>),
    /// The session ticket keys that replicas share cannot be read; one sentence each.
    #[error("{}", Lines(.0))]
    Tickets(Vec<String>),
    /// rustls refuses a chain or its key.
    #[error(transparent)]
    Tls(#[from] tls::Error),
}

/// Why there is nothing to serve for one configured certificate.
#[derive(Debug, thiserror::Error)]
pub enum Unservable {
    /// Its leaf or the key of it is one that is never used.
    #[error("{}: expected a certificate that may be served, found {leaf}, which is on the disallow list", certificate.display())]
    Disallowed {
        /// The file with the leaf.
        certificate: PathBuf,
        /// The leaf.
        leaf: Arc<Certificate>,
    },
    /// Its files do not hold what they should.
    #[error(transparent)]
    Files(#[from] certs::Error),
}

struct Lines<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Lines<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, line) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { "\n" };
            write!(f, "{separator}{line}")?;
        }
        Ok(())
    }
}
