//! What was said -> what each room is told: defaults, ranges and cross-checks, every fault noted.

mod acme;
mod admin;
mod alone;
mod backends;
mod bundles;
mod choice;
mod client_auth;
mod client_limits;
mod delivery;
mod headers;
mod listeners;
mod log;
mod profile;
mod protocol;
mod routes;
mod secret_file;

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::acme::acme;
use self::backends::backends;
use self::bundles::bundles;
use self::client_auth::client_auth;
use self::client_limits::client_limits;
use self::listeners::addresses;
use self::routes::routes;
use super::choices::Root;
use super::environment::Environment;
use super::error::{Error, Problem};
use super::layer::Given;
use super::machine::Machine;
use super::networks::PeerRange;
use super::precedence::Layers;
use super::raw::Raw;
use super::setting::{List, Setting};
use super::units::{BodyLimit, ByteSize, duration_text};
use super::value::Automatic;
use super::{Account, Config, Drain, Hardening, Said};
use crate::certs::{self, Roots};
use crate::chain::Policy;
use crate::fetch::{self, Aia, Ocsp};
use crate::proxy::settings::{Limits, Timeouts};
use crate::{proxy, reload, tls};

/// Zero would refuse every request.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);
/// Every file is read each time: more often would keep a core busy where there are thousands.
const SHORTEST_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// From hyper's smallest read buffer (it panics below) to what fits the 32 bits of HTTP/2's
/// SETTINGS_MAX_HEADER_LIST_SIZE (RFC 9113 section 6.5.2) with room to spare.
const HEADER_BYTES: RangeInclusive<usize> = 8 << 10..=16 << 20;
/// Up to what `http::HeaderMap` can be asked to make room for (it panics above): three quarters of 2^15.
const HEADER_FIELDS: RangeInclusive<usize> = 1..=24_576;
/// More threads than any machine has cores.
const MOST_WORKERS: usize = 4_096;
/// Below the most permits a `tokio::sync::Semaphore` can hold (it panics above), on 32 bits too.
const MOST_CONNECTIONS: usize = 1 << 28;

/// Resolves everything.
pub(super) fn config(mut layers: Layers, environment: &Environment, machine: Machine) -> Result<Config, Error> {
    let in_words = Arc::new(Said::of(&layers));
    let said = &mut layers;
    let takeover = one(said, |raw| &raw.takeover, false);
    let addresses = addresses(said, takeover);
    let client_auth = client_auth(said, &addresses.listeners);
    let certs = certs(said, &client_auth);
    let timeouts = timeouts(said);
    let backends = backends(said);
    let (access_log, access_file) = log::access(said);
    let body_bytes = one(said, |raw| &raw.limits.body_bytes, BodyLimit(None));
    let config = Config {
        certs,
        fetch: fetch(said, environment),
        tls: tls::Settings {
            handshake_timeout: timeout(said, |raw| &raw.timeouts.handshake, 10),
            strict_sni: one(said, |raw| &raw.strict_sni, false),
            key_log: one(said, |raw| &raw.key_log, false),
        },
        client_auth,
        proxy: proxy::Settings {
            listeners: addresses.listeners,
            acme: acme(said, &backends),
            takeover,
            routes: routes(said, &backends, body_bytes),
            trusted_proxies: PeerRange::peers(said.many(|raw| &raw.trusted_proxies).unwrap_or_default()),
            default_host: said.one(|raw| &raw.default_host).map(|given| given.value),
            backends,
            timeouts,
            limits: limits(said, machine),
            access_log,
        },
        reload: reload(said),
        admin: addresses.admin,
        log: log::settings(said),
        access_file,
        workers: number(said, |raw| &raw.workers, machine.cores, MOST_WORKERS),
        drain: Drain {
            delay: duration(said, |raw| &raw.drain.delay, Duration::ZERO, Duration::ZERO),
            grace: duration(said, |raw| &raw.drain.grace, Duration::from_secs(30), Duration::ZERO),
        },
        hardening: hardening(said),
        files: said.files(),
        said: in_words,
    };
    done(layers, config)
}

fn hardening(said: &mut Layers) -> Hardening {
    let user = said.one(|raw| &raw.user);
    let group = said.one(|raw| &raw.group);
    if let (None, Some(group)) = (&user, &group) {
        let problem = Problem::new("a group without a user").hint("give user with it");
        said.faults.push(problem.at(group.place.clone()));
    }
    Hardening {
        account: user.map(|user| Account {
            user: user.value.0.into(),
            group: group.map(|group| group.value.0.into()),
        }),
        sandbox: one(said, |raw| &raw.sandbox, true),
        core_dumps: one(said, |raw| &raw.core_dumps, false),
    }
}

/// Resolves what there is to know of the admin listener, and nothing else: what is wrong elsewhere is for `serve` and
/// `check` to say.
pub(super) fn admin(mut layers: Layers) -> Result<crate::admin::Settings, Error> {
    layers.faults.clear();
    let (admin, _) = admin::admin(&mut layers);
    done(layers, admin)
}

fn done<T>(mut layers: Layers, resolved: T) -> Result<T, Error> {
    if layers.faults.is_empty() {
        return Ok(resolved);
    }
    layers.faults.sort_by(|one, other| one.place.cmp(&other.place));
    Err(Error::Faults(layers.faults))
}

fn certs(said: &mut Layers, client_auth: &[reload::ClientAuthSettings]) -> certs::Settings {
    let intermediates = said.many(|raw| &raw.intermediates).unwrap_or_default();
    let (directories, directory_password_file) = directories(said);
    certs::Settings {
        bundles: bundles(said),
        directories,
        directory_password_file,
        intermediates: intermediates.into_iter().map(Given::path).collect(),
        roots: roots(said),
        disallowed: many(said, |raw| &raw.disallow),
        client_trust: client_trust(client_auth),
        tickets: tickets(said),
    }
}

/// What replicas make the keys of session tickets of.
fn tickets(said: &mut Layers) -> Option<certs::TicketSettings> {
    let keys = said.one(|raw| &raw.ticket_keys);
    let secret = said.one(|raw| &raw.ticket_secret_file);
    if let (Some(_), Some(secret)) = (&keys, &secret) {
        let problem = Problem::new("keys of session tickets are either read or derived, not both");
        let problem = problem.hint("leave out ticket_keys or ticket_secret_file");
        said.faults.push(problem.at(secret.place.clone()));
    }
    let keys = keys.map(|given| certs::TicketSettings::Keys(given.path()));
    keys.or_else(|| secret.map(|given| certs::TicketSettings::Secret(given.path())))
}

/// What is read for the policies that ask for certificates, each once.
fn client_trust(client_auth: &[reload::ClientAuthSettings]) -> Vec<certs::ClientTrustSettings> {
    let mut once = Vec::new();
    for policy in client_auth
        .iter()
        .filter(|policy| policy.mode != tls::ClientAuthMode::Off)
    {
        if !once.contains(&policy.trust) {
            once.push(policy.trust.clone());
        }
    }
    once
}

/// The certificate directories and the password of their files.
fn directories(said: &mut Layers) -> (Vec<PathBuf>, Option<PathBuf>) {
    let directories = said.many(|raw| &raw.certificate_directory).unwrap_or_default();
    let password_file = said.one(|raw| &raw.certificate_directory_password_file);
    if let Some(password_file) = password_file.as_ref().filter(|_| directories.is_empty()) {
        let problem = Problem::new("a password without a certificate_directory").hint("give the directory with it");
        said.faults.push(problem.at(password_file.place.clone()));
    }
    (
        directories.into_iter().map(Given::path).collect(),
        password_file.map(Given::path),
    )
}

fn roots(said: &mut Layers) -> Roots {
    let Some(given) = said.many(|raw| &raw.roots) else {
        return Roots::default();
    };
    let word = given.iter().find(|root| !matches!(root.value, Root::File(_)));
    match word {
        Some(word) if given.len() > 1 => {
            let problem = Problem::new("\"system\" and \"none\" stand alone")
                .hint("to trust files besides the system's roots, name the system's bundle as a file too");
            said.faults.push(problem.at(word.place.clone()));
            Roots::default()
        }
        Some(word) if word.value == Root::System => Roots::System,
        Some(_) => Roots::None,
        None if given.is_empty() => Roots::None,
        None => Roots::Files(given.into_iter().filter_map(Given::file).collect()),
    }
}

fn fetch(said: &mut Layers, environment: &Environment) -> fetch::Settings {
    let auto = environment.cache_directory();
    fetch::Settings {
        aia: one(said, |raw| &raw.aia, Aia::Off),
        ocsp: one(said, |raw| &raw.ocsp, Ocsp::Staple),
        allow_private: one(said, |raw| &raw.aia_allow_private, false),
        cache_directory: match said.one(|raw| &raw.cache_dir) {
            Some(given) => given.directory(auto),
            None => auto,
        },
    }
}

fn timeouts(said: &mut Layers) -> Timeouts {
    Timeouts {
        header: timeout(said, |raw| &raw.timeouts.header, 10),
        idle: timeout(said, |raw| &raw.timeouts.idle, 60),
    }
}

fn timeout(said: &mut Layers, pick: fn(&Raw) -> &Setting<Duration>, seconds: u64) -> Duration {
    duration(said, pick, Duration::from_secs(seconds), SHORTEST_TIMEOUT)
}

fn limits(said: &mut Layers, machine: Machine) -> Limits {
    let header_bytes = said.one(|raw| &raw.limits.header_bytes);
    let header_fields = said.one(|raw| &raw.limits.header_fields);
    if let Some(Given {
        value: ByteSize(bytes),
        place,
        ..
    }) = &header_bytes
        && !HEADER_BYTES.contains(bytes)
    {
        let (least, most) = (
            ByteSize(*HEADER_BYTES.start()).text(),
            ByteSize(*HEADER_BYTES.end()).text(),
        );
        said.faults
            .push(Problem::new(format!("is not within {least} and {most}")).at(place.clone()));
    }
    if let Some(Given {
        value: fields, place, ..
    }) = &header_fields
        && !HEADER_FIELDS.contains(fields)
    {
        let (least, most) = (HEADER_FIELDS.start(), HEADER_FIELDS.end());
        said.faults
            .push(Problem::new(format!("is not within {least} and {most}")).at(place.clone()));
    }
    Limits {
        // Kerberos tickets of users in many groups take 64 KiB and more.
        header_bytes: header_bytes.map_or(128 << 10, |given| given.value.0),
        header_fields: header_fields.map_or(200, |given| given.value),
        connections: number(
            said,
            |raw| &raw.limits.connections,
            machine.connections(),
            MOST_CONNECTIONS,
        )
        .get(),
        clients: client_limits(said),
    }
}

fn reload(said: &mut Layers) -> reload::Settings {
    reload::Settings {
        strict: one(said, |raw| &raw.strict, false),
        policy: one(said, |raw| &raw.policy, Policy::Short),
        send_intermediate_anchor: one(said, |raw| &raw.send_intermediate_anchor, true),
        watch: one(said, |raw| &raw.reload.watch, true),
        poll_interval: duration(
            said,
            |raw| &raw.reload.poll_interval,
            Duration::from_secs(30),
            SHORTEST_POLL_INTERVAL,
        ),
        debounce: duration(
            said,
            |raw| &raw.reload.debounce,
            Duration::from_millis(500),
            Duration::ZERO,
        ),
        allow_worse: one(said, |raw| &raw.reload.allow_worse, false),
    }
}

fn one<T: Clone>(said: &mut Layers, pick: impl Fn(&Raw) -> &Setting<T>, default: T) -> T {
    said.one(pick).map_or(default, |given| given.value)
}

fn many<T: Clone>(said: &mut Layers, pick: impl Fn(&Raw) -> &List<T>) -> Vec<T> {
    said.many(pick)
        .unwrap_or_default()
        .into_iter()
        .map(|given| given.value)
        .collect()
}

/// A duration of at least `least`.
fn duration(
    said: &mut Layers,
    pick: impl Fn(&Raw) -> &Setting<Duration>,
    default: Duration,
    least: Duration,
) -> Duration {
    let Some(given) = said.one(pick) else { return default };
    if given.value < least {
        said.faults
            .push(Problem::new(format!("must be at least {}", duration_text(least))).at(given.place));
    }
    given.value
}

/// A number of at most `most`; `suitable` where the machine decides.
fn number(
    said: &mut Layers,
    pick: impl Fn(&Raw) -> &Setting<Automatic>,
    suitable: NonZeroUsize,
    most: usize,
) -> NonZeroUsize {
    let Some(given) = said.one(pick) else { return suitable };
    let number = given.value.or(suitable);
    if number.get() > most {
        said.faults
            .push(Problem::new(format!("must be at most {most}")).at(given.place));
    }
    number
}
