//! File + environment + flags -> every room's Settings, or every error at once.
//!
//! A key goes down one way: its entry in `raw` (type, manual, default for the manual), its place in `resolve`
//! (default, range, cross-checks), the room's `Settings`. Its flag and its environment variable follow from its name
//! (`keys`), so to add a knob, touch `raw`, `resolve`, the room's `Settings` and `config/fullchain.toml`; tests hold
//! them together.

mod access_log;
mod addresses;
mod balancing;
mod base;
mod choices;
mod cookies;
mod delivery;
mod environment;
mod error;
mod fields;
mod flags;
mod keys;
mod layer;
mod listening;
mod machine;
mod networks;
mod precedence;
mod raw;
mod resolve;
mod rewriting;
mod said;
mod setting;
mod sieve;
mod tables;
mod units;
mod value;
mod words;
mod written;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::{admin, certs, fetch, proxy, reload, telemetry, tls};

pub use environment::Environment;
pub use error::{Error, Fault, Place, Problem};
pub use flags::Flags;
pub use keys::{Key, Kind, keys, schema};
pub use machine::Machine;
pub use said::Said;
pub use units::{parse_duration, parse_time_ahead};

use precedence::Layers;

/// Everything the operator says, resolved: each room takes its part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Certificate files, the store, the anchors.
    pub certs: certs::Settings,
    /// What is fetched from outside.
    pub fetch: fetch::Settings,
    /// The TLS handshake.
    pub tls: tls::Settings,
    /// How clients are authenticated.
    pub client_auth: Vec<reload::ClientAuthSettings>,
    /// Listeners, requests and servers.
    pub proxy: proxy::Settings,
    /// Renewal.
    pub reload: reload::Settings,
    /// The admin listener.
    pub admin: admin::Settings,
    /// Logs.
    pub log: telemetry::log::Settings,
    /// Where the file of the access log is named, for the message that it cannot be opened.
    pub access_file: Option<Place>,
    /// How many threads handle connections.
    pub workers: NonZeroUsize,
    /// How the process ends.
    pub drain: Drain,
    /// What the process may do.
    pub hardening: Hardening,
    /// The files that the configuration itself was read from.
    pub files: Vec<PathBuf>,
    /// All of that in the words of the config file.
    pub said: Arc<Said>,
}

/// What the process may do once it serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hardening {
    /// Who it becomes where it is started as root.
    pub account: Option<Account>,
    /// Whether files that are not configured are out of reach.
    pub sandbox: bool,
    /// Whether its memory may be written to disk.
    pub core_dumps: bool,
}

/// A user of the machine, by name or number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub user: String,
    /// The group; the user's own where there is none.
    pub group: Option<String>,
}

/// How long the process goes on after it was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// From `/readyz` failing to the listeners closing: load balancers need time to notice.
    pub delay: Duration,
    /// From the listeners closing to connections being cut.
    pub grace: Duration,
}

/// Reads the config file that `flags` and `environment` lead to and resolves everything said in the three places; a
/// flag goes before a variable, a variable before the file, the file before the default.
///
/// # Errors
///
/// [`Error`]: nothing was said at all, the file cannot be read, or every fault found in the three places.
pub fn load(flags: &Flags, environment: &Environment, machine: Machine) -> Result<Config, Error> {
    let layers = Layers::read(flags, environment)?;
    if layers.are_silent() {
        return Err(Error::NothingSaid);
    }
    resolve::config(layers, environment, machine)
}

/// Like [`load`], but resolves only what there is to know of the admin listener: the rest may be absent.
///
/// # Errors
///
/// [`Error`]: the file cannot be read, or the faults of its syntax and of what concerns the admin listener.
pub fn load_admin(flags: &Flags, environment: &Environment) -> Result<admin::Settings, Error> {
    resolve::admin(Layers::read(flags, environment)?)
}
