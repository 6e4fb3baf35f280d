//! Lines that are a log of their own: in a file that may be renamed at any time, or on standard error beside the others.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::file::LogFile;
use super::queue::{Output, Queue};

/// What stands before the lines of a file, made when its first line is written.
pub type Header = fn() -> Vec<u8>;

/// Where whole lines are put; whoever puts one never waits. Once the last clone is dropped, the file is closed.
#[derive(Clone, Debug)]
pub struct Lines(Arc<Handle>);

#[derive(Debug)]
struct Handle(Arc<Queue>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Lines {
    /// Lines that are appended to the file at `path`, which is made where there is none.
    ///
    /// # Errors
    ///
    /// Where the file cannot be opened or a thread not be started.
    pub fn to_file(path: &Path, header: Option<Header>) -> io::Result<Self> {
        Self::to(LogFile::open(path, header)?)
    }

    /// Lines on standard error. Each stays whole beside those of others.
    ///
    /// # Errors
    ///
    /// Where a thread cannot be started.
    pub fn to_stderr(header: Option<Header>) -> io::Result<Self> {
        Self::to(Stderr { header })
    }

    fn to(output: impl Output) -> io::Result<Self> {
        Ok(Self(Arc::new(Handle(Queue::to("access-log", output)?))))
    }

    /// Adds a line, with its end. Where it cannot be written in time it is dropped, counted, and the count is logged.
    pub fn append(&self, line: &[u8]) {
        self.0.0.append(line);
    }

    /// Opens the file anew: it was renamed to make room for a new one.
    pub fn reopen(&self) {
        self.0.0.reopen();
    }

    /// Waits until every line is written, but no longer than `patience`.
    pub fn flush(&self, patience: Duration) {
        self.0.0.flush(patience);
    }
}

/// Standard error, with a header before its first line.
struct Stderr {
    header: Option<Header>,
}

impl Output for Stderr {
    fn write(&mut self, lines: &[u8]) {
        let mut whole = self.header.take().map(|header| header()).unwrap_or_default();
        whole.extend_from_slice(lines);
        // It may be closed, and there is nowhere else to say so.
        let _ = io::stderr().write_all(&whole);
    }

    fn say_lost(&mut self, count: u64) {
        tracing::warn!(
            lost = count,
            "access log lines were lost: standard error takes them too slowly"
        );
    }
}
