//! What the environment says, as plain text.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// The environment variables of a process, as far as they are fullchain's or say where files are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

/// What the names of fullchain's variables start with.
pub(super) const PREFIX: &str = "FULLCHAIN_";

/// Set by systemd where the unit has `CacheDirectory=`; several directories are separated by colons
/// (systemd.exec(5)).
const CACHE_DIRECTORY: &str = "CACHE_DIRECTORY";
/// Set by systemd where the unit has `LoadCredential=` or its like (systemd.exec(5)).
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";
/// From the XDG Base Directory Specification: where a user's caches are, `.cache` in the home directory by default.
const XDG_CACHE_HOME: &str = "XDG_CACHE_HOME";
const HOME: &str = "HOME";

impl Environment {
    /// The value of a variable; an empty one counts as absent, since that is what `${UNSET}` leaves behind in a
    /// compose file.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Where this process is meant to keep what it can fetch again. A container without a home directory has no such
    /// place.
    pub(super) fn cache_directory(&self) -> Option<PathBuf> {
        // The specification has relative paths ignored.
        let absolute = |name| Some(PathBuf::from(self.value(name)?)).filter(|path| path.is_absolute());
        let of_unit = || {
            let first = self.value(CACHE_DIRECTORY)?.split(':').next()?;
            Some(PathBuf::from(first)).filter(|path| path.is_absolute())
        };
        of_unit()
            .or_else(|| Some(absolute(XDG_CACHE_HOME)?.join("fullchain")))
            .or_else(|| Some(absolute(HOME)?.join(".cache/fullchain")))
    }

    /// Where the service manager has put credentials, if it has any for this process.
    pub(super) fn credentials_directory(&self) -> Option<PathBuf> {
        self.value(CREDENTIALS_DIRECTORY).map(PathBuf::from)
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
    /// Keeps the variables whose name starts with `FULLCHAIN_` and those that say where caches and credentials are; what is not UTF-8
    /// in a value is replaced.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        let is_kept = |name: &String| {
            const KEPT: [&str; 4] = [CACHE_DIRECTORY, CREDENTIALS_DIRECTORY, XDG_CACHE_HOME, HOME];
            name.starts_with(PREFIX) || KEPT.contains(&name.as_str())
        };
        let ours = variables.into_iter().filter_map(|(name, value)| {
            let name = name.into().into_string().ok().filter(is_kept)?;
            Some((name, value.into().to_string_lossy().into_owned()))
        });
        Self(ours.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(variables: &[(&str, &str)]) -> Option<PathBuf> {
        variables.iter().copied().collect::<Environment>().cache_directory()
    }

    #[test]
    fn the_unit_goes_before_the_user_and_the_user_before_the_home_directory() {
        let home = ("HOME", "/home/a");
        let cache = ("XDG_CACHE_HOME", "/cache");
        let unit = ("CACHE_DIRECTORY", "/var/cache/fullchain:/var/cache/other");
        assert_eq!(directory(&[home, cache, unit]), Some("/var/cache/fullchain".into()));
        assert_eq!(directory(&[home, cache]), Some("/cache/fullchain".into()));
        assert_eq!(directory(&[home]), Some("/home/a/.cache/fullchain".into()));
        assert_eq!(directory(&[home, ("XDG_CACHE_HOME", "relative")]), directory(&[home]));
        assert_eq!(directory(&[("HOME", "")]), None);
        assert_eq!(directory(&[]), None);
    }
}
