//! What the operator says about fetching.

use std::fmt;
use std::path::PathBuf;

/// Everything the fetch room is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whether missing issuers are fetched.
    pub aia: Aia,
    /// Whether OCSP responses are fetched.
    pub ocsp: Ocsp,
    /// Ask addresses of this machine and its neighbourhood too.
    pub allow_private: bool,
    /// Where what was fetched is kept; nowhere but in memory without it.
    pub cache_directory: Option<PathBuf>,
}

/// Whether issuers are fetched from where certificates say that they are published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aia {
    /// Those that are missing.
    Missing,
    /// None.
    #[default]
    Off,
}

/// As the config file writes it.
impl fmt::Display for Aia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing",
            Self::Off => "off",
        })
    }
}

/// Whether OCSP responses are fetched. A staple that the operator gives as a file is served either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ocsp {
    /// For every leaf that names a responder, as IIS does.
    #[default]
    Staple,
    /// None.
    Off,
}

/// As the config file writes it.
impl fmt::Display for Ocsp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Staple => "staple",
            Self::Off => "off",
        })
    }
}
