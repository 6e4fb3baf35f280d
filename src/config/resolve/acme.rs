//! Who answers ACME's http-01.

use super::routes::named;
use crate::config::error::Problem;
use crate::config::layer::Given;
use crate::config::precedence::Layers;
use crate::proxy::settings::{Acme, Backend};

/// Resolves who answers http-01: a directory, one of `backends`, or nobody.
pub(super) fn acme(said: &mut Layers, backends: &[Backend]) -> Acme {
    let directory = said.one(|raw| &raw.acme_directory);
    let backend = said.one(|raw| &raw.acme_backend);
    match (directory, backend) {
        (None, None) => Acme::Off,
        (Some(directory), None) => Acme::Directory(Given::path(directory).into()),
        (None, Some(backend)) => match named(&backend, backends) {
            Ok(position) => Acme::to_backend(position),
            Err(fault) => {
                said.faults.push(fault);
                Acme::Off
            }
        },
        (Some(_), Some(backend)) => {
            let problem = Problem::new("an acme_directory is given too").hint("one of the two answers; leave one out");
            said.faults.push(problem.at(backend.place));
            Acme::Off
        }
    }
}
