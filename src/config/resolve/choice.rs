//! How one of a backend's servers is chosen, and what becomes of those that fail.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use super::alone::{alone, departure, place};
use super::{MOST_CONNECTIONS, SHORTEST_TIMEOUT, secret_file};
use crate::config::balancing::{BalanceKind, RetryKind, StickyKind};
use crate::config::error::{Fault, Place, Problem};
use crate::config::layer::Given;
use crate::config::raw::Backend;
use crate::config::tables::Table;
use crate::config::units::duration_text;
use crate::proxy::settings::{Balance, Choice, Ejection, HealthCheck, Limit, Retries, Secret, Sticky};

/// Checks are requests, and log lines at the server.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
/// What a cookie says is in whole seconds.
const SHORTEST_COOKIE: Duration = Duration::from_secs(1);
/// Nobody waits for more attempts.
const MOST_RETRIES: usize = 100;
/// One failure may be chance; browsers give up a page after a handful.
const EJECT_AFTER: u32 = 3;

type Said<'a> = Table<'a, Backend>;

/// What a backend does of which nothing is said.
pub(super) fn default_choice() -> Choice {
    Choice {
        ejection: NonZeroU32::new(EJECT_AFTER).map(Ejection::after),
        ..Choice::default()
    }
}

/// What the table of a backend with so many servers says.
pub(super) fn choice(table: &Said<'_>, servers: usize, faults: &mut Vec<Fault>) -> Choice {
    let requests = table.one(|table| &table.requests_per_connection, faults);
    Choice {
        balance: balance(table, servers, faults),
        sticky: sticky(table, faults),
        health: health(table, faults),
        ejection: ejection(table, faults),
        limit: limit(table, faults),
        retries: retries(table, faults),
        requests_per_connection: requests.map(many),
    }
}

fn balance(table: &Said<'_>, servers: usize, faults: &mut Vec<Fault>) -> Balance {
    let before = faults.len();
    let balance = table.one(|table| &table.balance, faults);
    let weights = table.many(|table| &table.weight, faults);
    let first = weights
        .as_ref()
        .and_then(|weights| weights.first())
        .map(|weight| weight.place.clone());
    match (balance.map(|given| given.value), first) {
        (Some(BalanceKind::LeastConnections), None) => Balance::LeastConnections,
        (Some(BalanceKind::RandomTwo), None) => Balance::RandomTwo,
        (Some(BalanceKind::Weighted), first) => {
            let weights = weights.unwrap_or_default();
            // Weights that cannot be read are told already, and so is a backend without servers.
            if weights.len() != servers && faults.len() == before && servers > 0 {
                let problem = Problem::new(format!(
                    "the number of servers is {servers}, that of weights {}",
                    weights.len()
                ))
                .hint("one for each server, in the order of `url`: weight = [3, 1]");
                faults.push(
                    problem.at(first
                        .or_else(|| place_of(table))
                        .unwrap_or(Place::Missing("backend.weight"))),
                );
            }
            Balance::Weighted(weights.into_iter().map(|given| given.value.0).collect())
        }
        (None | Some(BalanceKind::RoundRobin), None) => Balance::RoundRobin,
        (_, Some(place)) => {
            // What `balance` says may be what could not be read.
            if faults.len() == before {
                let problem = Problem::new("weights are for balance = \"weighted\" alone");
                faults.push(problem.hint("write balance = \"weighted\"").at(place));
            }
            Balance::RoundRobin
        }
    }
}

fn sticky(table: &Said<'_>, faults: &mut Vec<Fault>) -> Option<Sticky> {
    let before = faults.len();
    let kind = table.one(|table| &table.sticky, faults);
    let is_readable = faults.len() == before;
    let cookie = table.one(|table| &table.sticky_cookie, faults);
    let secret_file = table.one(|table| &table.sticky_secret_file, faults);
    let lifetime = table.one(|table| &table.sticky_for, faults);
    if kind.is_none_or(|given| given.value == StickyKind::Off) {
        let places = [place(&cookie), place(&secret_file), place(&lifetime)];
        if is_readable {
            alone(places, "nobody is sticky", "it needs sticky = \"cookie\"", faults);
        }
        return None;
    }
    Some(Sticky {
        cookie: cookie.map_or_else(|| "fullchain_server".into(), |given| given.value.0),
        secret: secret_file.and_then(|given| secret(given, faults)),
        lifetime: at_least(SHORTEST_COOKIE, lifetime, Duration::from_secs(8 * 3600), faults),
    })
}

fn secret(file: Given<PathBuf>, faults: &mut Vec<Fault>) -> Option<Secret> {
    let place = file.place.clone();
    let path = file.path();
    let problem = match secret_file::read(&path) {
        Ok(bytes) => match Secret::new(&bytes) {
            Some(secret) => return Some(secret),
            None => Problem::new(format!(
                "{} has less than {} bytes in it",
                path.display(),
                Secret::SHORTEST
            ))
            .hint(secret_file::HOW_TO_MAKE_ONE),
        },
        Err(error) => Problem::new(format!("{} cannot be read: {error}", path.display())),
    };
    faults.push(problem.at(place));
    None
}

fn health(table: &Said<'_>, faults: &mut Vec<Fault>) -> Option<HealthCheck> {
    let before = faults.len();
    let path = table.one(|table| &table.health_path, faults);
    let is_readable = faults.len() == before;
    let interval = table.one(|table| &table.health_interval, faults);
    let timeout = table.one(|table| &table.health_timeout, faults);
    let status = table.one(|table| &table.health_status, faults);
    let body = table.one(|table| &table.health_body, faults);
    let host = table.one(|table| &table.health_host, faults);
    let rise = table.one(|table| &table.health_rise, faults);
    let fall = table.one(|table| &table.health_fall, faults);
    let Some(path) = path else {
        let places = [
            place(&interval),
            place(&timeout),
            place(&status),
            place(&body),
            place(&host),
            place(&rise),
            place(&fall),
        ];
        if is_readable {
            alone(
                places,
                "no health is checked",
                "say what to ask for: health_path = \"/\"",
                faults,
            );
        }
        return None;
    };
    let default = HealthCheck::of(path.value.0);
    Some(HealthCheck {
        interval: at_least(SHORTEST_INTERVAL, interval, default.interval, faults),
        timeout: at_least(SHORTEST_TIMEOUT, timeout, default.timeout, faults),
        status: status.map_or(default.status, |given| given.value),
        body: body.map(|given| given.value.0),
        host: host.map(|given| given.value.0),
        rise: rise.map_or(default.rise, |given| given.value),
        fall: fall.map_or(default.fall, |given| given.value),
        path: default.path,
    })
}

fn ejection(table: &Said<'_>, faults: &mut Vec<Fault>) -> Option<Ejection> {
    let after = table.one(|table| &table.eject_after, faults);
    let duration = table.one(|table| &table.eject_for, faults);
    let counts_5xx = table.one(|table| &table.eject_5xx, faults);
    let after = after.map_or(EJECT_AFTER, |given| u32::try_from(given.value).unwrap_or(u32::MAX));
    let Some(after) = NonZeroU32::new(after) else {
        let default = Ejection::after(NonZeroU32::MIN);
        let places = [
            departure(&duration, &default.duration),
            departure(&counts_5xx, &default.counts_5xx),
        ];
        alone(
            places,
            "no server is left alone with eject_after = 0",
            "leave it out, or say after how many failures: eject_after = 3",
            faults,
        );
        return None;
    };
    let default = Ejection::after(after);
    Some(Ejection {
        duration: at_least(SHORTEST_TIMEOUT, duration, default.duration, faults),
        counts_5xx: counts_5xx.is_some_and(|given| given.value),
        ..default
    })
}

fn limit(table: &Said<'_>, faults: &mut Vec<Fault>) -> Option<Limit> {
    let before = faults.len();
    let connections = table.one(|table| &table.connections, faults);
    let is_readable = faults.len() == before;
    let queue = table.one(|table| &table.queue, faults);
    let timeout = table.one(|table| &table.queue_timeout, faults);
    let Some(connections) = connections else {
        if is_readable {
            let places = [place(&queue), place(&timeout)];
            alone(
                places,
                "nothing is waited for",
                "say how much a server takes: connections = 10",
                faults,
            );
        }
        return None;
    };
    let queue = at_most(MOST_CONNECTIONS, queue, 100, faults);
    Some(Limit {
        connections: many(connections),
        queue,
        queue_timeout: at_least(SHORTEST_TIMEOUT, timeout, Duration::from_secs(10), faults),
    })
}

fn retries(table: &Said<'_>, faults: &mut Vec<Fault>) -> Retries {
    let default = Retries::default();
    let retry = table.one(|table| &table.retry, faults);
    let most = table.one(|table| &table.retries, faults);
    let connect_for = table.one(|table| &table.connect_retry_for, faults);
    let is_off = retry.is_some_and(|given| given.value == RetryKind::Off);
    if is_off {
        let places = [departure(&most, &(default.most as usize))];
        alone(
            places,
            "nothing is tried again with retry = \"off\"",
            "leave out one of the two",
            faults,
        );
    }
    let most = at_most(MOST_RETRIES, most, default.most as usize, faults);
    let most = match is_off {
        true => 0,
        false => u32::try_from(most).unwrap_or(u32::MAX),
    };
    Retries {
        most,
        connect_for: connect_for.map_or(default.connect_for, |given| given.value),
    }
}

fn at_least(least: Duration, given: Option<Given<Duration>>, default: Duration, faults: &mut Vec<Fault>) -> Duration {
    let Some(given) = given else { return default };
    if given.value < least {
        let problem = Problem::new(format!("must be at least {}", duration_text(least)));
        faults.push(problem.at(given.place));
    }
    given.value
}

fn at_most(most: usize, given: Option<Given<usize>>, default: usize, faults: &mut Vec<Fault>) -> usize {
    let Some(given) = given else { return default };
    if given.value > most {
        faults.push(Problem::new(format!("must be at most {most}")).at(given.place));
    }
    given.value
}

fn many(given: Given<NonZeroU32>) -> NonZeroUsize {
    NonZeroUsize::try_from(given.value).unwrap_or(NonZeroUsize::MAX)
}

fn place_of(table: &Said<'_>) -> Option<Place> {
    table.place().cloned()
}
