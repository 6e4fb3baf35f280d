//! An access log in a file, read by the test.

use std::fs;
use std::path::PathBuf;

use fullchain::proxy::{AccessFormat, AccessLog};
use serde_json::Value;
use tempfile::TempDir;

use super::eventually;

/// The names in code style at the start of rows in a table of docs/LOGS.md, that under `heading`.
pub(crate) fn documented(heading: &str) -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/LOGS.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once(&format!("\n## {heading}\n")).unwrap();
    let rows = rest.lines().take_while(|line| !line.starts_with("## "));
    rows.filter_map(|row| Some(row.strip_prefix("| `")?.split_once('`')?.0.to_owned()))
        .collect()
}

/// A file for an access log. It goes with the test.
pub(crate) struct AccessFile {
    directory: TempDir,
}

impl AccessFile {
    pub(crate) fn new() -> Self {
        Self {
            directory: TempDir::new().unwrap(),
        }
    }

    /// The settings of an access log to the file.
    pub(crate) fn settings(&self, format: AccessFormat) -> AccessLog {
        AccessLog {
            format,
            file: Some(self.path()),
            ..AccessLog::default()
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("access.log")
    }

    /// What is in the file so far, without W3C directives.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path()).unwrap_or_default();
        let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        whole.filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    /// Waits until there are as many lines, and no more than that.
    #[track_caller]
    pub(crate) fn wait_for(&self, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        eventually(&format!("{count} lines in the access log"), || {
            lines = self.lines();
            lines.len() >= count
        });
        assert_eq!(lines.len(), count, "{lines:#?}");
        lines
    }

    /// Waits for the one line there is to be, an object of JSON. A cause it has is a documented one.
    #[track_caller]
    pub(crate) fn object(&self) -> Value {
        let lines = self.wait_for(1);
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        if let Some(cause) = line["cause"].as_str() {
            assert!(documented("Causes").iter().any(|known| known == cause), "{cause}");
        }
        line
    }
}
