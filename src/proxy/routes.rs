//! Which route a request takes.
//!
//! First by host: the routes that name it, then those of the longest domain it is under, then those for every host.
//! Among these by path: the longest prefix. Where none of a host's routes takes the path, those of the next less
//! specific host are asked. Costs a hash lookup per label of the host, and no allocation for a host in lower case.

use std::borrow::Cow;
use std::collections::HashMap;

use super::headers::Refusal;
use super::metrics::{Metrics, RouteMetrics};
use super::path::{normalised, read_loosely};
use super::settings::{HostPattern, PathPrefix, Route};
use crate::telemetry::metrics::PerWorker;

/// Every route, by host.
#[derive(Debug)]
pub(super) struct Routes {
    routes: Vec<Route>,
    /// What is counted of each of them.
    metrics: Vec<PerWorker<RouteMetrics>>,
    exact: HashMap<Box<str>, ByPath>,
    under: HashMap<Box<str>, ByPath>,
    any: ByPath,
    /// Whether any route is for HTTP/1.1 alone.
    any_without_http2: bool,
}

/// Routes with the prefixes they take, longest first; of equal ones the one that is written first.
#[derive(Debug, Default)]
struct ByPath {
    routes: Vec<(PathPrefix, usize)>,
    /// Whether any of them asks for a path, or is put before one, which dot segments could climb out of.
    matters: bool,
}

/// A route, and the prefix it was found by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) route: &'a Route,
    pub(super) prefix: &'a PathPrefix,
    /// Its position in [`Settings::routes`](super::settings::Settings::routes); `None` where it is none of those.
    pub(super) position: Option<usize>,
}

impl Routes {
    /// The table of `routes`, whose requests are counted in `metrics`.
    pub(super) fn new(routes: &[Route], metrics: &Metrics) -> Self {
        let mut table = Self {
            routes: routes.to_vec(),
            metrics: routes.iter().map(|route| metrics.of_route(route)).collect(),
            exact: HashMap::new(),
            under: HashMap::new(),
            any: ByPath::default(),
            any_without_http2: routes.iter().any(Route::is_without_http2),
        };
        for (index, route) in routes.iter().enumerate() {
            if route.hosts.is_empty() {
                table.any.add(route, index);
            }
            for host in &route.hosts {
                let by_path = match host {
                    HostPattern::Exact(name) => table.exact.entry(name.clone()),
                    HostPattern::Under(domain) => table.under.entry(domain.clone()),
                };
                by_path.or_default().add(route, index);
            }
        }
        table
    }

    /// The route of a request to `host` (without its port) for `path`; `None` where no route takes it.
    ///
    /// # Errors
    ///
    /// [`Refusal::Path`] where routes differ by path and this one could be read in different ways.
    pub(super) fn find(&self, host: Option<&[u8]>, path: &str) -> Result<Option<Found<'_>>, Refusal> {
        let matters = self.by_path_of(host).any(|by_path| by_path.matters);
        let path = match matters {
            true => normalised(path)?,
            false => Cow::Borrowed(path),
        };
        let found = self.position(host, &path);
        let index = |found: Option<(&PathPrefix, usize)>| found.map(|(_, index)| index);
        let leads_elsewhere = |path: String| index(self.position(host, &path)) != index(found);
        if matters && read_loosely(&path).any(leads_elsewhere) {
            return Err(Refusal::Path);
        }
        Ok(found.and_then(|(prefix, index)| {
            let route = self.routes.get(index)?;
            Some(Found {
                route,
                prefix,
                position: Some(index),
            })
        }))
    }

    /// What is counted of the route at `position`.
    pub(super) fn metrics(&self, position: usize) -> Option<&PerWorker<RouteMetrics>> {
        self.metrics.get(position)
    }

    /// Where the route stands that takes `path`, and by which prefix.
    fn position(&self, host: Option<&[u8]>, path: &str) -> Option<(&PathPrefix, usize)> {
        let mut found = self.by_path_of(host).filter_map(|candidate| candidate.find(path));
        found.next().map(|(prefix, index)| (prefix, *index))
    }

    /// The routes for `host`, most specific first.
    fn by_path_of(&self, host: Option<&[u8]>) -> impl Iterator<Item = &ByPath> {
        self.of_host(host).into_iter().flatten().chain([&self.any])
    }

    /// Whether a request to `host`, by whatever path, may take a route that is for HTTP/1.1 alone: then no client should
    /// be offered HTTP/2 for it.
    pub(super) fn are_without_http2(&self, host: Option<&str>) -> bool {
        if !self.any_without_http2 {
            return false;
        }
        let named = self.of_host(host.map(str::as_bytes)).into_iter().flatten();
        for candidate in named.chain([&self.any]) {
            let mut routes = candidate.routes.iter().filter_map(|(_, index)| self.routes.get(*index));
            if routes.any(Route::is_without_http2) {
                return true;
            }
            if candidate.find("/").is_some() {
                break;
            }
        }
        false
    }

    /// The routes that name `host`, most specific first.
    fn of_host<'a>(&'a self, host: Option<&[u8]>) -> Option<impl Iterator<Item = &'a ByPath>> {
        if self.exact.is_empty() && self.under.is_empty() {
            return None;
        }
        let host = std::str::from_utf8(host?).ok()?;
        let host = host.strip_suffix('.').unwrap_or(host);
        let host = match host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Cow::Owned(host.to_ascii_lowercase()),
            false => Cow::Borrowed(host),
        };
        let exact = self.exact.get(&*host);
        let domains = host
            .match_indices('.')
            .filter_map(|(dot, _)| self.under.get(host.get(dot + 1..)?));
        // At most one for each label: they are collected so that the host can go.
        let named: Vec<&ByPath> = exact.into_iter().chain(domains).collect();
        Some(named.into_iter())
    }
}

impl ByPath {
    fn add(&mut self, route: &Route, index: usize) {
        let root = PathPrefix::root();
        let all = match route.paths.as_slice() {
            [] => std::slice::from_ref(&root),
            paths => paths,
        };
        self.matters |= !route.paths.is_empty() || route.add_prefix.is_some();
        self.routes.extend(all.iter().map(|path| (path.clone(), index)));
        // Stable: what is written first stays first.
        self.routes
            .sort_by_key(|(path, _)| std::cmp::Reverse(path.as_str().len()));
    }

    fn find(&self, path: &str) -> Option<&(PathPrefix, usize)> {
        self.routes.iter().find(|(prefix, _)| prefix.takes(path))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::proxy::WindowsAuth;

    fn metrics() -> Metrics {
        Metrics::new(NonZeroUsize::MIN)
    }

    #[test]
    fn the_most_specific_host_and_then_the_longest_path_win() {
        let routes = table(&[
            (&[], &[]),
            (&["a.test"], &[]),
            (&["a.test"], &["/app", "/api/v1"]),
            (&["*.b.test"], &[]),
            (&["*.deep.b.test"], &["/x"]),
            (&[], &["/health"]),
        ]);
        for (host, path, expected) in [
            ("other.test", "/", 0),
            ("other.test", "/health", 5),
            ("a.test", "/", 1),
            ("A.Test.", "/app/x", 2),
            ("a.test", "/api/v1", 2),
            ("a.test", "/api", 1),
            // The host's own route for every path goes before another host's for this one.
            ("a.test", "/health", 1),
            ("x.b.test", "/", 3),
            ("y.x.b.test", "/", 3),
            ("b.test", "/", 0),
            ("x.deep.b.test", "/x", 4),
            ("x.deep.b.test", "/y", 3),
        ] {
            assert_eq!(at(&routes, Some(host), path), Ok(Some(expected)), "{host}{path}");
        }
        assert_eq!(at(&routes, None, "/"), Ok(Some(0)));
    }

    #[test]
    fn what_no_route_takes_has_none() {
        let routes = table(&[(&["a.test"], &["/app"])]);
        assert_eq!(at(&routes, Some("a.test"), "/"), Ok(None));
        assert_eq!(at(&routes, Some("b.test"), "/app"), Ok(None));
        assert_eq!(at(&routes, Some("a.test"), "//app/x"), Ok(Some(0)));
    }

    #[test]
    fn an_ambiguous_path_is_refused_where_routes_differ_by_path_and_nowhere_else() {
        let by_path = table(&[(&[], &["/public"]), (&[], &["/"])]);
        assert_eq!(at(&by_path, None, "/public/..%2fadmin"), Err(Refusal::Path));
        let by_host = table(&[(&["a.test"], &[]), (&[], &[])]);
        assert_eq!(at(&by_host, Some("a.test"), "/public/../x"), Ok(Some(0)));
    }

    #[test]
    fn a_host_is_without_http2_where_one_of_its_routes_is() {
        let route = |hosts: &[&str], paths: &[&str], windows_auth| Route {
            hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
            paths: paths.iter().map(|path| path.parse().unwrap()).collect(),
            windows_auth,
            ..Route::to(0)
        };
        let (http1, detect) = (WindowsAuth::Http1, WindowsAuth::Detect);
        let by_path = Routes::new(
            &[
                route(&["a.test"], &["/ews"], http1),
                route(&["a.test"], &[], detect),
                route(&["*.b.test"], &[], http1),
                route(&["plain.b.test"], &[], detect),
                route(&["part.b.test"], &["/x"], detect),
                route(&[], &[], detect),
            ],
            &metrics(),
        );
        for (host, expected) in [
            (Some("a.test"), true),
            (Some("c.b.test"), true),
            (Some("plain.b.test"), false),
            // What its own route does not take goes to that of the domain.
            (Some("part.b.test"), true),
            (Some("other.test"), false),
            (None, false),
        ] {
            assert_eq!(by_path.are_without_http2(host), expected, "{host:?}");
        }
        let everywhere = Routes::new(&[route(&[], &[], http1), route(&["a.test"], &[], detect)], &metrics());
        assert!(everywhere.are_without_http2(None) && everywhere.are_without_http2(Some("b.test")));
        assert!(!everywhere.are_without_http2(Some("a.test")));
    }

    #[test]
    fn a_path_that_some_servers_would_read_as_that_of_another_route_is_refused() {
        let routes = table(&[(&[], &["/admin"]), (&[], &[])]);
        for path in [
            "/admin\\x",
            "/admin%5Cx",
            "/admin%2Fx",
            "/admin;v=1/x",
            "/;a/admin",
            "/;%2Fq/admin",
        ] {
            assert_eq!(at(&routes, None, path), Err(Refusal::Path), "{path}");
        }
        // The same route, however it is read.
        for (path, position) in [
            ("/api/group%2Fproject", 1),
            ("/admin/a;b/c%2Fd", 0),
            ("/x;jsessionid=1", 1),
        ] {
            assert_eq!(at(&routes, None, path), Ok(Some(position)), "{path}");
        }
    }

    #[test]
    fn nothing_climbs_out_of_a_prefix_that_is_put_before_the_path() {
        let prefixed = Route {
            add_prefix: Some("/tenant1".parse().unwrap()),
            ..Route::to(0)
        };
        let routes = Routes::new(&[prefixed], &metrics());
        for path in ["/../tenant2/x", "/%2e%2e/tenant2/x", "/..;/tenant2/x"] {
            assert_eq!(at(&routes, None, path), Err(Refusal::Path), "{path}");
        }
        assert_eq!(at(&routes, None, "/x"), Ok(Some(0)));
    }

    fn table(routes: &[(&[&str], &[&str])]) -> Routes {
        let route = |(hosts, paths): &(&[&str], &[&str])| Route {
            hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
            paths: paths.iter().map(|path| path.parse().unwrap()).collect(),
            ..Route::to(0)
        };
        let routes: Vec<Route> = routes.iter().map(route).collect();
        Routes::new(&routes, &metrics())
    }

    /// The position of the route found.
    fn at(routes: &Routes, host: Option<&str>, path: &str) -> Result<Option<usize>, Refusal> {
        let found = routes.find(host.map(str::as_bytes), path)?;
        Ok(found.and_then(|found| routes.routes.iter().position(|route| std::ptr::eq(route, found.route))))
    }
}
