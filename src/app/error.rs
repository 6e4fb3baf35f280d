//! Why the proxy does not start.

use std::io;

use crate::{admin, proxy, reload, tls};

/// Why the proxy does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The admin listener, which was asked for, cannot bind.
    #[error(transparent)]
    Admin(#[from] admin::BindError),
    /// A certificate cannot be served.
    #[error(transparent)]
    Certificates(#[from] reload::Error),
    /// A listener cannot bind.
    #[error(transparent)]
    Listener(#[from] proxy::BindError),
    /// The operating system gives no thread or no event queue.
    #[error("cannot start")]
    Runtime(#[source] io::Error),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] tls::Error),
}
