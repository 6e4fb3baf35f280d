//! Where the subcommands that talk to a running fullchain find it.

use std::net::SocketAddr;

use super::flags::AdminArguments;
use super::{Ending, complain};
use crate::admin::Settings;
use crate::config::{self, Environment};

/// The address of the admin listener, from the flag, the variable, the config file or the default.
pub(super) fn address(arguments: &AdminArguments, environment: &Environment) -> Result<SocketAddr, Ending> {
    match config::load_admin(&arguments.flags, environment) {
        Ok(Settings::Asked(address) | Settings::Default(address)) => Ok(address),
        Ok(Settings::Off) => {
            eprintln!("the admin listener is off in this configuration: name another with --admin");
            Err(Ending::Bad)
        }
        Err(error) => Err(complain(&error)),
    }
}
