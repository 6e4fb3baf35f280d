//! `serve`: configuration, log, and then the proxy until it is told to end.

use super::arguments::ServeArguments;
use super::{Ending, complain, with_causes};
use crate::app;
use crate::config::{self, Environment, Machine};
use crate::telemetry::log;

pub(super) fn run(arguments: &ServeArguments, environment: &Environment) -> Ending {
    app::raise_descriptor_limit();
    let machine = Machine::here();
    let config = match config::load(&arguments.config.flags, environment, machine) {
        Ok(config) => config,
        Err(error) => return complain(&error),
    };
    // Kept to the end, so that the last lines are written.
    let _log = match log::install(&config.log) {
        Ok(guard) => guard,
        Err(error) => return complain(&error),
    };
    let (flags, environment) = (arguments.config.flags.clone(), environment.clone());
    let reconfigure = Box::new(move || config::load(&flags, &environment, machine));
    match app::serve(config, reconfigure) {
        Ok(()) => Ending::Well,
        Err(error) => {
            tracing::error!("{}", with_causes(&error));
            Ending::Bad
        }
    }
}
