//! What of the file system the process may reach once everything is open (Landlock): what it was configured with, and what
//! name resolution and the roots of the system take. Whoever finds a way to have it open files finds no others.
//!
//! The network stays as it is. Servers may come with a reload at any port, and so may addresses of issuers and OCSP
//! responders, which stand in certificates.

use std::collections::BTreeSet;
use std::env;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, path_beneath_rules,
};

use crate::certs::{Roots, TicketSettings};
use crate::config::Config;
use crate::proxy::settings::{Acme, ListenAddress};

use crate::tls::Trust;

/// The last version with rights of files that matter here (Linux 6.10); kernels that know less do what they can.
const VERSION: ABI = ABI::V5;

/// Where the C library and the roots of the system are: name resolution reads its files anew, and loads modules. They are
/// replaced by renaming, so that only their directories stay the same.
const SYSTEM: &[&str] = &[
    "/dev/null",
    "/dev/random",
    "/dev/urandom",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/run/NetworkManager",
    "/run/resolvconf",
    "/run/systemd/resolve",
    "/sys",
    "/usr",
    "/var/lib/ca-certificates",
];

/// What can be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sandbox {
    readable: BTreeSet<PathBuf>,
    writable: BTreeSet<PathBuf>,
}

impl Sandbox {
    /// What `config` takes. `followed` are directories that its certificates were found in, whatever links led there.
    pub(super) fn of(config: &Config, followed: impl IntoIterator<Item = PathBuf>) -> Self {
        let readable = read(config);
        let readable = readable.iter().flat_map(|path| directories(path)).chain(followed);
        let system = SYSTEM.iter().map(PathBuf::from);
        // It would be made when there is something to keep, in a directory that is out of reach by then. Where that fails,
        // nothing is kept, and said.
        if let Some(cache) = &config.fetch.cache_directory {
            let _ = DirBuilder::new().recursive(true).mode(0o700).create(cache);
        }
        let writable = written(config);
        Self {
            readable: existing(readable.chain(system)),
            writable: existing(writable),
        }
    }

    /// Confines this thread and those that it starts from now on, for good.
    ///
    /// # Errors
    ///
    /// What the kernel says; one that knows no Landlock is only told of.
    pub(super) fn enter(&self) -> Result<(), RulesetError> {
        // Programs may be started: the next version of this one is.
        let all = AccessFs::from_all(VERSION) & !BitFlags::from(AccessFs::Execute);
        let reading = AccessFs::from_read(VERSION) & !BitFlags::from(AccessFs::Execute);
        let status = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(all)?
            .create()?
            .add_rules(path_beneath_rules(&self.readable, reading))?
            .add_rules(path_beneath_rules(&self.writable, all))?
            .restrict_self()?;
        match status.ruleset {
            RulesetStatus::NotEnforced => tracing::warn!("no sandbox: this kernel has no Landlock"),
            RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => tracing::info!(
                read = list(&self.readable),
                write = list(&self.writable),
                "files elsewhere are out of reach from now on (`sandbox`)"
            ),
        }
        Ok(())
    }

    /// What `config` names and is out of reach.
    pub(super) fn lacks(&self, config: &Config) -> Vec<PathBuf> {
        let is_within = |allowed: &BTreeSet<PathBuf>, path: &Path| {
            let path = nearest(path);
            path.ancestors().any(|ancestor| allowed.contains(ancestor))
        };
        let mut lacking: Vec<PathBuf> = read(config);
        lacking.retain(|path| !is_within(&self.readable, path) && !is_within(&self.writable, path));
        lacking.extend(
            written(config)
                .into_iter()
                .filter(|path| !is_within(&self.writable, path)),
        );
        lacking
    }
}

/// Every path that is read, now or by a reload.
fn read(config: &Config) -> Vec<PathBuf> {
    let certs = &config.certs;
    let mut paths = config.files.clone();
    for bundle in &certs.bundles {
        paths.push(bundle.certificate.clone());
        paths.extend(
            [&bundle.key, &bundle.password_file, &bundle.staple]
                .into_iter()
                .flatten()
                .cloned(),
        );
    }
    paths.extend(certs.directories.iter().chain(&certs.directory_password_file).cloned());
    paths.extend(certs.intermediates.iter().cloned());
    paths.extend(files(&certs.roots));
    paths.extend(certs.tickets.as_ref().map(TicketSettings::path).cloned());
    for trust in &certs.client_trust {
        paths.extend(trust.authorities.iter().chain(&trust.revocation_lists).cloned());
    }
    for tls in config.proxy.backends.iter().map(|backend| &backend.protocol.tls) {
        if let Trust::Roots(roots) = &tls.trust {
            paths.extend(files(roots));
        }
        if let Some(identity) = &tls.identity {
            paths.push(identity.certificate.clone());
            paths.extend([&identity.key, &identity.password_file].into_iter().flatten().cloned());
        }
    }
    if let Acme::Directory(directory) = &config.proxy.acme {
        paths.push(directory.to_path_buf());
    }
    // A successor is this program, by the name that it was started with, or as it is by now.
    paths.extend(
        env::args_os()
            .next()
            .map(PathBuf::from)
            .filter(|name| name.components().count() > 1),
    );
    paths.extend(env::current_exe());
    // Where the roots of the system are said to be elsewhere.
    paths.extend(
        ["SSL_CERT_FILE", "SSL_CERT_DIR"]
            .iter()
            .filter_map(env::var_os)
            .map(PathBuf::from),
    );
    paths
}

fn files(roots: &Roots) -> Vec<PathBuf> {
    match roots {
        Roots::Files(paths) => paths.clone(),
        Roots::None | Roots::System => Vec::new(),
    }
}

/// The directories in which files are written, made and removed.
fn written(config: &Config) -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = Vec::new();
    let parent = |path: &Path| path.parent().map(|parent| Path::new("./").join(parent));
    if let Some(cache) = &config.fetch.cache_directory {
        directories.push(cache.clone());
    }
    directories.extend(config.proxy.access_log.file.as_deref().and_then(parent));
    for listener in &config.proxy.listeners {
        if let ListenAddress::Unix(path) = &listener.address {
            directories.extend(parent(path));
        }
    }
    if config.tls.key_log {
        directories.extend(env::var_os("SSLKEYLOGFILE").as_deref().map(Path::new).and_then(parent));
    }
    let spools = config
        .proxy
        .backends
        .iter()
        .map(|backend| &backend.delivery.spool.directory);
    directories.extend(spools.map(|spool| spool.clone().unwrap_or_else(env::temp_dir)));
    directories
}

/// `path` where it is a directory, else the one that it is in: files are renewed by renaming.
fn directories(path: &Path) -> Vec<PathBuf> {
    let parent = path.parent().map(|parent| Path::new("./").join(parent));
    match path.is_dir() {
        true => vec![path.to_owned()],
        false => parent.into_iter().collect(),
    }
}

/// Those that are there, without links; for one that is not there yet, the directory that it will come into being in.
fn existing(paths: impl IntoIterator<Item = PathBuf>) -> BTreeSet<PathBuf> {
    let there = paths.into_iter().filter(|path| path.exists());
    there.map(|path| path.canonicalize().unwrap_or(path)).collect()
}

/// `path` without links, or as much of it as there is.
fn nearest(path: &Path) -> PathBuf {
    let from_here = Path::new("./").join(path);
    let there = from_here.ancestors().find_map(|ancestor| ancestor.canonicalize().ok());
    there.unwrap_or(from_here)
}

fn list(paths: &BTreeSet<PathBuf>) -> String {
    let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    paths.join(", ")
}
