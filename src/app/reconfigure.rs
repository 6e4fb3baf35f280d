//! The configuration read again: what of it takes effect at once, and what needs a restart.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::admin;
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
    admin: Arc<Live<admin::Settings>>,
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
        let (running, admin) = (Arc::clone(&running), Arc::clone(&admin));
        let commit = move || {
            prepared.commit();
            let before = running.current();
            let sentences = tell(&before, &config);
            let next = in_force(&before, config);
            admin.publish(next.admin.clone());
            running.publish(next);
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
    let admin = |config: &Config| (config.admin.token.clone(), config.admin.hosts.clone());
    let others = [
        ("drain", before.drain != next.drain),
        ("who may ask the admin listener", admin(before) != admin(next)),
        ("ready_days", before.admin.ready_days != next.admin.ready_days),
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
        ("admin", running.admin.address != next.admin.address),
        (
            "log",
            running.log != next.log || proxy.access_log != next_proxy.access_log,
        ),
        ("workers", running.workers != next.workers),
        ("user, sandbox or core_dumps", running.hardening != next.hardening),
    ]
}

/// The keys of what [`needs_restart`] is about; a table by its name.
const WAIT_FOR_A_RESTART: [&str; 10] = [
    "admin",
    "listen",
    "listener",
    "log",
    "proxy_protocol_from",
    "redirect_from",
    "redirect_port",
    "redirect_status",
    "takeover",
    "workers",
];

/// `next`, with what needs a restart as it was.
fn in_force(running: &Config, next: Config) -> Config {
    let running = running.clone();
    Config {
        said: Arc::new(next.said.with(&WAIT_FOR_A_RESTART, &running.said)),
        admin: admin::Settings {
            address: running.admin.address,
            ..next.admin
        },
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
