//! One of the places where things are said: the config file, the environment or the command line.
//!
//! All three become the same table before they are read, so a key means the same in each of them; they differ in how
//! a place in them is called and in where a relative path starts.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::base::Base;
use super::choices::{CacheDirectory, Root};
use super::environment::{Environment, PREFIX};
use super::error::{Error, Fault, Place, Problem};
use super::flags::Flags;
use super::keys::{Key, Kind, keys, nearest, schema};
use super::raw::Raw;
use super::setting::Read;
use super::sieve::Sieve;
use super::written::Written;
use crate::proxy::settings::ListenAddress;

/// A config file is some kilobytes; whatever is larger is another file, named by mistake.
const LARGEST_FILE: u64 = 1 << 20;

/// The variable that names the config file.
pub(super) const FILE_VARIABLE: &str = "FULLCHAIN_CONFIG";

/// What one place says.
#[derive(Debug, Default)]
pub(super) struct Layer {
    /// Every key, as far as it was given.
    pub(super) raw: Raw,
    /// The same as it was written.
    pub(super) written: Written,
    /// What is wrong with the layer as a whole.
    pub(super) faults: Vec<Fault>,
    /// Whether nothing could be read for those faults.
    pub(super) broken: bool,
    origin: Origin,
    /// Where the service manager has put credentials.
    pub(super) credentials: Option<PathBuf>,
}

#[derive(Debug)]
enum Origin {
    File {
        path: PathBuf,
        text: String,
        keys: Vec<(Range<usize>, String)>,
    },
    /// The flags or variables given; a span is the index of one.
    Names(Vec<String>),
}

impl Default for Origin {
    fn default() -> Self {
        Self::Names(Vec::new())
    }
}

/// A value that was read, with its place.
#[derive(Clone, Debug)]
pub(super) struct Given<T> {
    pub(super) value: T,
    pub(super) place: Place,
    base: Base,
}

impl Given<PathBuf> {
    /// The path, from where it starts: the directory of the config file, the current one, or that of credentials.
    pub(super) fn path(self) -> PathBuf {
        self.base.path(self.value)
    }
}

impl Given<ListenAddress> {
    /// The address, a path starting where [`Given::path`] says.
    pub(super) fn address(self) -> ListenAddress {
        match self.value {
            ListenAddress::Unix(path) => ListenAddress::Unix(self.base.directory.join(path)),
            other => other,
        }
    }
}

impl Given<Root> {
    /// The path, if the root is a file: see [`Given::path`].
    pub(super) fn file(self) -> Option<PathBuf> {
        match self.value {
            Root::File(path) => Some(self.base.path(path)),
            Root::System | Root::None => None,
        }
    }
}

impl Given<CacheDirectory> {
    /// The directory, if there is to be one: see [`Given::path`]. `auto` is the one that the environment names.
    pub(super) fn directory(self, auto: Option<PathBuf>) -> Option<PathBuf> {
        match self.value {
            CacheDirectory::At(path) => Some(self.base.directory.join(path)),
            CacheDirectory::Auto => auto,
            CacheDirectory::Off => None,
        }
    }
}

impl Layer {
    /// Reads a config file.
    ///
    /// Where it is not TOML at all, the layer says nothing and its faults are those of the syntax.
    pub(super) fn of_file(path: &Path) -> Result<Self, Error> {
        let unreadable = |source| Error::Unreadable {
            path: path.to_owned(),
            source,
        };
        let mut text = String::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(LARGEST_FILE + 1)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
        if text.len() as u64 > LARGEST_FILE {
            return Err(unreadable(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "larger than 1 MiB",
            )));
        }
        Ok(Self::of_text(path, text))
    }

    /// Reads the text of a config file.
    pub(super) fn of_text(path: &Path, text: String) -> Self {
        let mut sieve = Sieve::default();
        let mut written = Written::default();
        let raw = DeTable::parse(&text).and_then(|document| {
            let span = document.span();
            let table = sieve.table(document.into_inner(), schema().as_value(), "");
            written = Written::of(&table);
            Raw::deserialize(Deserializer::from(Spanned::new(span, table)))
        });
        let at = |(span, key, problem): (Range<usize>, String, Problem)| {
            problem.at(place(path, &text, span.start, Some(key)))
        };
        let mut faults: Vec<_> = sieve.faults.into_iter().map(at).collect();
        let broken = raw.is_err();
        let raw = raw.unwrap_or_else(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            faults.push(Problem::new(error.message()).at(place(path, &text, offset, None)));
            Raw::default()
        });
        Self {
            raw,
            written,
            faults,
            broken,
            origin: Origin::File {
                path: path.to_owned(),
                keys: sieve.places,
                text,
            },
            credentials: None,
        }
    }

    /// Reads the command line.
    pub(super) fn of_flags(flags: &Flags) -> Self {
        let given = keys()
            .iter()
            .filter_map(|key| Some((format!("--{}", key.flag), key, flags.values(key)?.to_vec())));
        Self::of_names(given)
    }

    /// Reads the environment. A variable of an unknown name is a fault only if it looks like a known one misspelt:
    /// Kubernetes and container images set variables of their own that start with the name of the service.
    pub(super) fn of_environment(environment: &Environment) -> Self {
        let given = keys().iter().filter_map(|key| {
            let value = environment.value(&key.variable)?;
            let values = match key.kind {
                Kind::Many => value
                    .split(key.separator)
                    .map(|part| part.trim().to_owned())
                    .filter(|part| !part.is_empty())
                    .collect(),
                Kind::One | Kind::Switch => vec![value.to_owned()],
            };
            Some((key.variable.clone(), key, values))
        });
        let mut layer = Self::of_names(given);
        for name in environment.names() {
            let known = keys().iter().map(|key| key.variable.as_str()).chain([FILE_VARIABLE]);
            if let Some(near) = nearest(name, known.filter_map(|variable| variable.strip_prefix(PREFIX)))
                && near != name
            {
                let problem = Problem::new("no such variable").hint(format!("did you mean {PREFIX}{near}?"));
                layer.faults.push(problem.at(Place::Named(format!("{PREFIX}{name}"))));
            }
        }
        layer
    }

    fn of_names(given: impl Iterator<Item = (String, &'static Key, Vec<String>)>) -> Self {
        let mut names = Vec::new();
        let mut tables: BTreeMap<Option<&str>, (bool, DeTable<'static>)> = BTreeMap::new();
        for (name, key, texts) in given {
            let span = names.len()..names.len() + 1;
            let mut texts = texts
                .into_iter()
                .map(|text| Spanned::new(span.clone(), DeValue::String(text.into())));
            let value = match key.kind {
                Kind::Many => Some(Spanned::new(span.clone(), DeValue::Array(texts.collect()))),
                Kind::One | Kind::Switch => texts.next(),
            };
            if let Some(value) = value {
                let (repeated, table) = tables.entry(key.table.as_deref()).or_default();
                *repeated = key.repeated;
                table.insert(Spanned::new(span, key.name.as_str().into()), value);
                names.push(name);
            }
        }
        let (_, mut root) = tables.remove(&None).unwrap_or_default();
        for (name, (repeated, table)) in tables.into_iter().filter_map(|(name, table)| Some((name?, table))) {
            let table = Spanned::new(0..0, DeValue::Table(table));
            let value = if repeated {
                DeValue::Array([table].into_iter().collect())
            } else {
                table.into_inner()
            };
            root.insert(Spanned::new(0..0, name.into()), Spanned::new(0..0, value));
        }
        let written = Written::of(&root);
        // Every key comes from the schema and every value is text, so nothing is left for serde to refuse.
        let raw = Raw::deserialize(Deserializer::from(Spanned::new(0..0, root))).unwrap_or_default();
        Self {
            raw,
            written,
            origin: Origin::Names(names),
            ..Self::default()
        }
    }

    /// A value read from this layer, or its fault.
    pub(super) fn given<T: Clone>(&self, read: &Read<T>) -> Result<Given<T>, Fault> {
        let place = self.place(read.span());
        match read.get_ref() {
            Ok(value) => Ok(Given {
                value: value.clone(),
                place,
                base: Base {
                    directory: self.directory(),
                    credentials: self.credentials.clone(),
                },
            }),
            Err(problem) => Err(problem.clone().at(place)),
        }
    }

    /// The files that its values were read from: its own, and those with secrets.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let own = match &self.origin {
            Origin::File { path, .. } => Some(path.clone()),
            Origin::Names(_) => None,
        };
        let backends = self.raw.backend.iter().map(Spanned::get_ref);
        let secrets = backends.filter_map(|backend| backend.sticky_secret_file.read());
        let secrets = secrets.filter_map(|read| self.given(read).ok()).map(Given::path);
        own.into_iter().chain(secrets).collect()
    }

    /// What a span of this layer is called.
    pub(super) fn place(&self, span: Range<usize>) -> Place {
        match &self.origin {
            Origin::Names(names) => Place::Named(names.get(span.start).cloned().unwrap_or_default()),
            Origin::File { path, text, keys } => {
                // The innermost key is the last one noted: a table is noted before what is in it.
                let key = keys
                    .iter()
                    .rev()
                    .find(|(value, _)| value.start <= span.start && span.end <= value.end);
                place(path, text, span.start, key.map(|(_, key)| key.clone()))
            }
        }
    }

    /// Where a relative path in this layer starts.
    pub(super) fn directory(&self) -> PathBuf {
        match &self.origin {
            Origin::Names(_) => PathBuf::new(),
            Origin::File { path, .. } => path.parent().map(Path::to_owned).unwrap_or_default(),
        }
    }
}

fn place(path: &Path, text: &str, offset: usize, key: Option<String>) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place::File {
        path: path.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        key,
    }
}
