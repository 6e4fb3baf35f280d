//! The configuration read again: what of it takes effect at once, and what needs a restart.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::config::{Config, Error};
use crate::reload::{self, Plan};

/// Reads the configuration again.
pub type Reconfigure = Box<dyn FnMut() -> Result<Config, Error> + Send>;

/// What a reload makes of the configuration: certificates, store, roots, what is fetched and how to reload take effect;
/// a change of anything else is reported as waiting for a restart. `asked` hears of each reload that was asked for.
pub(super) fn plan_of(mut reconfigure: Reconfigure, running: Config, asked: Arc<Notify>) -> reload::Reconfigure {
    Box::new(move || {
        asked.notify_one();
        let config = reconfigure().map_err(|error| error.to_string())?;
        for key in needs_restart(&running, &config) {
            tracing::warn!(key, "a change in the configuration needs a restart to take effect");
        }
        Ok(Plan {
            certificates: config.certs,
            tls: config.tls,
            client_auth: config.client_auth,
            reload: config.reload,
            fetch: config.fetch,
        })
    })
}

fn needs_restart(running: &Config, next: &Config) -> impl Iterator<Item = &'static str> {
    [
        ("listeners", running.proxy.listeners != next.proxy.listeners),
        ("takeover", running.proxy.takeover != next.proxy.takeover),
        ("routes", running.proxy.routes != next.proxy.routes),
        ("backends", running.proxy.backends != next.proxy.backends),
        (
            "timeouts",
            running.proxy.timeouts != next.proxy.timeouts
                || running.tls.handshake_timeout != next.tls.handshake_timeout,
        ),
        ("limits", running.proxy.limits != next.proxy.limits),
        ("admin", running.admin != next.admin),
        (
            "log",
            running.log != next.log || running.proxy.access_log != next.proxy.access_log,
        ),
        ("workers", running.workers != next.workers),
        ("drain", running.drain != next.drain),
    ]
    .into_iter()
    .filter_map(|(key, changed)| changed.then_some(key))
}
