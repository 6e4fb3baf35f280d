//! One line for each request, written when its response has ended.
//!
//! ```text
//! record     what is known of a request so far; dropped, it becomes a line
//! line       what there is to say, whatever the format
//! event, json, combined, w3c    the formats
//! escape     bytes from outside on one line
//! redaction  what of a query is not for the log
//! user       the name that a request brings along
//! writer     to the other log lines, or to a file or standard error through a queue that never blocks
//! ```

mod combined;
mod escape;
mod event;
mod json;
mod line;
mod record;
mod redaction;
mod settings;
mod user;
mod w3c;
mod writer;

pub(super) use self::escape::Escaped;
pub(super) use self::record::{Received, Record};
pub use self::redaction::Redaction;
pub use self::settings::{AccessFormat, AccessLog};
pub use self::writer::Output;
pub(super) use self::writer::Writer;
