//! Temporary.

use super::Ending;
use super::arguments::CheckArguments;
use super::complain;
use crate::config::{self, Environment, Machine};

pub(super) fn run(arguments: &CheckArguments, environment: &Environment) -> Ending {
    match config::load(&arguments.config.flags, environment, Machine::here()) {
        Ok(_) => Ending::Incomplete,
        Err(error) => complain(&error),
    }
}
