//! What is wrong with a configuration, said so that it can be put right: where, which key, what, and what to write
//! instead.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The config file cannot be read.
    #[error("{}: cannot read the config file", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system, or the UTF-8 decoder, says.
        source: io::Error,
    },
    /// Neither a config file nor a certificate was given.
    #[error(
        "no configuration: give a config file with -c or FULLCHAIN_CONFIG, or at least a certificate and an upstream:\n  \
         fullchain serve --cert tls.crt --key tls.key --upstream http://127.0.0.1:8080"
    )]
    NothingSaid,
    /// Every fault found, in the order of the places they stand at.
    #[error("{}", lines(.0))]
    Faults(Vec<Fault>),
}

fn lines(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n")
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it stands.
    pub place: Place,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem.message)?;
        match &self.problem.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Where something stands; in the order faults are told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the config file.
    File {
        /// As the file was named.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// The key with its table, such as `timeouts.header`; none where the file is not TOML.
        key: Option<String>,
    },
    /// In this flag or environment variable.
    Named(String),
    /// Nowhere: this key is missing.
    Missing(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File {
                path,
                line,
                column,
                key,
            } => {
                write!(f, "{}:{line}:{column}", path.display())?;
                key.iter().try_for_each(|key| write!(f, ": {key}"))
            }
            Self::Named(name) => f.write_str(name),
            Self::Missing(key) => f.write_str(key),
        }
    }
}

/// What is wrong with a value, without its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", self.parenthesis())]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Problem {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    /// A value of another kind than `expected` was found.
    pub(super) fn mismatch(expected: &str, found: impl fmt::Display) -> Self {
        Self::new(format!("expected {expected}, found {found}"))
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    pub(super) fn at(self, place: Place) -> Fault {
        Fault { place, problem: self }
    }

    fn parenthesis(&self) -> String {
        self.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default()
    }
}
