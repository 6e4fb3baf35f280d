//! Where the subcommands that talk to a running fullchain find it.

use super::flags::AdminArguments;
use super::{Ending, complain};
use crate::admin::Address;
use crate::admin::client::Target;
use crate::config::{self, Environment};

/// The admin listener, from the flags, the variables, the config file or the default, and the token that it takes.
pub(super) fn target(arguments: &AdminArguments, environment: &Environment) -> Result<Target, Ending> {
    let settings = config::load_admin(&arguments.flags, environment).map_err(|error| complain(&error))?;
    let token = settings.token;
    match settings.address {
        Address::Asked(address) | Address::Default(address) => Ok(Target { address, token }),
        Address::Off => {
            eprintln!("the admin listener is off in this configuration: name another with --admin");
            Err(Ending::Bad)
        }
    }
}
