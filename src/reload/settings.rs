//! What the operator says about renewal.

use std::time::Duration;

use super::ClientAuthSettings;
use crate::chain::Policy;
use crate::{certs, fetch, tls};

/// What a reload works by; reading the configuration again replaces it whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Which files to read.
    pub certificates: certs::Settings,
    /// What handshakes are told besides.
    pub tls: tls::Settings,
    /// How clients are authenticated; the files are among those of `certificates`.
    pub client_auth: Vec<ClientAuthSettings>,
    /// How to reload.
    pub reload: Settings,
    /// What is fetched.
    pub fetch: fetch::Settings,
}

/// The configuration as it was read again.
pub struct Reconfiguration {
    /// What this room works by.
    pub plan: Plan,
    /// Puts the rest of it in force, once that plan is.
    pub commit: Commit,
}

impl From<Plan> for Reconfiguration {
    /// A configuration that has nothing but this room's.
    fn from(plan: Plan) -> Self {
        Self {
            plan,
            commit: Box::new(Vec::new),
        }
    }
}

/// Puts something in force that has been prepared and cannot fail any more; what has changed by that, in sentences.
pub type Commit = Box<dyn FnOnce() -> Vec<String> + Send>;

/// Everything the reload room is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Refuse to start or reload unless every chain is complete.
    pub strict: bool,
    /// Which of several complete chains is served.
    pub policy: Policy,
    /// Send an anchor that is not self-signed, being an intermediate of somebody else's root.
    pub send_intermediate_anchor: bool,
    /// Whether files are watched and polled at all.
    pub watch: bool,
    /// How often files are read besides: NFS and bind mounts send no events.
    pub poll_interval: Duration,
    /// How long the file system must be quiet before files are read: leaf and key are written apart.
    pub debounce: Duration,
    /// Swap in a chain even if it is worse than the one served.
    pub allow_worse: bool,
}
