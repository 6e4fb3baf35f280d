//! `healthcheck`: is the fullchain of this configuration ready?

use super::arguments::HealthcheckArguments;
use super::{Ending, admin, complain, print};
use crate::admin::client::{self, Answer};
use crate::config::Environment;

pub(super) fn run(arguments: &HealthcheckArguments, environment: &Environment) -> Ending {
    let address = match admin::address(&arguments.admin, environment) {
        Ok(address) => address,
        Err(ending) => return ending,
    };
    match client::get(address, "/readyz", arguments.timeout) {
        Ok(Answer { status: 200, .. }) => print(b"ready\n"),
        Ok(Answer { status, body }) => {
            eprintln!("not ready: {} ({status})", body.lines().next().unwrap_or_default());
            Ending::Bad
        }
        Err(error) => complain(&error),
    }
}
