//! The values that keys of the access log can have.

use std::path::PathBuf;

use schemars::{Schema, json_schema};

use super::error::Problem;
use super::layer::Given;
use super::value::Value;
use super::words::words;
use crate::proxy::AccessFormat;

words!(AccessFormat: "auto" => Self::Auto, "json" => Self::Json, "combined" => Self::Combined; "w3c" => Self::W3c);

/// A file that lines are appended to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogPath(PathBuf);

impl Value for LogPath {
    const NAME: &'static str = "PATH";
    const EXPECTED: &'static str = "the path of a file, such as \"/var/log/fullchain/access.log\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        // No file system has a name with a zero byte in it.
        match text.is_empty() || text.contains('\0') {
            true => Err(Self::mismatch(text)),
            false => Ok(Self(PathBuf::from(text))),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

impl Given<LogPath> {
    /// The path: see [`Given::path`].
    pub(super) fn log_file(self) -> PathBuf {
        self.map(|LogPath(path)| path).path()
    }
}

/// The name of a query's parameter, or `*` for all of the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parameter(String);

impl Parameter {
    /// As it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for Parameter {
    const NAME: &'static str = "NAME";
    const EXPECTED: &'static str = "the name of a parameter, such as \"token\", or \"*\" for the whole query";

    fn parse(text: &str) -> Result<Self, Problem> {
        let ends_a_name =
            |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '&' | ';' | '=' | '#' | '%');
        match text.is_empty() || text.contains(ends_a_name) || (text.contains('*') && text != "*") {
            true => Err(Self::mismatch(text)),
            false => Ok(Self(text.to_owned())),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "pattern": "^(\\*|[^\\s?&;=#%*]+)$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_a_name_or_all_of_them() {
        for name in ["token", "X-Amz-Signature", "*", "größe", "a[b]"] {
            assert_eq!(Parameter::parse(name).unwrap().as_str(), name);
        }
        for name in ["", "a b", "token=", "a&b", "tok*", "%74oken", "\n"] {
            assert!(Parameter::parse(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_log_file_has_a_name() {
        assert!(LogPath::parse("access.log").is_ok());
        assert!(LogPath::parse("").is_err() && LogPath::parse("a\0b").is_err());
    }
}
