//! Why the proxy cannot start with the certificates it is given.

use std::fmt;

use crate::{certs, tls};

/// Why there is nothing to serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Some certificates cannot be loaded.
    #[error("{}", Lines(.0))]
    Certificates(Vec<certs::Error>),
    /// Under `strict`, some chains are not complete; one sentence each.
    #[error("{}", Lines(.0))]
    Strict(Vec<String>),
    /// rustls refuses a chain or its key.
    #[error(transparent)]
    Tls(#[from] tls::Error),
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
