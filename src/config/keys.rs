//! The known keys, read out of the schema: their flags, their variables, their help.

use std::sync::LazyLock;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::environment::PREFIX;
use super::raw::Raw;
use super::setting::SEPARATOR;

/// The table whose keys describe one certificate; as flags they go without its name, except where a key outside tables
/// has the same name.
pub(super) const CERTIFICATE: &str = "certificate";

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let mut settings = SchemaSettings::draft2020_12().for_deserialize();
    settings.inline_subschemas = true;
    settings.into_generator().into_root_schema_for::<Raw>()
});

static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    let entries = properties(SCHEMA.as_value());
    let is_global = |key: &str| properties(SCHEMA.as_value()).any(|(name, _)| name == key);
    entries
        .flat_map(|(name, entry)| match table(entry) {
            None => vec![Key::new(None, false, name, entry, name.to_owned())],
            Some(table) => properties(table)
                .map(|(key, of_key)| {
                    let is_short = name == CERTIFICATE && !is_global(key);
                    let stem = if is_short {
                        key.to_owned()
                    } else {
                        format!("{name}_{key}")
                    };
                    Key::new(Some(name), entry["type"] == "array", key, of_key, stem)
                })
                .collect(),
        })
        .collect()
});

/// The JSON Schema of the config file, for editors.
pub fn schema() -> &'static Schema {
    &SCHEMA
}

/// Every key of the config file, in the order of the manual.
pub fn keys() -> &'static [Key] {
    &KEYS
}

/// One key of the config file, which is a flag and an environment variable too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The table it is in, if any: `timeouts`.
    pub table: Option<String>,
    /// Its name there: `first_byte`.
    pub name: String,
    /// Whether that table may stand several times: `[[certificate]]`.
    pub repeated: bool,
    /// What it takes.
    pub kind: Kind,
    /// What stands between several values in its environment variable.
    pub separator: char,
    /// What stands for its value in a manual: `DURATION`.
    pub value_name: String,
    /// One line on what it does.
    pub summary: String,
    /// The rest of its manual, if there is more to say.
    pub details: Option<String>,
    /// Its default as it would be written in an environment variable, if it has one.
    pub default: Option<String>,
    /// Its flag, without the dashes: `timeouts-first-byte`.
    pub flag: String,
    /// Its environment variable: `FULLCHAIN_TIMEOUTS_FIRST_BYTE`.
    pub variable: String,
}

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One value.
    One,
    /// Any number of values.
    Many,
    /// True or false; the flag alone means true.
    Switch,
}

impl Key {
    /// The key `name` in `table`; `stem` is what flag and variable are called after.
    fn new(table: Option<&str>, repeated: bool, name: &str, entry: &Value, stem: String) -> Self {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let description = text("description");
        let (summary, details) = match description.split_once("\n\n") {
            Some((summary, details)) => (summary, Some(details)),
            None => (description.as_str(), None),
        };
        Self {
            table: table.map(str::to_owned),
            name: name.to_owned(),
            repeated,
            kind: kind(entry),
            separator: text(SEPARATOR).chars().next().unwrap_or(','),
            value_name: text("title"),
            summary: one_line(summary).trim_end_matches('.').to_owned(),
            details: details.map(one_line),
            default: entry
                .get("default")
                .map(default_text)
                .filter(|default| !default.is_empty()),
            flag: stem.replace('_', "-"),
            variable: format!("{PREFIX}{}", stem.to_uppercase()),
        }
    }

    /// Its name with its table: `timeouts.first_byte`.
    pub fn dotted(&self) -> String {
        match &self.table {
            Some(table) => format!("{table}.{}", self.name),
            None => self.name.clone(),
        }
    }
}

fn kind(entry: &Value) -> Kind {
    let alternatives = entry["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
    if entry["type"] == "boolean" {
        Kind::Switch
    } else if alternatives.iter().any(|alternative| alternative["type"] == "array") {
        Kind::Many
    } else {
        Kind::One
    }
}

fn default_text(default: &Value) -> String {
    match default {
        Value::String(text) => text.clone(),
        Value::Array(elements) => elements.iter().map(default_text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The keys of a table with their entries.
pub(super) fn properties(table: &Value) -> impl Iterator<Item = (&str, &Value)> {
    table["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, entry)| (name.as_str(), entry))
}

/// The table that `entry` stands for: itself, or each of its items; none where it is a value.
pub(super) fn table(entry: &Value) -> Option<&Value> {
    [entry, &entry["items"]]
        .into_iter()
        .find(|entry| entry["properties"].is_object())
}

/// The candidate that whoever wrote `word` most likely meant.
pub(super) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        // One letter in three may be wrong: beyond that the two have nothing to do with each other.
        .filter(|(distance, candidate)| *distance <= (word.len().min(candidate.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn key(dotted: &str) -> &'static Key {
        keys().iter().find(|key| key.dotted() == dotted).unwrap()
    }

    #[test]
    fn a_key_names_its_flag_and_its_variable() {
        let first_byte = key("timeouts.first_byte");
        assert_eq!(first_byte.flag, "timeouts-first-byte");
        assert_eq!(first_byte.variable, "FULLCHAIN_TIMEOUTS_FIRST_BYTE");
        assert_eq!(key("redirect_from").flag, "redirect-from");
        assert_eq!(key("certificate.password_file").flag, "password-file");
        // `--policy` is what holds for all.
        assert_eq!(key("certificate.policy").flag, "certificate-policy");
        assert_eq!(key("policy").flag, "policy");
    }

    #[test]
    fn no_two_keys_share_a_flag() {
        let flags: HashSet<_> = keys().iter().map(|key| &key.flag).collect();
        assert_eq!(flags.len(), keys().len());
    }

    #[test]
    fn every_key_and_table_has_a_manual_and_every_key_a_value_name() {
        for key in keys() {
            assert!(!key.summary.is_empty() && key.summary.len() < 100, "{}", key.dotted());
            assert!(!key.value_name.is_empty(), "{}", key.dotted());
            // What marks a comment in the source is none in a manual.
            let manual = format!("{} {}", key.summary, key.details.as_deref().unwrap_or_default());
            assert!(!manual.contains("///"), "{}: {manual}", key.dotted());
        }
        for (name, entry) in properties(schema().as_value()) {
            assert!(entry["description"].is_string(), "{name}");
        }
    }

    #[test]
    fn the_kind_of_a_key_follows_from_its_type() {
        assert_eq!(key("listen").kind, Kind::Many);
        assert_eq!(key("roots").kind, Kind::Many);
        assert_eq!(key("strict").kind, Kind::Switch);
        assert_eq!(key("workers").kind, Kind::One);
        assert_eq!(key("admin").kind, Kind::One);
    }

    #[test]
    fn a_slip_of_the_pen_is_recognised_and_another_word_is_not() {
        let known = ["header", "handshake", "idle"];
        assert_eq!(nearest("headr", known.into_iter()), Some("header"));
        assert_eq!(nearest("hanshdake", known.into_iter()), Some("handshake"));
        assert_eq!(nearest("color", known.into_iter()), None);
    }
}
