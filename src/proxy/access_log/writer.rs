//! Where lines go.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use time::OffsetDateTime;

use super::line::Line;
use super::{AccessFormat, AccessLog, Redaction, combined, event, json, w3c};
use crate::telemetry::lines::{Header, Lines};

/// Where the lines of the process go.
#[derive(Clone, Debug, Default)]
pub struct Output(Destination);

#[derive(Clone, Debug, Default)]
enum Destination {
    #[default]
    Nowhere,
    /// To the other log lines.
    Events,
    /// To a queue of their own.
    Lines(Lines, Format),
}

type Format = fn(&mut Vec<u8>, &Line<'_>);

impl Output {
    /// Opens what `settings` say.
    ///
    /// # Errors
    ///
    /// Where the file cannot be opened, or the system gives no thread.
    pub fn open(settings: &AccessLog) -> io::Result<Self> {
        if !settings.wanted {
            return Ok(Self(Destination::Nowhere));
        }
        let (format, header): (Format, Option<Header>) = match settings.format {
            AccessFormat::Auto if settings.file.is_none() => return Ok(Self(Destination::Events)),
            AccessFormat::Auto | AccessFormat::Json => (json::write, None),
            AccessFormat::Combined => (combined::write, None),
            AccessFormat::W3c => (w3c::write, Some(|| w3c::header(OffsetDateTime::now_utc()))),
        };
        let lines = match &settings.file {
            Some(path) => Lines::to_file(path, header)?,
            None => Lines::to_stderr(header)?,
        };
        Ok(Self(Destination::Lines(lines, format)))
    }

    /// The lines in a file or on standard error, where they do not go among the other log lines: to have the file opened
    /// anew, and to wait for the last of them.
    pub fn lines(&self) -> Option<&Lines> {
        match &self.0 {
            Destination::Lines(lines, _) => Some(lines),
            Destination::Nowhere | Destination::Events => None,
        }
    }
}

/// What one worker writes lines with.
#[derive(Debug)]
pub(in crate::proxy) struct Writer {
    output: Output,
    redaction: Redaction,
    /// For one line after the other.
    buffer: RefCell<Vec<u8>>,
}

/// What a buffer keeps of its size: nearly every line fits.
const KEPT_BYTES: usize = 4 * 1024;

impl Writer {
    /// A writer to `output`.
    pub(in crate::proxy) fn new(output: Output, redaction: &Redaction) -> Rc<Self> {
        Rc::new(Self {
            output,
            redaction: redaction.clone(),
            buffer: RefCell::default(),
        })
    }

    /// Whether a line would go anywhere.
    pub(super) fn is_wanted(&self) -> bool {
        match &self.output.0 {
            Destination::Nowhere => false,
            // The log filter has a word too.
            Destination::Events => event::is_wanted(),
            Destination::Lines(..) => true,
        }
    }

    /// What of a query is not for the log.
    pub(super) fn redaction(&self) -> &Redaction {
        &self.redaction
    }

    /// Writes a line.
    pub(super) fn write(&self, line: &Line<'_>) {
        match &self.output.0 {
            Destination::Nowhere => {}
            Destination::Events => event::emit(line),
            Destination::Lines(lines, format) => {
                let mut buffer = self.buffer.borrow_mut();
                buffer.clear();
                format(&mut buffer, line);
                lines.append(&buffer);
                buffer.shrink_to(KEPT_BYTES);
            }
        }
    }
}
