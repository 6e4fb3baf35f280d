//! The values that keys of the access log can have.

use schemars::{Schema, json_schema};

use super::error::Problem;
use super::value::Value;
use super::words::words;
use crate::proxy::AccessFormat;

words!(AccessFormat: "auto" => Self::Auto, "json" => Self::Json, "combined" => Self::Combined; "w3c" => Self::W3c);

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
}
