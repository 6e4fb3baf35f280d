//! What one key of one layer says: nothing, a value or something that is none, and where.
//!
//! Deserializing never fails on a value of the wrong kind: the problem is kept beside the span, so that all of them
//! are told at once and not just the first.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use toml::Spanned;

use super::error::Problem;
use super::value::Value;

/// A value, or what is wrong with it, and its bytes in the layer's text.
pub(super) type Read<T> = Spanned<Result<T, Problem>>;

/// A key with one value.
#[derive(Clone, Debug)]
pub(super) struct Setting<T>(Option<Read<T>>);

/// A key with any number of values; a single one needs no brackets.
#[derive(Clone, Debug)]
pub(super) struct List<T>(Option<Vec<Read<T>>>);

impl<T> Setting<T> {
    /// What the layer says, if it says anything.
    pub(super) fn read(&self) -> Option<&Read<T>> {
        self.0.as_ref()
    }
}

impl<T> List<T> {
    /// What the layer says, if it says anything; an empty list says that there is none.
    pub(super) fn read(&self) -> Option<&[Read<T>]> {
        self.0.as_deref()
    }
}

impl<T> Default for Setting<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Value> Deserialize<'de> for Setting<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(|written| Self(Some(value_of(written))))
    }
}

impl<'de, T: Value> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Spanned::<Written>::deserialize(deserializer)?;
        let span = written.span();
        Ok(Self(Some(match written.into_inner() {
            Written::List(elements) => elements.into_iter().map(value_of).collect(),
            single => vec![value_of(Spanned::new(span, single))],
        })))
    }
}

fn value_of<T: Value>(written: Spanned<Written>) -> Read<T> {
    let span = written.span();
    let value = match written.into_inner() {
        Written::Text(text) => T::parse(&text),
        Written::Number(number) => T::of_number(number),
        Written::Switch(on) => T::of_switch(on),
        Written::List(_) => Err(Problem::mismatch(T::EXPECTED, "a list")),
        Written::Other(what) => Err(Problem::mismatch(T::EXPECTED, what)),
    };
    Spanned::new(span, value)
}

/// Anything TOML can hold, as far as a message about it needs.
enum Written {
    Text(String),
    Number(i64),
    Switch(bool),
    List(Vec<Spanned<Self>>),
    Other(&'static str),
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WrittenVisitor)
    }
}

struct WrittenVisitor;

impl<'de> Visitor<'de> for WrittenVisitor {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Written, E> {
        Ok(Written::Text(text.to_owned()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Written, E> {
        Ok(Written::Number(number))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Written, E> {
        Ok(Written::Other("a number that is too large"))
    }

    fn visit_i128<E>(self, _: i128) -> Result<Written, E> {
        Ok(Written::Other("a number that is too large"))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Written, E> {
        Ok(Written::Other("a number that is too large"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Written, E> {
        Ok(Written::Other("a number with a fraction"))
    }

    fn visit_bool<E>(self, on: bool) -> Result<Written, E> {
        Ok(Written::Switch(on))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Written, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(Written::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Written, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        // A date arrives as a map too.
        Ok(Written::Other("a table or a date"))
    }
}

impl<T: Value> JsonSchema for Setting<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::NAME.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        titled::<T>(T::schema())
    }
}

impl<T: Value> JsonSchema for List<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::NAME.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut list = json_schema!({ "oneOf": [T::schema(), { "type": "array", "items": T::schema() }] });
        list.insert(SEPARATOR.to_owned(), T::SEPARATOR.to_string().into());
        titled::<T>(list)
    }
}

/// Where a list's schema tells what stands between several values in an environment variable.
pub(super) const SEPARATOR: &str = "x-separator";

/// The title is what the command line shows for the value.
fn titled<T: Value>(mut schema: Schema) -> Schema {
    schema.insert("title".to_owned(), T::NAME.into());
    schema
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use super::*;

    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Example {
        one: Setting<Duration>,
        many: List<SocketAddr>,
    }

    fn example(text: &str) -> Example {
        toml::from_str(text).unwrap()
    }

    fn message(text: &str) -> String {
        example(text).one.read().unwrap().get_ref().clone().unwrap_err().message
    }

    #[test]
    fn a_value_of_another_kind_is_a_problem_and_not_the_end() {
        assert_eq!(message("one = true"), "expected a duration such as \"10s\", found true");
        assert_eq!(
            message("one = 1.5"),
            "expected a duration such as \"10s\", found a number with a fraction"
        );
        assert_eq!(
            message("one = [\"10s\"]"),
            "expected a duration such as \"10s\", found a list"
        );
        assert_eq!(
            message("one = { a = 1 }"),
            "expected a duration such as \"10s\", found a table or a date"
        );
        assert_eq!(
            message("one = 2026-01-01"),
            "expected a duration such as \"10s\", found a table or a date"
        );
        assert!(message("one = 9223372036854775808").ends_with("found a number that is too large"));
        assert!(message("one = 340282366920938463463374607431768211455").ends_with("found a number that is too large"));
    }

    #[test]
    fn each_element_of_a_list_has_its_own_place() {
        let text = "many = [\"127.0.0.1:1\", 2]";
        let read = example(text);
        let elements = read.many.read().unwrap();
        assert!(elements[0].get_ref().is_ok());
        assert!(elements[1].get_ref().is_err());
        assert_eq!(&text[elements[1].span()], "2");
    }

    #[test]
    fn a_list_of_one_needs_no_brackets_and_an_empty_one_says_none() {
        assert_eq!(example("many = \"127.0.0.1:1\"").many.read().unwrap().len(), 1);
        assert_eq!(example("many = []").many.read().map(<[_]>::len), Some(0));
        assert!(example("").many.read().is_none());
    }
}
