//! The values that keys about the delivery of bodies can have.

use std::path::PathBuf;

use schemars::{Schema, json_schema};

use super::error::Problem;
use super::layer::Given;
use super::value::Value;
use crate::proxy::{Buffering, Expect};

impl Value for Buffering {
    const NAME: &'static str = "auto|on|off";
    const EXPECTED: &'static str = "\"auto\", \"on\" or \"off\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "auto" => Ok(Self::Auto),
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            _ => Err(Self::mismatch(text)),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "enum": ["auto", "on", "off"] })
    }
}

impl Value for Expect {
    const NAME: &'static str = "answer|forward";
    const EXPECTED: &'static str = "\"answer\" or \"forward\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "answer" => Ok(Self::Answer),
            "forward" => Ok(Self::Forward),
            _ => Err(Self::mismatch(text)),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "enum": ["answer", "forward"] })
    }
}

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
    fn every_word_of_a_choice_is_read_and_no_other() {
        assert_eq!(Buffering::parse("on"), Ok(Buffering::On));
        assert!(Buffering::parse("yes").is_err());
        assert_eq!(Expect::parse("forward"), Ok(Expect::Forward));
        assert!(Expect::parse("off").is_err());
        assert!(SpoolDirectory::parse("").is_err() && SpoolDirectory::parse("/var/tmp").is_ok());
    }
}
