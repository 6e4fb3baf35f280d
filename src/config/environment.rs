//! What the environment says, as plain text.

use std::collections::BTreeMap;
use std::ffi::OsString;

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
