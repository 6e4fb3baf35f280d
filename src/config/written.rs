//! What a layer says as it was written, whatever it may mean.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The keys of a table with what was written there, in the order of the layer.
#[derive(Clone, Debug, Default)]
pub(super) struct Written(Vec<(String, Entry)>);

/// What was written for a key.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its bytes in the layer's text.
    pub(super) span: Range<usize>,
    pub(super) content: Content,
}

/// Anything that a key can have.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Text(String),
    Number(i64),
    Switch(bool),
    List(Vec<Self>),
    Table(Written),
    Tables(Vec<(Range<usize>, Written)>),
}

impl Written {
    /// What `table` says; what no key takes, such as a date, is left out: it is a fault elsewhere.
    pub(super) fn of(table: &DeTable<'_>) -> Self {
        let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let key: &std::borrow::Cow<'_, str> = key.get_ref();
            let entry = Entry {
                span: value.span(),
                content: Content::of(value.get_ref())?,
            };
            Some((key.to_string(), entry))
        };
        Self(table.iter().filter_map(entry).collect())
    }

    /// What was written for `key`.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.0.iter().find_map(|(name, entry)| (name == key).then_some(entry))
    }

    /// The tables called `name`, with their places.
    pub(super) fn tables(&self, name: &str) -> &[(Range<usize>, Self)] {
        match self.get(name).map(|entry| &entry.content) {
            Some(Content::Tables(tables)) => tables,
            _ => &[],
        }
    }

    /// The table called `name`.
    pub(super) fn table(&self, name: &str) -> Option<&Self> {
        match self.get(name).map(|entry| &entry.content) {
            Some(Content::Table(table)) => Some(table),
            _ => None,
        }
    }
}

impl Content {
    fn of(value: &DeValue<'_>) -> Option<Self> {
        match value {
            DeValue::String(text) => Some(Self::Text(text.to_string())),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .ok()
                .map(Self::Number),
            DeValue::Boolean(on) => Some(Self::Switch(*on)),
            DeValue::Table(table) => Some(Self::Table(Written::of(table))),
            DeValue::Array(items) => {
                let table = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
                    DeValue::Table(table) => Some((item.span(), Written::of(table))),
                    _ => None,
                };
                let tables: Vec<_> = items.iter().filter_map(table).collect();
                Some(match tables.is_empty() {
                    true => Self::List(items.iter().filter_map(|item| Self::of(item.get_ref())).collect()),
                    false => Self::Tables(tables),
                })
            }
            DeValue::Float(_) | DeValue::Datetime(_) => None,
        }
    }
}
