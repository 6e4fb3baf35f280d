//! Requests by route.

use std::array;
use std::sync::Arc;
use std::time::Duration;

use http::{StatusCode, Version};

use super::WorkerMetrics;
use crate::proxy::settings::{HostPattern, PathPrefix, Route};
use crate::telemetry::metrics::{Counter, Distribution, Exposition, Histogram, Kind, Metric, PerWorker};

const REQUESTS: Metric = Metric {
    name: "fullchain_requests_total",
    kind: Kind::Counter,
    labels: &["route", "status", "protocol"],
    help: "Requests that have ended, by the class of their status; none where the client left before it was answered.",
};
const DURATION: Metric = Metric {
    name: "fullchain_request_duration_seconds",
    kind: Kind::Histogram,
    labels: &["route"],
    help: "From the end of a request's header to the end of its response, or to the beginning of its tunnel.",
};

/// Everything that is written here.
pub(super) const METRICS: [&Metric; 2] = [&REQUESTS, &DURATION];

/// The route of requests that take none: what was refused or answered before. No route is called so, since no host is.
const NONE: &str = "(none)";

const STATUSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "none"];
const PROTOCOLS: [&str; 3] = ["HTTP/1.0", "HTTP/1.1", "HTTP/2.0"];

/// What one worker counts of the requests of one route.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(in crate::proxy) struct RouteMetrics {
    /// By [`PROTOCOLS`] and [`STATUSES`].
    requests: [[Counter; STATUSES.len()]; PROTOCOLS.len()],
    duration: Histogram,
}

impl RouteMetrics {
    /// A request has ended that took so long; `status` if it was answered.
    pub(super) fn ended(&self, version: Version, status: Option<StatusCode>, took: Duration) {
        let [old, usual, new] = &self.requests;
        let of_protocol = match version {
            Version::HTTP_09 | Version::HTTP_10 => old,
            Version::HTTP_2 => new,
            _ => usual,
        };
        let [informational, successful, redirected, refused, failed, none] = of_protocol;
        let counter = match status.map(|status| status.as_u16()) {
            None => none,
            Some(..200) => informational,
            Some(200..300) => successful,
            Some(300..400) => redirected,
            Some(400..500) => refused,
            Some(500..) => failed,
        };
        counter.add(1);
        self.duration.observe(took);
    }
}

/// What a route is called: its hosts and its paths, which no two routes have in common.
pub(super) fn name(route: &Route) -> Box<str> {
    let hosts: Vec<String> = route.hosts.iter().map(HostPattern::to_string).collect();
    let paths: Vec<&str> = route.paths.iter().map(PathPrefix::as_str).collect();
    let hosts = if hosts.is_empty() {
        "*".to_owned()
    } else {
        hosts.join(",")
    };
    let paths = paths.iter().map(|path| if path.is_empty() { "/" } else { path });
    (hosts + &paths.collect::<Vec<_>>().join(",")).into()
}

/// Writes what the workers have counted for each route, and for none.
pub(super) fn write(
    workers: &[Arc<WorkerMetrics>],
    routes: &[(Box<str>, PerWorker<RouteMetrics>)],
    text: &mut Exposition,
) {
    let without = workers.iter().map(|worker| &worker.without_route);
    let mut requests = text.begin(&REQUESTS);
    let mut put = |name: &str, sums: Sums| {
        for (protocol, of_protocol) in PROTOCOLS.iter().zip(sums) {
            for (status, count) in STATUSES.iter().zip(of_protocol) {
                requests.put(&[name, status, protocol], count);
            }
        }
    };
    put(NONE, sums(without.clone()));
    for (name, numbers) in routes {
        put(name, sums(numbers.iter()));
    }
    let mut duration = text.begin(&DURATION);
    let distribution =
        |of: &mut dyn Iterator<Item = &RouteMetrics>| -> Distribution { of.map(|numbers| &numbers.duration).collect() };
    duration.put_distribution(&[NONE], &distribution(&mut without.into_iter()));
    for (name, numbers) in routes {
        duration.put_distribution(&[name], &distribution(&mut numbers.iter()));
    }
}

type Sums = [[u64; STATUSES.len()]; PROTOCOLS.len()];

fn sums<'a>(numbers: impl Iterator<Item = &'a RouteMetrics>) -> Sums {
    let mut sums = Sums::default();
    for one in numbers {
        for (sums, counters) in sums.iter_mut().zip(&one.requests) {
            let counts: [u64; STATUSES.len()] = array::from_fn(|place| counters.get(place).map_or(0, Counter::get));
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_called_by_its_hosts_and_paths() {
        let route = |hosts: &[&str], paths: &[&str]| Route {
            hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
            paths: paths.iter().map(|path| path.parse().unwrap()).collect(),
            ..Route::to(0)
        };
        for (hosts, paths, expected) in [
            (&[][..], &[][..], "*"),
            (&["a.test", "*.b.test"], &[], "a.test,*.b.test"),
            (&["a.test"], &["/app", "/api"], "a.test/app,/api"),
            (&[], &["/"], "*/"),
        ] {
            assert_eq!(&*name(&route(hosts, paths)), expected);
        }
    }

    #[test]
    fn requests_are_counted_by_protocol_and_class() {
        let numbers = RouteMetrics::default();
        let statuses = [Some(101), Some(204), Some(304), Some(404), Some(599), None];
        for (times, status) in statuses.into_iter().enumerate() {
            let status = status.map(|status| StatusCode::from_u16(status).unwrap());
            for _ in 0..=times {
                numbers.ended(Version::HTTP_2, status, Duration::ZERO);
            }
        }
        numbers.ended(Version::HTTP_10, Some(StatusCode::OK), Duration::ZERO);
        let expected = [[0, 1, 0, 0, 0, 0], [0; 6], [1, 2, 3, 4, 5, 6]];
        assert_eq!(sums([&numbers].into_iter()), expected);
    }
}
