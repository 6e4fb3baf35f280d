//! Why the proxy does not start.

use std::io;
use std::path::PathBuf;

use super::privileges::PrivilegeError;
use crate::config::Place;
use crate::{admin, proxy, reload, tls};

/// Why the proxy does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The access log's file cannot be opened.
    #[error("{}: {} cannot be opened: {error}{}", place(.named), .path.display(), hint(.error))]
    AccessFile {
        /// Where it is named.
        named: Option<Place>,
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        error: io::Error,
    },
    /// The admin listener, which was asked for, cannot bind.
    #[error(transparent)]
    Admin(#[from] admin::BindError),
    /// A certificate cannot be served.
    #[error(transparent)]
    Certificates(#[from] reload::Error),
    /// A listener cannot bind, or servers cannot be spoken to.
    #[error(transparent)]
    Proxy(#[from] proxy::StartError),
    /// The process that this one takes the place of does not pass its sockets.
    #[error("the running process does not pass its sockets")]
    Inheritance(#[source] io::Error),
    /// The process cannot become another user.
    #[error(transparent)]
    Privileges(#[from] PrivilegeError),
    /// The kernel refuses the sandbox.
    #[error("the sandbox cannot be made; `sandbox = false` does without")]
    Sandbox(#[source] landlock::RulesetError),
    /// The operating system gives no thread or no event queue.
    #[error("cannot start")]
    Runtime(#[source] io::Error),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] tls::Error),
}

fn place(named: &Option<Place>) -> String {
    named
        .as_ref()
        .map_or_else(|| "the access log".to_owned(), Place::to_string)
}

/// What to do about a file that cannot be opened.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => " (its directory has to be there)",
        io::ErrorKind::PermissionDenied => " (the user of this process has to be allowed to write it)",
        io::ErrorKind::IsADirectory => " (name a file in it)",
        _ => "",
    }
}
