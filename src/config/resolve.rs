//! What was said -> what each room is told: defaults, ranges and cross-checks, every fault noted.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::addresses::AdminAddress;
use super::bundles::bundles;
use super::choices::Root;
use super::environment::Environment;
use super::error::{Error, Place, Problem};
use super::layer::Given;
use super::machine::Machine;
use super::precedence::Layers;
use super::raw::Raw;
use super::setting::{List, Setting};
use super::units::{ByteSize, duration_text};
use super::value::Automatic;
use super::{Config, Drain};
use crate::certs::{self, Roots};
use crate::chain::Policy;
use crate::fetch::{self, Aia, Ocsp};
use crate::proxy::UpstreamAddress;
use crate::telemetry::log;
use crate::{admin, proxy, reload, tls};

/// Any address of this machine, on a port that needs no privilege.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8443);
/// For this machine alone: it answers without asking who is there.
const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9180);

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
    let said = &mut layers;
    let certs = certs(said);
    let addresses = addresses(said);
    let config = Config {
        certs,
        fetch: fetch(said, environment),
        tls: tls::Settings {
            handshake_timeout: timeout(said, |raw| &raw.timeouts.handshake, 10),
            strict_sni: one(said, |raw| &raw.strict_sni, false),
        },
        proxy: proxy::Settings {
            listen: addresses.listen,
            redirect_from: addresses.redirect_from,
            redirect_port: said
                .one(|raw| &raw.redirect_port)
                .map_or(443, |given| given.value.get()),
            takeover: one(said, |raw| &raw.takeover, false),
            upstreams: upstreams(said),
            timeouts: timeouts(said),
            limits: limits(said, machine),
            access_log: one(said, |raw| &raw.log.access, true),
        },
        reload: reload(said),
        admin: addresses.admin,
        log: log::Settings {
            format: one(said, |raw| &raw.log.format, log::Format::Auto),
            level: one(said, |raw| &raw.log.level, log::Filter::default()),
        },
        workers: number(said, |raw| &raw.workers, machine.cores, MOST_WORKERS),
        drain: Drain {
            delay: duration(said, |raw| &raw.drain.delay, Duration::ZERO, Duration::ZERO),
            grace: duration(said, |raw| &raw.drain.grace, Duration::from_secs(30), Duration::ZERO),
        },
    };
    done(layers, config)
}

/// Resolves where the admin listener is, and nothing else: what is wrong elsewhere is for `serve` and `check` to say.
pub(super) fn admin(mut layers: Layers) -> Result<admin::Settings, Error> {
    layers.faults.clear();
    let (admin, _) = admin_address(&mut layers);
    done(layers, admin)
}

fn done<T>(mut layers: Layers, resolved: T) -> Result<T, Error> {
    if layers.faults.is_empty() {
        return Ok(resolved);
    }
    layers.faults.sort_by(|one, other| one.place.cmp(&other.place));
    Err(Error::Faults(layers.faults))
}

fn certs(said: &mut Layers) -> certs::Settings {
    let intermediates = said.many(|raw| &raw.intermediates).unwrap_or_default();
    let (directories, directory_password_file) = directories(said);
    certs::Settings {
        bundles: bundles(said),
        directories,
        directory_password_file,
        intermediates: intermediates.into_iter().map(Given::path).collect(),
        roots: roots(said),
        disallowed: many(said, |raw| &raw.disallow),
    }
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

/// Every address this process binds.
struct Addresses {
    listen: Vec<SocketAddr>,
    redirect_from: Vec<SocketAddr>,
    admin: admin::Settings,
}

fn addresses(said: &mut Layers) -> Addresses {
    let default = || vec![(LISTEN, Place::Missing("listen"))];
    let placed = |given: Vec<Given<SocketAddr>>| given.into_iter().map(|given| (given.value, given.place)).collect();
    let faults = said.faults.len();
    let listen = said.many(|raw| &raw.listen).map_or_else(default, placed);
    if listen.is_empty() && said.faults.len() == faults {
        let problem = Problem::new("the list is empty").hint("give at least one address, such as \"0.0.0.0:8443\"");
        said.faults.push(problem.at(Place::Missing("listen")));
    }
    let redirect_from = said.many(|raw| &raw.redirect_from).map(placed).unwrap_or_default();
    let (admin, admin_place) = admin_address(said);

    let mut taken: Vec<&(SocketAddr, Place)> = Vec::new();
    for bound in listen.iter().chain(&redirect_from).chain(&admin_place) {
        let (address, place) = bound;
        // Port 0 is a port of the system's choice, another one each time.
        match taken.iter().find(|(other, _)| other == address && address.port() != 0) {
            Some((_, first)) => {
                said.faults
                    .push(Problem::new(format!("{address} is taken already, by {first}")).at(place.clone()));
            }
            None => taken.push(bound),
        }
    }
    let bare = |placed: Vec<(SocketAddr, Place)>| placed.into_iter().map(|(address, _)| address).collect();
    Addresses {
        listen: bare(listen),
        redirect_from: bare(redirect_from),
        admin,
    }
}

/// The admin listener, and its address with its place if it has one.
fn admin_address(said: &mut Layers) -> (admin::Settings, Option<(SocketAddr, Place)>) {
    match said.one(|raw| &raw.admin) {
        Some(Given {
            value: AdminAddress::At(address),
            place,
            ..
        }) => (admin::Settings::Asked(address), Some((address, place))),
        Some(Given {
            value: AdminAddress::Off,
            ..
        }) => (admin::Settings::Off, None),
        None => (admin::Settings::Default(ADMIN), Some((ADMIN, Place::Missing("admin")))),
    }
}

fn upstreams(said: &mut Layers) -> Vec<UpstreamAddress> {
    let faults = said.faults.len();
    let upstreams = many(said, |raw| &raw.upstream);
    if upstreams.is_empty() && said.faults.len() == faults {
        let problem = Problem::new("no upstream is given")
            .hint("say where requests go: upstream = \"http://127.0.0.1:8080\", --upstream or FULLCHAIN_UPSTREAM");
        said.faults.push(problem.at(Place::Missing("upstream")));
    }
    upstreams
}

fn timeouts(said: &mut Layers) -> proxy::Timeouts {
    proxy::Timeouts {
        header: timeout(said, |raw| &raw.timeouts.header, 10),
        idle: timeout(said, |raw| &raw.timeouts.idle, 60),
        connect: timeout(said, |raw| &raw.timeouts.connect, 3),
        first_byte: timeout(said, |raw| &raw.timeouts.first_byte, 60),
        upstream_idle: timeout(said, |raw| &raw.timeouts.upstream_idle, 4),
    }
}

fn timeout(said: &mut Layers, pick: fn(&Raw) -> &Setting<Duration>, seconds: u64) -> Duration {
    duration(said, pick, Duration::from_secs(seconds), SHORTEST_TIMEOUT)
}

fn limits(said: &mut Layers, machine: Machine) -> proxy::Limits {
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
    proxy::Limits {
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
