//! What the command line and the environment say, as plain text.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::keys::Key;

/// What the command line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    pub(super) file: Option<PathBuf>,
    values: BTreeMap<&'static str, Vec<String>>,
}

impl Flags {
    /// No flag yet but `-c`, if that was given.
    pub fn new(file: Option<PathBuf>) -> Self {
        Self {
            file,
            ..Self::default()
        }
    }

    /// Notes that the flag of `key` was given, with these values; one for each time it was given.
    pub fn set(&mut self, key: &'static Key, values: Vec<String>) {
        self.values.insert(&key.flag, values);
    }

    /// The values the flag of `key` was given, if it was.
    pub(super) fn values(&self, key: &Key) -> Option<&[String]> {
        self.values.get(key.flag.as_str()).map(Vec::as_slice)
    }
}

/// The environment variables of a process, as far as they are fullchain's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

/// What the names of fullchain's variables start with.
pub(super) const PREFIX: &str = "FULLCHAIN_";

impl Environment {
    /// The value of a variable; an empty one counts as absent, since that is what `${UNSET}` leaves behind in a
    /// compose file.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The names of all variables that have a value, without `FULLCHAIN_`, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .filter_map(|(name, _)| name.strip_prefix(PREFIX))
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    /// Keeps the variables whose name starts with `FULLCHAIN_`; what is not UTF-8 in a value is replaced.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        let ours = variables.into_iter().filter_map(|(name, value)| {
            let name = name.into().into_string().ok().filter(|name| name.starts_with(PREFIX))?;
            Some((name, value.into().to_string_lossy().into_owned()))
        });
        Self(ours.collect())
    }
}
