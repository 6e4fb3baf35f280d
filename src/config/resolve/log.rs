//! What is logged, how and where.

use super::one;
use crate::config::error::Place;
use crate::config::layer::Given;
use crate::config::precedence::Layers;
use crate::proxy::{AccessFormat, AccessLog, Redaction};
use crate::telemetry::log::{Filter, Format, Settings};

/// The log on standard error.
pub(super) fn settings(said: &mut Layers) -> Settings {
    Settings {
        format: one(said, |raw| &raw.log.format, Format::Auto),
        level: one(said, |raw| &raw.log.level, Filter::default()),
    }
}

/// The access log, and where its file is named if it has one.
pub(super) fn access(said: &mut Layers) -> (AccessLog, Option<Place>) {
    let file = said.one(|raw| &raw.log.access_file);
    let place = file.as_ref().map(|file| file.place.clone());
    let redacted = said.many(|raw| &raw.log.redact_query);
    let access_log = AccessLog {
        wanted: one(said, |raw| &raw.log.access, true),
        format: one(said, |raw| &raw.log.access_format, AccessFormat::Auto),
        file: file.map(Given::path),
        redaction: redacted.map_or_else(Redaction::default, |names| {
            Redaction::of(names.iter().map(|name| name.value.as_str()))
        }),
    };
    (access_log, place)
}
