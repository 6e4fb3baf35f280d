//! What the command line says, as plain text.

use std::collections::BTreeMap;
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
