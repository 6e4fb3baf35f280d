//! Takes out of a parsed file what has no place in it, and notes what and where.
//!
//! serde would stop at the first unknown key. After the sieve nothing is left that it could stop at.

use std::ops::Range;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Problem;
use super::keys::{keys, nearest, properties, table};

/// What was found on the way.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    /// What was taken out: its bytes in the text, its key, and why.
    pub(super) faults: Vec<(Range<usize>, String, Problem)>,
    /// The bytes of each value that stayed, and its key with its table.
    pub(super) places: Vec<(Range<usize>, String)>,
}

impl Sieve {
    /// `written` without the entries that `schema` does not know.
    pub(super) fn table<'i>(&mut self, written: DeTable<'i>, schema: &Value, path: &str) -> DeTable<'i> {
        let mut kept = DeTable::new();
        for (key, value) in written {
            let dotted = if path.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{path}.{}", key.get_ref())
            };
            match properties(schema).find(|(name, _)| *name == key.get_ref()) {
                None => self
                    .faults
                    .push((key.span(), dotted, unknown(key.get_ref(), schema, path))),
                Some((_, entry)) => {
                    if let Some(value) = self.value(value, entry, &dotted) {
                        kept.insert(key, value);
                    }
                }
            }
        }
        kept
    }

    fn value<'i>(&mut self, value: Spanned<DeValue<'i>>, entry: &Value, path: &str) -> Option<Spanned<DeValue<'i>>> {
        let span = value.span();
        self.places.push((span.clone(), path.to_owned()));
        let Some(schema) = table(entry) else { return Some(value) };
        let many = entry["type"] == "array";
        match value.into_inner() {
            DeValue::Table(written) if !many => {
                Some(Spanned::new(span, DeValue::Table(self.table(written, schema, path))))
            }
            DeValue::Array(items) if many => {
                let items = items
                    .into_iter()
                    .filter_map(|item| self.item(item, schema, path))
                    .collect();
                Some(Spanned::new(span, DeValue::Array(items)))
            }
            _ => {
                let header = if many {
                    format!("[[{path}]]")
                } else {
                    format!("[{path}]")
                };
                let problem = Problem::new("expected a table")
                    .hint(format!("write {header} on a line of its own and its keys below"));
                self.faults.push((span, path.to_owned(), problem));
                None
            }
        }
    }

    fn item<'i>(&mut self, item: Spanned<DeValue<'i>>, schema: &Value, path: &str) -> Option<Spanned<DeValue<'i>>> {
        let span = item.span();
        self.places.push((span.clone(), path.to_owned()));
        match item.into_inner() {
            DeValue::Table(written) => Some(Spanned::new(span, DeValue::Table(self.table(written, schema, path)))),
            _ => {
                self.faults
                    .push((span, path.to_owned(), Problem::new("expected a table")));
                None
            }
        }
    }
}

/// The key that was meant: misspelt, or in the wrong table; failing both, those there are.
fn unknown(key: &str, schema: &Value, path: &str) -> Problem {
    let problem = Problem::new("no such key");
    let known = || properties(schema).map(|(name, _)| name);
    if let Some(near) = nearest(key, known()) {
        return problem.hint(format!("did you mean `{near}`?"));
    }
    let elsewhere = keys().iter().find(|candidate| candidate.name == key);
    match elsewhere.map(|candidate| (&candidate.table, candidate.repeated)) {
        Some((None, _)) => problem.hint(format!("`{key}` is in no table: write it above the first [table]")),
        Some((Some(table), true)) => problem.hint(format!("`{key}` belongs in [[{table}]]")),
        Some((Some(table), false)) => problem.hint(format!("`{key}` belongs in [{table}]")),
        None => {
            let place = if path.is_empty() {
                "outside tables".to_owned()
            } else {
                format!("in `{path}`")
            };
            problem.hint(format!(
                "the keys {place} are {}",
                known().collect::<Vec<_>>().join(", ")
            ))
        }
    }
}
