//! What the operator says about the access log.

use std::path::PathBuf;

use super::redaction::Redaction;

/// What the operator says about the access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// Whether each request is logged.
    pub wanted: bool,
    /// How a line looks.
    pub format: AccessFormat,
    /// The file that lines are appended to; standard error where there is none.
    pub file: Option<PathBuf>,
    /// What of a query is not for the log.
    pub redaction: Redaction,
}

/// How a line of the access log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessFormat {
    /// As the other log lines on standard error, JSON in a file.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// The combined format of Apache and nginx.
    Combined,
    /// The W3C extended format with the fields of IIS.
    W3c,
}

impl Default for AccessLog {
    fn default() -> Self {
        Self {
            wanted: true,
            format: AccessFormat::Auto,
            file: None,
            redaction: Redaction::default(),
        }
    }
}
