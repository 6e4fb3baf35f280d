//! Which request goes where.

use super::alone::{alone, departure};
use super::client_limits::rate;
use super::headers;
use crate::config::error::{Fault, Place, Problem};
use crate::config::keys::nearest;
use crate::config::layer::Given;
use crate::config::precedence::Layers;
use crate::config::raw;
use crate::config::tables::Table;
use crate::config::units::BodyLimit;
use crate::config::value::Name;
use crate::proxy::WindowsAuth;
use crate::proxy::settings::{App, Backend, HostPattern, PathPrefix, Route};

/// Resolves every route to one of `backends`; `body_bytes` is the limit where a route does not say. Where nobody writes a default route there is one to the default backend,
/// if there is that.
pub(super) fn routes(said: &mut Layers, backends: &[Backend], body_bytes: BodyLimit) -> Vec<Route> {
    let mut faults = Vec::new();
    let mut tables = Table::of_file(said, |raw| &raw.route);
    if let Some(names) = Table::of_names(said, |raw| &raw.route) {
        match tables.iter().position(is_default) {
            Some(at) => {
                let default = tables.remove(at).under(names);
                tables.insert(at, default);
            }
            None => tables.push(names),
        }
    }
    let mut routes = Vec::new();
    let mut taken = Taken::default();
    for table in &tables {
        let before = faults.len();
        let route = route(table, backends, body_bytes, &mut faults);
        // What could not be read would otherwise be taken for every host and path.
        if faults.len() == before {
            taken.note(&route, table, &mut faults);
        }
        routes.push(route);
    }
    match backends.first() {
        Some(default) if default.name.is_empty() && !routes.iter().any(Route::is_default) => routes.push(Route {
            headers: headers::defaults(),
            body_bytes: body_bytes.0,
            ..Route::to(0)
        }),
        Some(named) if routes.is_empty() => {
            let problem = Problem::new("no route leads to a backend")
                .hint(format!("write a [[route]] with backend = {:?}", named.name));
            faults.push(problem.at(Place::Missing("route")));
        }
        _ => {}
    }
    said.faults.extend(faults);
    routes
}

fn is_default(table: &Table<'_, raw::Route>) -> bool {
    let none = &mut Vec::new();
    table
        .many(|table| &table.host, none)
        .is_none_or(|hosts| hosts.is_empty())
        && table
            .many(|table| &table.path, none)
            .is_none_or(|paths| paths.is_empty())
        && none.is_empty()
}

fn route(table: &Table<'_, raw::Route>, backends: &[Backend], body_bytes: BodyLimit, faults: &mut Vec<Fault>) -> Route {
    let hosts = table.many(|table| &table.host, faults).unwrap_or_default();
    let before = faults.len();
    let paths = table.many(|table| &table.path, faults).unwrap_or_default();
    let is_readable = faults.len() == before;
    let strip_prefix = table.one(|table| &table.strip_prefix, faults);
    if paths.is_empty() && is_readable {
        alone(
            [departure(&strip_prefix, &false)],
            "this route is found by no path that could be taken off",
            "say which it begins with: path = \"/app\"",
            faults,
        );
    }
    let add_prefix = table.one(|table| &table.add_prefix, faults);
    let body_limit = table.one(|table| &table.body_bytes, faults);
    let backend = table.one(|table| &table.backend, faults);
    let windows_auth = table.one(|table| &table.windows_auth, faults);
    let per_second = table.one(|table| &table.requests_per_second, faults);
    let burst = table.one(|table| &table.requests_burst, faults);
    let rpc_over_http = table.one(|table| &table.rpc_over_http, faults);
    let headers = headers::rules(table, faults);
    Route {
        hosts: hosts.into_iter().map(|given| given.value).collect(),
        paths: paths.into_iter().map(|given| given.value).collect(),
        strip_prefix: strip_prefix.is_some_and(|given| given.value),
        add_prefix: add_prefix.map(|given| given.value),
        rpc_over_http: rpc_over_http.map_or_else(|| headers.app == Some(App::Exchange), |given| given.value),
        headers,
        requests: rate(per_second, burst, faults),
        windows_auth: windows_auth.map_or_else(WindowsAuth::default, |given| given.value),
        body_bytes: body_limit.map_or(body_bytes, |given| given.value).0,
        ..Route::to(position(backend, table, backends, faults))
    }
}

/// Where the route's backend stands in `backends`.
fn position(
    backend: Option<Given<Name>>,
    table: &Table<'_, raw::Route>,
    backends: &[Backend],
    faults: &mut Vec<Fault>,
) -> usize {
    let position = match &backend {
        Some(given) => named(given, backends),
        None => {
            let default = backends.iter().position(|backend| backend.name.is_empty());
            default.ok_or_else(|| {
                Problem::new("a route without a backend, and there is no default backend")
                    .hint("name one: backend = \"...\", or give `upstream`")
                    .at(table.place().cloned().unwrap_or(Place::Missing("route.backend")))
            })
        }
    };
    position.unwrap_or_else(|fault| {
        faults.push(fault);
        0
    })
}

/// Where the backend of this name stands in `backends`.
pub(super) fn named(given: &Given<Name>, backends: &[Backend]) -> Result<usize, Fault> {
    let name = &*given.value.0;
    let known = || {
        backends
            .iter()
            .map(|backend| &*backend.name)
            .filter(|name| !name.is_empty())
    };
    let position = backends.iter().position(|backend| &*backend.name == name);
    position.ok_or_else(|| {
        let problem = Problem::new(format!("there is no [[backend]] with the name {name:?}"));
        let problem = match (nearest(name, known()), known().next()) {
            (Some(near), _) => problem.hint(format!("did you mean {near:?}?")),
            (None, None) => problem.hint(format!("write one: [[backend]] with name = {name:?} and a url")),
            (None, Some(_)) => problem.hint(format!("there are {}", known().collect::<Vec<_>>().join(", "))),
        };
        problem.at(given.place.clone())
    })
}

/// What routes take, so that no two take the same.
#[derive(Default)]
struct Taken(Vec<(Option<HostPattern>, PathPrefix, Place)>);

impl Taken {
    fn note(&mut self, route: &Route, table: &Table<'_, raw::Route>, faults: &mut Vec<Fault>) {
        let place = table.place().cloned().unwrap_or(Place::Missing("route"));
        let hosts: Vec<_> = match route.hosts.is_empty() {
            true => vec![None],
            false => route.hosts.iter().cloned().map(Some).collect(),
        };
        let paths = match route.paths.is_empty() {
            true => vec![PathPrefix::root()],
            false => route.paths.clone(),
        };
        let each = hosts.iter().flat_map(|host| paths.iter().map(move |path| (host, path)));
        let mut noted = Vec::new();
        for (host, path) in each {
            match self.0.iter().find(|(other, prefix, _)| other == host && prefix == path) {
                Some((_, _, first)) => {
                    let host = host
                        .as_ref()
                        .map_or_else(|| "every host".to_owned(), ToString::to_string);
                    let problem = Problem::new(format!("{host} with {path} is taken already, by {first}"));
                    faults.push(problem.at(place.clone()));
                }
                None => noted.push((host.clone(), path.clone(), place.clone())),
            }
        }
        self.0.extend(noted);
    }
}
