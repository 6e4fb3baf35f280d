//! The log line for people: `2026-11-22T15:04:05.123Z  INFO message key=value key="a value"`.
//!
//! Values come from clients, certificates and backends. Whatever is not printable is escaped, so that no value can
//! start a line of its own, pass for another field, or speak to the terminal.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::timestamp::Timestamp;

/// Writes an event as one short line, with colours where the writer takes them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Human;

impl<S, N> FormatEvent<S, N> for Human
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = Line::default();
        event.record(&mut line);
        Timestamp.format_time(&mut writer)?;
        let level = event.metadata().level();
        if writer.has_ansi_escapes() {
            write!(writer, " {}{level:>5}{RESET} ", colour(*level))?;
        } else {
            write!(writer, " {level:>5} ")?;
        }
        // Of our own lines the message says enough; a library's line says where it comes from.
        let target = event.metadata().target();
        if !target.starts_with(env!("CARGO_CRATE_NAME")) {
            write!(writer, "{target}: ")?;
        }
        writeln!(writer, "{}{}", line.message, line.fields)
    }
}

/// The parts of a line, already escaped.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            push_escaped(&mut self.message, value);
            return;
        }
        self.fields.push(' ');
        self.fields.push_str(field.name());
        self.fields.push('=');
        push_value(&mut self.fields, value);
    }
}

/// Quotes `value` where it would not stand as one word.
fn push_value(text: &mut String, value: &str) {
    let word = |c: char| !c.is_whitespace() && !matches!(c, '"' | '=' | '\\') && is_printable(c);
    if !value.is_empty() && value.chars().all(word) {
        text.push_str(value);
        return;
    }
    text.push('"');
    for part in value.split_inclusive(['"', '\\']) {
        let quotable = part.char_indices().next_back().filter(|(_, c)| matches!(c, '"' | '\\'));
        match quotable {
            Some((end, c)) => {
                push_escaped(text, &part[..end]);
                text.extend(['\\', c]);
            }
            None => push_escaped(text, part),
        }
    }
    text.push('"');
}

/// Run by run: nearly every text is one whole run of printable characters. The access log escapes by another rule, to
/// ASCII: what it gets are bytes, in whatever encoding.
fn push_escaped(text: &mut String, mut value: &str) {
    while let Some(at) = value.find(|c| !is_printable(c)) {
        let (run, rest) = value.split_at(at);
        text.push_str(run);
        let mut rest = rest.chars();
        text.extend(rest.next().into_iter().flat_map(char::escape_default));
        value = rest.as_str();
    }
    text.push_str(value);
}

/// Neither a control character nor one that reorders or hides text around it, such as U+202E.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    // `escape_debug` leaves what is printable as it is.
    c.escape_debug().len() == 1
}

const RESET: &str = "\x1b[0m";

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stands_alone_and_a_sentence_is_quoted() {
        assert_eq!(value("www.example.com"), "www.example.com");
        assert_eq!(value("two words"), r#""two words""#);
        assert_eq!(value(""), r#""""#);
        assert_eq!(value("münchen"), "münchen");
    }

    #[test]
    fn a_value_cannot_pass_for_another_field_or_line() {
        assert_eq!(value("a level=ERROR"), r#""a level=ERROR""#);
        assert_eq!(value("a=b"), r#""a=b""#);
        assert_eq!(value("\"a\" b=\"c\""), r#""\"a\" b=\"c\"""#);
        assert_eq!(value("a\r\nERROR b"), r#""a\r\nERROR b""#);
    }

    #[test]
    fn a_value_cannot_speak_to_the_terminal() {
        assert_eq!(value("\x1b[2J\u{9b}\u{7f}\0"), r#""\u{1b}[2J\u{9b}\u{7f}\u{0}""#);
        assert_eq!(value("a b\x1b\x1bc d"), r#""a b\u{1b}\u{1b}c d""#);
        assert_eq!(value("\u{202e}txt.exe"), r#""\u{202e}txt.exe""#);
    }

    fn value(value: &str) -> String {
        let mut text = String::new();
        push_value(&mut text, value);
        text
    }
}
