//! The configuration read again: what of it takes effect at once, and what needs a restart.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::config::{Config, Error};
use crate::live::Live;
use crate::proxy::Reconfigurer;
use crate::reload::{self, Plan, Reconfiguration};
use crate::telemetry::Causes;

/// Reads the configuration again.
pub type Reconfigure = Box<dyn FnMut() -> Result<Config, Error> + Send>;

/// What a reload makes of the whole configuration, where `running` is in force: certificates and the like are for the
/// reload room, routes, backends and limits for `proxy`, and what is left needs a restart. `asked` hears of each reload that
/// was asked for.
pub(super) fn whole(
    mut reconfigure: Reconfigure,
    running: Arc<Live<Config>>,
    proxy: Reconfigurer,
    asked: Arc<Notify>,
) -> reload::Reconfigure {
    Box::new(move || {
        asked.notify_one();
        let config = reconfigure().map_err(|error| error.to_string())?;
        let prepared = proxy
            .prepare(config.proxy.clone())
            .map_err(|error| Causes(&error).to_string())?;
        let plan = Plan {
            certificates: config.certs.clone(),
            tls: config.tls,
            client_auth: config.client_auth.clone(),
            reload: config.reload,
            fetch: config.fetch.clone(),
        };
        let running = Arc::clone(&running);
        let commit = move || {
            prepared.commit();
            let before = running.current();
            let sentences = tell(&before, &config);
            running.publish(in_force(&before, config));
            sentences
        };
        Ok(Reconfiguration {
            plan,
            commit: Box::new(commit),
        })
    })
}

/// Says in the log and in sentences what has changed and what waits for a restart.
fn tell(before: &Config, next: &Config) -> Vec<String> {
    let mut sentences = Vec::new();
    let changed = named(&changed(before, next));
    if !changed.is_empty() {
        tracing::info!(changed, "the configuration was applied");
        sentences.push(format!("in force from now on: {changed}"));
    }
    let waiting = named(&needs_restart(before, next));
    if !waiting.is_empty() {
        tracing::warn!(
            keys = waiting,
            "changes in the configuration need a restart to take effect"
        );
        sentences.push(format!("needs a restart to take effect: {waiting}"));
    }
    sentences
}

fn named(keys: &[(&'static str, bool)]) -> String {
    let changed: Vec<_> = keys
        .iter()
        .filter_map(|(key, changed)| changed.then_some(*key))
        .collect();
    changed.join(", ")
}

/// What takes effect at once, besides what the reload room tells of itself.
fn changed(before: &Config, next: &Config) -> Vec<(&'static str, bool)> {
    let others = [
        ("drain", before.drain != next.drain),
        ("strict_sni", before.tls.strict_sni != next.tls.strict_sni),
        ("aia and ocsp", before.fetch != next.fetch),
        ("how files are watched and judged", before.reload != next.reload),
    ];
    let handshake = before.tls.handshake_timeout != next.tls.handshake_timeout;
    let (before, next) = (&before.proxy, &next.proxy);
    let proxy = [
        ("routes", before.routes != next.routes),
        ("backends", before.backends != next.backends),
        ("timeouts", handshake || before.timeouts != next.timeouts),
        ("limits", before.limits != next.limits),
        ("trusted_proxies", before.trusted_proxies != next.trusted_proxies),
        ("default_host", before.default_host != next.default_host),
        ("acme", before.acme != next.acme),
    ];
    proxy.into_iter().chain(others).collect()
}

fn needs_restart(running: &Config, next: &Config) -> [(&'static str, bool); 6] {
    let (proxy, next_proxy) = (&running.proxy, &next.proxy);
    [
        ("listeners", proxy.listeners != next_proxy.listeners),
        ("takeover", proxy.takeover != next_proxy.takeover),
        ("admin", running.admin != next.admin),
        (
            "log",
            running.log != next.log || proxy.access_log != next_proxy.access_log,
        ),
        ("workers", running.workers != next.workers),
        ("user, sandbox or core_dumps", running.hardening != next.hardening),
    ]
}

/// `next`, with what needs a restart as it was.
fn in_force(running: &Config, next: Config) -> Config {
    let running = running.clone();
    Config {
        admin: running.admin,
        log: running.log,
        access_file: running.access_file,
        workers: running.workers,
        hardening: running.hardening,
        proxy: crate::proxy::Settings {
            listeners: running.proxy.listeners,
            takeover: running.proxy.takeover,
            access_log: running.proxy.access_log,
            ..next.proxy
        },
        ..next
    }
}
