//! The log subscriber: human on a terminal, JSON otherwise, always on standard error.

use std::fmt;
use std::io::{self, IsTerminal};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use super::human::Human;
use super::queue::Queue;
use super::timestamp::Timestamp;

/// What the operator says about logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How a line looks.
    pub format: Format,
    /// Which lines there are.
    pub level: Filter,
}

/// Which events become lines: a filter in the syntax of `tracing_subscriber::EnvFilter`, such as `info` or
/// `info,fullchain::reload=debug`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(String);

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Human on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log was installed before.
    #[error("a log is installed already")]
    Installed(#[source] SetGlobalDefaultError),
    /// The filter is not one.
    #[error("`{text}` is no log filter")]
    Filter {
        /// What was configured.
        text: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// One part of the filter would select a target of that name, and nothing else: most often a misspelt level.
    #[error(
        "`{directive}` in the log filter is neither a level (error, warn, info, debug, trace, off) nor target=level"
    )]
    Level {
        /// The part of the filter.
        directive: String,
    },
    /// The thread that writes lines cannot be started.
    #[error("the log's thread cannot be started")]
    Thread(#[source] io::Error),
}

/// Writes out, when dropped, what is still on its way to standard error; waits a second at most.
///
/// Lines logged after that are still written, only nobody waits for them.
#[derive(Debug)]
pub struct Guard {
    queue: Arc<Queue>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.queue.flush(Duration::from_secs(1));
    }
}

/// Sends every event of the process that passes the filter to standard error. Logging never waits for its reader.
///
/// Keep the guard to the end of `main`, so that the last lines are not lost.
///
/// # Errors
///
/// [`Error`] where the filter is none, or a log was installed before.
pub fn install(settings: &Settings) -> Result<Guard, Error> {
    let filter = settings.level.build()?;
    let terminal = io::stderr().is_terminal();
    let queue = Queue::to("log", io::stderr()).map_err(Error::Thread)?;
    let look = match settings.format {
        Format::Auto if !terminal => Look::Json,
        Format::Auto | Format::Human => Look::Human { colours: terminal },
        Format::Json => Look::Json,
    };
    let subscriber = subscriber(look, filter, Arc::clone(&queue));
    tracing::subscriber::set_global_default(subscriber).map_err(Error::Installed)?;
    Ok(Guard { queue })
}

/// [`Format`], once it is known what standard error is.
#[derive(Clone, Copy)]
enum Look {
    Human { colours: bool },
    Json,
}

impl Default for Filter {
    /// `info`
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Filter {
    type Err = Error;

    /// Reads a filter, which may have spaces around its commas.
    ///
    /// # Errors
    ///
    /// [`Error::Filter`] and [`Error::Level`].
    fn from_str(text: &str) -> Result<Self, Error> {
        let directives: Vec<&str> = text.split(',').map(str::trim).collect();
        let filter = Self(directives.join(","));
        filter.build()?;
        match directives.into_iter().find(|directive| !selects_a_level(directive)) {
            None => Ok(filter),
            Some(directive) => Err(Error::Level {
                directive: directive.to_owned(),
            }),
        }
    }
}

impl Filter {
    /// An [`EnvFilter`] cannot be cloned or compared, as settings are.
    fn build(&self) -> Result<EnvFilter, Error> {
        EnvFilter::builder().parse(&self.0).map_err(|source| Error::Filter {
            text: self.0.clone(),
            source,
        })
    }
}

/// `tracing_subscriber` takes a word it does not know for the name of a module and then logs that module alone, so a
/// misspelt level would silence everything: a word alone has to be a level here.
fn selects_a_level(directive: &str) -> bool {
    let is_level = |word: &str| !word.is_empty() && word.parse::<LevelFilter>().is_ok();
    match directive.rsplit_once('=') {
        Some((target, level)) if !directive.ends_with(['}', ']']) => !target.is_empty() && is_level(level),
        _ => directive.contains('[') || is_level(directive),
    }
}

fn subscriber(look: Look, filter: EnvFilter, queue: Arc<Queue>) -> Box<dyn Subscriber + Send + Sync> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(queue)
        // Would go to standard error with a macro that panics where it is closed.
        .log_internal_errors(false);
    match look {
        Look::Human { colours } => Box::new(builder.with_ansi(colours).event_format(Human).finish()),
        Look::Json => Box::new(
            builder
                .with_timer(Timestamp)
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false)
                .finish(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::telemetry::queue::tests::text;

    const HUMAN: Look = Look::Human { colours: false };

    #[test]
    fn a_human_line_is_time_level_message_and_fields() {
        let line = logged(HUMAN, "info", || {
            tracing::info!(names = "a.test b.test", serial = %"0a1b", days = 3, "certificate renewed");
        });
        let (time, rest) = line.split_at("2026-11-22T15:04:05.123Z".len());
        assert!(time.ends_with('Z'), "{line}");
        assert_eq!(
            rest,
            "  INFO certificate renewed names=\"a.test b.test\" serial=0a1b days=3\n"
        );
    }

    #[test]
    fn a_json_line_is_one_flat_object() {
        let line = logged(
            Look::Json,
            "info",
            || tracing::warn!(port = 443, name = %"a.test", "no identity"),
        );
        let object: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["level"], "WARN");
        assert_eq!(object["message"], "no identity");
        assert_eq!(object["target"], module_path!());
        assert_eq!(object["port"], 443);
        assert_eq!(object["name"], "a.test");
        assert!(object["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn no_value_starts_a_line_or_speaks_to_the_terminal() {
        for look in [HUMAN, Look::Json] {
            let line = logged(look, "info", || {
                tracing::info!(path = "/\r\n\x1b[2J", agent = %"a\nb", debug = ?"c\nd", "message\nof a peer");
            });
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert!(
                line.ends_with('\n') && !line.trim_end().contains(char::is_control),
                "{line}"
            );
        }
    }

    #[test]
    fn colours_are_for_terminals() {
        let event = || tracing::error!("message");
        assert!(!logged(HUMAN, "info", event).contains('\x1b'));
        assert!(logged(Look::Human { colours: true }, "info", event).contains("\x1b[31mERROR\x1b[0m message"));
    }

    #[test]
    fn a_librarys_line_names_the_library() {
        let line = logged(HUMAN, "info", || tracing::info!(target: "h2::codec", "frame"));
        assert!(line.ends_with("  INFO h2::codec: frame\n"), "{line}");
    }

    #[test]
    fn the_filter_selects_by_level_and_target() {
        let events = || {
            tracing::debug!(target: "fullchain::reload", "seen");
            tracing::debug!(target: "fullchain::proxy", "unseen");
        };
        let lines = logged(HUMAN, "info,fullchain::reload=debug", events);
        assert!(lines.contains("seen") && !lines.contains("unseen"), "{lines}");
    }

    #[test]
    fn a_bad_filter_is_named() {
        let error = "info,fullchain=loud".parse::<Filter>().unwrap_err();
        assert_eq!(error.to_string(), "`info,fullchain=loud` is no log filter");
        let error = "inof, fullchain::reload=debug".parse::<Filter>().unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("`inof` in the log filter is neither a level"),
            "{error}"
        );
    }

    #[test]
    fn levels_targets_and_fields_are_filters() {
        for text in [
            "info",
            "WARN",
            "off",
            "info,h2=off",
            "warn,fullchain::reload=debug",
            "info,fullchain[request{host=a}]=debug",
            "info,fullchain[request{host=a}]",
        ] {
            assert!(text.parse::<Filter>().is_ok(), "{text}");
        }
    }

    #[test]
    fn a_misspelt_or_missing_level_is_refused() {
        for text in [
            "",
            "inof",
            "info,",
            "fullchain",
            "fullchain=loud",
            "fullchain=",
            "=info",
            "info debug",
        ] {
            assert!(text.parse::<Filter>().is_err(), "{text}");
        }
    }

    #[test]
    fn spaces_after_commas_do_not_matter() {
        assert_eq!("info, h2=off".parse::<Filter>().unwrap().to_string(), "info,h2=off");
    }

    fn logged(look: Look, level: &str, events: impl FnOnce()) -> String {
        let queue = Arc::new(Queue::default());
        let subscriber = subscriber(
            look,
            level.parse::<Filter>().unwrap().build().unwrap(),
            Arc::clone(&queue),
        );
        tracing::subscriber::with_default(subscriber, events);
        text(&queue)
    }
}
