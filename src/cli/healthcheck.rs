//! `healthcheck`: is the fullchain of this configuration ready?

use super::arguments::HealthcheckArguments;
use super::{Ending, admin, complain, print};
use crate::admin::client::{self, Answer};
use crate::config::Environment;

pub(super) fn run(arguments: &HealthcheckArguments, environment: &Environment) -> Ending {
    let admin = match admin::target(&arguments.admin, environment) {
        Ok(admin) => admin,
        Err(ending) => return ending,
    };
    match client::get(admin, "/readyz", arguments.timeout) {
        Ok(Answer { status: 200, .. }) => print(b"ready\n"),
        Ok(Answer { status, body }) => {
            eprintln!("not ready: {} ({status})", body.lines().next().unwrap_or_default());
            Ending::Bad
        }
        Err(error) => complain(&error),
    }
}
