//! How one of a backend's servers is chosen, and what becomes of those that fail.

use std::fmt;
use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use http::HeaderValue;
use http::uri::PathAndQuery;

/// How one of a backend's servers is chosen, and what becomes of those that fail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Whose turn it is.
    pub balance: Balance,
    /// Clients stay with their server.
    pub sticky: Option<Sticky>,
    /// Servers are asked how they are.
    pub health: Option<HealthCheck>,
    /// Servers that fail are left alone for a while.
    pub ejection: Option<Ejection>,
    /// Servers take so many requests at a time.
    pub limit: Option<Limit>,
    /// What is sent again.
    pub retries: Retries,
    /// Requests after which a connection is closed.
    pub requests_per_connection: Option<NonZeroUsize>,
}

/// Whose turn it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// One after the other.
    #[default]
    RoundRobin,
    /// One after the other, each as often as its weight says; in the order of the servers, 1 for those without.
    Weighted(Vec<NonZeroU16>),
    /// The one with the fewest requests in progress.
    LeastConnections,
    /// Of two drawn by lot, the one with fewer requests in progress.
    RandomTwo,
}

/// Clients stay with their server, which a sealed cookie names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sticky {
    /// The name of the cookie.
    pub cookie: Box<str>,
    /// What cookies are sealed with, where several processes are to read them; else each process has its own.
    pub secret: Option<Secret>,
    /// How long a cookie counts.
    pub lifetime: Duration,
}

/// What keys are made of. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

/// How a server is asked how it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked for.
    pub path: PathAndQuery,
    /// The Host field, where it is not the server's address.
    pub host: Option<HeaderValue>,
    /// From one check to the next.
    pub interval: Duration,
    /// How long a check may take in all.
    pub timeout: Duration,
    /// The statuses of a server that is well.
    pub status: Statuses,
    /// What the body of a server that is well has in it.
    pub body: Option<Box<str>>,
    /// Checks in a row that a server must pass to be up again.
    pub rise: NonZeroU32,
    /// Checks in a row that a server must fail to be down.
    pub fall: NonZeroU32,
}

/// Statuses and ranges of them: `200-299,401`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses(Vec<RangeInclusive<u16>>);

/// Statuses that are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not statuses from 100 to 599 and ranges of them")]
pub struct InvalidStatuses;

/// When a server is left alone, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// Failures in a row.
    pub after: NonZeroU32,
    /// The first time; it doubles from time to time until the server answers again.
    pub duration: Duration,
    /// Whether a 5xx of the server is a failure.
    pub counts_5xx: bool,
}

/// How much a server is given at a time, and what waits meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Connections of the whole process to one server.
    pub connections: NonZeroUsize,
    /// Requests that may wait for one.
    pub queue: usize,
    /// How long they may.
    pub queue_timeout: Duration,
}

/// What is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// How often one request may be tried again; zero for never.
    pub most: u32,
    /// How long to go on trying while no server accepts a connection.
    pub connect_for: Duration,
}

impl Secret {
    /// The fewest bytes: with less than 128 bits a key could be guessed.
    pub const SHORTEST: usize = 16;

    /// A secret of these bytes, if they are enough. Line ends at the end do not count.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.trim_ascii_end();
        (bytes.len() >= Self::SHORTEST).then(|| Self(bytes.into()))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

impl HealthCheck {
    /// A check of `path` with everything else at its default.
    pub fn of(path: PathAndQuery) -> Self {
        Self {
            path,
            host: None,
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            status: Statuses::default(),
            body: None,
            rise: NonZeroU32::new(2).unwrap_or(NonZeroU32::MIN),
            fall: NonZeroU32::new(3).unwrap_or(NonZeroU32::MIN),
        }
    }
}

impl Statuses {
    /// Whether `status` is among them.
    pub(super) fn contain(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

impl Default for Statuses {
    /// `200-399`: a redirect to a login page is a sign of life.
    fn default() -> Self {
        Self(vec![200..=399])
    }
}

impl FromStr for Statuses {
    type Err = InvalidStatuses;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let status = |text: &str| {
            let status = text.trim().parse().ok()?;
            (100..=599).contains(&status).then_some(status)
        };
        let range = |text: &str| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            Some(status(first)?..=status(last)?).filter(|range| !range.is_empty())
        };
        let ranges: Option<Vec<_>> = text.split(',').map(range).collect();
        ranges.map(Self).ok_or(InvalidStatuses)
    }
}

impl Ejection {
    /// After so many failures in a row, with everything else at its default.
    pub fn after(after: NonZeroU32) -> Self {
        Self {
            after,
            duration: Duration::from_secs(10),
            counts_5xx: false,
        }
    }
}

impl Default for Retries {
    /// Three, as HAProxy.
    fn default() -> Self {
        Self {
            most: 3,
            connect_for: Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_single_ones_and_ranges() {
        let statuses: Statuses = "200-204, 301,401-401".parse().unwrap();
        for (status, expected) in [
            (199, false),
            (200, true),
            (204, true),
            (205, false),
            (301, true),
            (401, true),
        ] {
            assert_eq!(statuses.contain(status), expected, "{status}");
        }
        for text in ["", "2xx", "200-", "99", "600", "300-200", "200,,301", "-200"] {
            assert_eq!(text.parse::<Statuses>(), Err(InvalidStatuses), "{text}");
        }
    }

    #[test]
    fn a_secret_is_long_enough_and_never_shown() {
        assert!(Secret::new(b"fifteen bytes..").is_none());
        assert!(Secret::new(b"fifteen bytes..\n\n").is_none());
        let secret = Secret::new(b"sixteen bytes...\r\n").unwrap();
        assert_eq!(secret.as_bytes(), b"sixteen bytes...");
        assert_eq!(format!("{secret:?}"), "Secret([redacted])");
    }
}
