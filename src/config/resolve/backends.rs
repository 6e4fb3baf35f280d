//! Where requests go: `upstream` and the tables become one list.

use std::time::Duration;

use super::choice::{choice, default_choice};
use super::delivery::delivery;
use super::protocol::protocol;
use super::{SHORTEST_TIMEOUT, timeout};
use crate::config::error::{Fault, Place, Problem};
use crate::config::layer::Given;
use crate::config::precedence::Layers;
use crate::config::raw;
use crate::config::setting::Setting;
use crate::config::tables::Table;
use crate::config::units::duration_text;
use crate::proxy::settings::{Backend, BackendTimeouts, ServerAddress};

/// Resolves every backend; that without a name comes first, if there is one. Two of one name are a fault.
pub(super) fn backends(said: &mut Layers) -> Vec<Backend> {
    let timeouts = BackendTimeouts {
        connect: timeout(said, |raw| &raw.timeouts.connect, 3),
        first_byte: timeout(said, |raw| &raw.timeouts.first_byte, 60),
        idle: timeout(said, |raw| &raw.timeouts.upstream_idle, 4),
        progress: timeout(said, |raw| &raw.timeouts.body, 60),
    };
    let faults_before = said.faults.len();
    let upstream = said.many(|raw| &raw.upstream);
    let upstream_is_faulty = said.faults.len() > faults_before;
    let readable = upstream.clone().filter(|_| !upstream_is_faulty);
    let mut faults = Vec::new();
    let (mut named, mut unnamed): (Vec<_>, Vec<_>) = Table::of_file(said, |raw| &raw.backend)
        .into_iter()
        .partition(|table| table.one(|table| &table.name, &mut Vec::new()).is_some());
    if let Some(names) = Table::of_names(said, |raw| &raw.backend) {
        match (names.one(|table| &table.name, &mut Vec::new()), unnamed.pop()) {
            (Some(_), default) => {
                named.push(names);
                unnamed.extend(default);
            }
            (None, Some(default)) => unnamed.push(default.under(names)),
            (None, None) => unnamed.push(names),
        }
    }
    let mut resolved: Vec<(Backend, Option<Place>)> = Vec::new();
    let default = unnamed
        .first()
        .map(|table| backend(table, readable.clone(), timeouts, &mut faults));
    match (default, upstream) {
        (Some(default), _) => resolved.push((default, unnamed.first().and_then(Table::place).cloned())),
        (None, Some(servers)) => {
            let backend = Backend {
                choice: default_choice(),
                ..Backend::new("", addresses(servers), timeouts)
            };
            resolved.push((backend, None));
        }
        (None, None) if named.is_empty() && !upstream_is_faulty => {
            faults.push(
                Problem::new("no upstream is given")
                    .hint(NO_UPSTREAM)
                    .at(Place::Missing("upstream")),
            );
        }
        (None, None) => {}
    }
    for other in unnamed.iter().skip(1) {
        let problem =
            Problem::new("a second backend without a name").hint("give it a name, so that a route can say it");
        faults.push(problem.at(other.place().cloned().unwrap_or(Place::Missing("backend.name"))));
    }
    for table in &named {
        let place = table.one(|table| &table.name, &mut faults).map(|given| given.place);
        let backend = backend(table, None, timeouts, &mut faults);
        match resolved.iter().find(|(other, _)| other.name == backend.name) {
            Some((_, first)) => {
                let first = first.as_ref().map(|first| format!(", by {first}")).unwrap_or_default();
                let problem = Problem::new(format!("the name is taken already{first}"));
                faults.extend(place.map(|place| problem.at(place)));
            }
            None => resolved.push((backend, place)),
        }
    }
    let is_quiet = faults.is_empty() && !upstream_is_faulty;
    said.faults.extend(faults);
    for (backend, place) in resolved
        .iter()
        .filter(|(backend, _)| backend.servers.is_empty() && is_quiet)
    {
        let (hint, missing) = match backend.name.is_empty() {
            true => (NO_UPSTREAM, "upstream"),
            false => ("say where it is: url = \"http://127.0.0.1:8080\"", "backend.url"),
        };
        let problem = Problem::new("no upstream is given").hint(hint);
        said.faults
            .push(problem.at(place.clone().unwrap_or(Place::Missing(missing))));
    }
    resolved.into_iter().map(|(backend, _)| backend).collect()
}

/// What to do where nobody said where requests go.
const NO_UPSTREAM: &str =
    "say where requests go: upstream = \"http://127.0.0.1:8080\", --upstream or FULLCHAIN_UPSTREAM";

/// One backend; `servers` are those it has where its table names none.
fn backend(
    table: &Table<'_, raw::Backend>,
    servers: Option<Vec<Given<ServerAddress>>>,
    of_all: BackendTimeouts,
    faults: &mut Vec<Fault>,
) -> Backend {
    let name = table.one(|table| &table.name, faults);
    let before = faults.len();
    // Of servers some of which cannot be read nothing else can be said.
    let servers = table
        .many(|table| &table.url, faults)
        .or(servers)
        .filter(|_| faults.len() == before);
    let mut timeout = |pick: fn(&raw::Backend) -> &Setting<Duration>, of_all| {
        let Some(given) = table.one(pick, faults) else {
            return of_all;
        };
        if given.value < SHORTEST_TIMEOUT {
            let problem = Problem::new(format!("must be at least {}", duration_text(SHORTEST_TIMEOUT)));
            faults.push(problem.at(given.place));
        }
        given.value
    };
    let timeouts = BackendTimeouts {
        connect: timeout(|table| &table.connect_timeout, of_all.connect),
        first_byte: timeout(|table| &table.first_byte_timeout, of_all.first_byte),
        idle: timeout(|table| &table.idle_timeout, of_all.idle),
        progress: timeout(|table| &table.progress_timeout, of_all.progress),
    };
    let servers = servers.unwrap_or_default();
    let name = name.map(|given| given.value.0).unwrap_or_default();
    Backend {
        delivery: delivery(table, faults),
        protocol: protocol(table, &servers, faults),
        choice: choice(table, servers.len(), faults),
        ..Backend::new(name, addresses(servers), timeouts)
    }
}

fn addresses(given: Vec<Given<ServerAddress>>) -> Vec<ServerAddress> {
    given.into_iter().map(|given| given.value).collect()
}
