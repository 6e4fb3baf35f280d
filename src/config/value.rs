//! What a single value may be, and how it is read.

use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use schemars::{Schema, json_schema};

use super::error::Problem;

/// A type that a key can have.
///
/// Flags and environment variables are nothing but text, so every type can be read from text; a config file may also
/// hold a number or a truth value where the type has one.
pub(super) trait Value: Sized {
    /// What stands for the value in a manual: `ADDRESS`.
    const NAME: &'static str;
    /// What to write, with an example: the end of the sentence "expected ...".
    const EXPECTED: &'static str;

    /// What stands between several values in an environment variable.
    const SEPARATOR: char = ',';

    /// Reads text.
    fn parse(text: &str) -> Result<Self, Problem>;

    /// Reads a number.
    fn of_number(number: i64) -> Result<Self, Problem> {
        Err(Problem::mismatch(Self::EXPECTED, format_args!("the number {number}")))
    }

    /// Reads a truth value.
    fn of_switch(on: bool) -> Result<Self, Problem> {
        Err(Problem::mismatch(Self::EXPECTED, on))
    }

    /// What an editor is told (JSON Schema).
    fn schema() -> Schema;

    /// `text` is not such a value.
    fn mismatch(text: &str) -> Problem {
        Problem::mismatch(Self::EXPECTED, format_args!("{text:?}"))
    }
}

impl Value for bool {
    const NAME: &'static str = "true|false";
    const EXPECTED: &'static str = "true or false";

    fn parse(text: &str) -> Result<Self, Problem> {
        text.parse().map_err(|_| Self::mismatch(text))
    }

    fn of_switch(on: bool) -> Result<Self, Problem> {
        Ok(on)
    }

    fn schema() -> Schema {
        json_schema!({ "type": "boolean" })
    }
}

impl Value for usize {
    const NAME: &'static str = "NUMBER";
    const EXPECTED: &'static str = "a whole number";

    fn parse(text: &str) -> Result<Self, Problem> {
        text.parse().map_err(|_| Self::mismatch(text))
    }

    fn of_number(number: i64) -> Result<Self, Problem> {
        number.try_into().map_err(|_| Problem::mismatch(Self::EXPECTED, number))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "integer", "minimum": 0 })
    }
}

impl Value for NonZeroU16 {
    const NAME: &'static str = "PORT";
    const EXPECTED: &'static str = "a port from 1 to 65535";

    fn parse(text: &str) -> Result<Self, Problem> {
        text.parse().map_err(|_| Self::mismatch(text))
    }

    fn of_number(number: i64) -> Result<Self, Problem> {
        Self::parse(&number.to_string()).map_err(|_| Problem::mismatch(Self::EXPECTED, number))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": 65535 })
    }
}

/// A number that the machine decides unless the operator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Automatic {
    /// What suits the machine.
    Auto,
    /// This many.
    Exactly(NonZeroUsize),
}

impl Automatic {
    /// The operator's number, or `suitable`.
    pub(super) fn or(self, suitable: NonZeroUsize) -> NonZeroUsize {
        match self {
            Self::Auto => suitable,
            Self::Exactly(number) => number,
        }
    }
}

impl Value for Automatic {
    const NAME: &'static str = "NUMBER|auto";
    const EXPECTED: &'static str = "a number from 1 or \"auto\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            // 0 stands for "as many as suits" in many programs; nothing else could be meant by it here.
            "auto" | "0" => Ok(Self::Auto),
            _ => text.parse().map(Self::Exactly).map_err(|_| Self::mismatch(text)),
        }
    }

    fn of_number(number: i64) -> Result<Self, Problem> {
        Self::parse(&number.to_string()).map_err(|_| Problem::mismatch(Self::EXPECTED, number))
    }

    fn schema() -> Schema {
        json_schema!({ "oneOf": [{ "type": "integer", "minimum": 0 }, { "const": "auto" }] })
    }
}

/// What a table is called, so that another can name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name(pub(super) Box<str>);

impl Value for Name {
    const NAME: &'static str = "NAME";
    const EXPECTED: &'static str = "a name of letters, digits, \"-\", \"_\" and \".\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        match !text.is_empty() && text.bytes().all(plain) {
            true => Ok(Self(text.into())),
            false => Err(Self::mismatch(text)),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9._-]+$" })
    }
}

/// A number that something may reach, or no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ceiling {
    /// No limit.
    Off,
    /// This many.
    At(NonZeroU32),
}

impl Ceiling {
    /// The limit, if there is one.
    pub(super) fn at(self) -> Option<NonZeroU32> {
        match self {
            Self::Off => None,
            Self::At(most) => Some(most),
        }
    }
}

impl Value for Ceiling {
    const NAME: &'static str = "NUMBER|off";
    const EXPECTED: &'static str = "a number from 1 or \"off\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "off" => Ok(Self::Off),
            // Nothing at all, or no limit? Peers differ.
            "0" => Err(Self::mismatch(text).hint("write \"off\" for no limit")),
            _ => text.parse().map(Self::At).map_err(|_| Self::mismatch(text)),
        }
    }

    fn of_number(number: i64) -> Result<Self, Problem> {
        Self::parse(&number.to_string()).map_err(|problem| Problem {
            hint: problem.hint,
            ..Problem::mismatch(Self::EXPECTED, number)
        })
    }

    fn schema() -> Schema {
        json_schema!({ "oneOf": [{ "type": "integer", "minimum": 1 }, { "const": "off" }] })
    }
}

impl Value for NonZeroU32 {
    const NAME: &'static str = "NUMBER";
    const EXPECTED: &'static str = "a number from 1";

    fn parse(text: &str) -> Result<Self, Problem> {
        text.parse().map_err(|_| Self::mismatch(text))
    }

    fn of_number(number: i64) -> Result<Self, Problem> {
        Self::parse(&number.to_string()).map_err(|_| Problem::mismatch(Self::EXPECTED, number))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "integer", "minimum": 1 })
    }
}

impl Value for PathBuf {
    const NAME: &'static str = "PATH";
    const EXPECTED: &'static str = "a path";

    fn parse(text: &str) -> Result<Self, Problem> {
        // No file system has a name with a zero byte in it.
        match text.is_empty() || text.contains('\0') {
            true => Err(Self::mismatch(text)),
            false => Ok(Self::from(text)),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_automatic_or_positive() {
        assert_eq!(Automatic::parse("auto"), Ok(Automatic::Auto));
        assert_eq!(Automatic::of_number(0), Ok(Automatic::Auto));
        assert_eq!(
            Automatic::of_number(4),
            Ok(Automatic::Exactly(NonZeroUsize::new(4).unwrap()))
        );
        for text in ["-1", "many", "", "1.5"] {
            assert!(Automatic::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_ceiling_is_a_number_or_off_and_never_zero() {
        assert_eq!(Ceiling::parse("off").unwrap().at(), None);
        assert_eq!(Ceiling::of_number(7).unwrap().at().map(NonZeroU32::get), Some(7));
        assert_eq!(
            Ceiling::of_number(0).unwrap_err().hint.unwrap(),
            "write \"off\" for no limit"
        );
        for text in ["", "-1", "no", "4294967296"] {
            assert!(Ceiling::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_that_has_to_be_is_never_zero() {
        assert_eq!(NonZeroU32::of_number(1), Ok(NonZeroU32::MIN));
        for number in [0, -1, 4_294_967_296] {
            assert_eq!(
                NonZeroU32::of_number(number).unwrap_err().message,
                format!("expected a number from 1, found {number}")
            );
        }
    }

    #[test]
    fn a_path_has_a_name_that_a_file_system_takes() {
        assert_eq!(PathBuf::parse("a b/ü"), Ok(PathBuf::from("a b/ü")));
        assert_eq!(
            PathBuf::parse("a\0b").unwrap_err().message,
            "expected a path, found \"a\\0b\""
        );
        assert!(PathBuf::parse("").is_err());
    }

    #[test]
    fn only_true_and_false_are_truth_values() {
        assert_eq!(bool::parse("true"), Ok(true));
        assert_eq!(
            bool::parse("yes").unwrap_err().message,
            "expected true or false, found \"yes\""
        );
        assert_eq!(
            bool::of_number(1).unwrap_err().message,
            "expected true or false, found the number 1"
        );
    }
}
