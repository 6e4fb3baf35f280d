//! The config file, the environment and the flags: what is taken and what is said about mistakes.

mod certificates;
mod choice;
mod client_limits;
mod delivery;
mod faults;
mod fields;
mod listeners;
mod log_and_cache;
mod precedence;
mod routes;
mod servers;
mod shipped;

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use fullchain::config::{self, Config, Environment, Flags, Machine, keys};
use tempfile::TempDir;

const MACHINE: Machine = Machine {
    cores: NonZeroUsize::new(8).unwrap(),
    open_files: 1_000,
};

/// The least that can be served.
const LEAST: &str = "upstream = \"http://backend\"\n[[certificate]]\ncert = \"tls.crt\"\nkey = \"tls.key\"\n";

/// Flags; several values separated by blanks.
fn flags(file: Option<PathBuf>, given: &[(&str, &str)]) -> Flags {
    let mut flags = Flags::new(file);
    for (name, values) in given {
        let key = keys().iter().find(|key| key.flag == *name).unwrap();
        flags.set(key, values.split_whitespace().map(str::to_owned).collect());
    }
    flags
}

fn environment(given: &[(&str, &str)]) -> Environment {
    given.iter().copied().collect()
}

/// Loads `text` as `fullchain.toml` with flags and variables; faults as a user sees them, without the directory.
fn load_with(text: &str, given: &[(&str, &str)], environment: &Environment) -> Result<Config, String> {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("fullchain.toml");
    fs::write(&file, text).unwrap();
    let flags = flags(Some(file), given);
    let prefix = format!("{}/", directory.path().display());
    config::load(&flags, environment, MACHINE).map_err(|error| error.to_string().replace(&prefix, ""))
}

fn load(text: &str) -> Result<Config, String> {
    load_with(text, &[], &Environment::default())
}

fn faults(text: &str) -> String {
    load(text).unwrap_err()
}

fn shipped(name: &str) -> (String, Config) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name);
    let flags = Flags::new(Some(path.clone()));
    let config = config::load(&flags, &Environment::default(), MACHINE).unwrap_or_else(|error| panic!("{error}"));
    (fs::read_to_string(path).unwrap(), config)
}
