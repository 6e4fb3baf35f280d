//! The values that keys about the delivery of bodies can have.

use std::path::PathBuf;

use schemars::{Schema, json_schema};

use super::error::Problem;
use super::layer::Given;
use super::value::Value;
use super::words::words;
use crate::proxy::{Buffering, Expect};

words!(Buffering: "auto" => Self::Auto, "on" => Self::On; "off" => Self::Off);

words!(Expect: "answer" => Self::Answer; "forward" => Self::Forward);

/// A directory for files that live as long as a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SpoolDirectory(PathBuf);

impl Value for SpoolDirectory {
    const NAME: &'static str = "PATH";
    const EXPECTED: &'static str = "the path of a directory, such as \"/var/tmp\"";

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

impl Given<SpoolDirectory> {
    /// The path: see [`Given::path`].
    pub(super) fn spool_directory(self) -> PathBuf {
        self.map(|SpoolDirectory(path)| path).path()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spool_directory_has_a_name() {
        assert!(SpoolDirectory::parse("").is_err() && SpoolDirectory::parse("/var/tmp").is_ok());
    }
}
