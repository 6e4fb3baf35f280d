//! `serve`: configuration, log, and then the proxy until it is told to end.

use super::arguments::ServeArguments;
use super::{Ending, complain, with_causes};
use crate::app;
use crate::config::{self, Environment, Machine};
use crate::telemetry::log;

pub(super) fn run(arguments: &ServeArguments, environment: &Environment) -> Ending {
    let config = match config::load(&arguments.config.flags, environment, Machine::here()) {
        Ok(config) => config,
        Err(error) => return complain(&error),
    };
    // Kept to the end, so that the last lines are written.
    let _log = match log::install(&config.log) {
        Ok(guard) => guard,
        Err(error) => return complain(&error),
    };
    match app::serve(config) {
        Ok(()) => Ending::Well,
        Err(error) => {
            tracing::error!("{}", with_causes(&error));
            Ending::Bad
        }
    }
}
