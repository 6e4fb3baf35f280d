//! How servers are chosen, as it is written: words, weights, cookies and checks.

use std::num::NonZeroU16;

use http::HeaderValue;
use http::uri::{Authority, PathAndQuery};
use schemars::{Schema, json_schema};

use super::error::Problem;
use super::value::Value;
use super::words::words;
use crate::proxy::settings::Statuses;

/// What `balance` says; the weights stand elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BalanceKind {
    /// One after the other.
    RoundRobin,
    /// The same, some more often.
    Weighted,
    /// The least busy.
    LeastConnections,
    /// The less busy of two.
    RandomTwo,
}

words!(BalanceKind:
    "round-robin" => Self::RoundRobin,
    "weighted" => Self::Weighted,
    "least-connections" => Self::LeastConnections;
    "random-two" => Self::RandomTwo
);

/// How often a server is taken in comparison with the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Weight(pub(super) NonZeroU16);

/// Nobody has a server that is worth a thousand others.
const HEAVIEST: u16 = 1_000;

impl Value for Weight {
    const NAME: &'static str = "WEIGHT";
    const EXPECTED: &'static str = "a weight from 1 to 1000";

    fn parse(text: &str) -> Result<Self, Problem> {
        let weight: Option<NonZeroU16> = text.parse().ok();
        weight
            .filter(|weight| weight.get() <= HEAVIEST)
            .map(Self)
            .ok_or_else(|| Self::mismatch(text))
    }

    fn of_number(number: i64) -> Result<Self, Problem> {
        Self::parse(&number.to_string()).map_err(|_| Problem::mismatch(Self::EXPECTED, number))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": HEAVIEST })
    }
}

/// Whether clients stay with their server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StickyKind {
    /// They do not.
    Off,
    /// By a cookie.
    Cookie,
}

words!(StickyKind: "off" => Self::Off; "cookie" => Self::Cookie);

/// The name of the cookie that says which server a client stays with: a token (RFC 6265 section 4.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StickyCookie(pub(super) Box<str>);

impl Value for StickyCookie {
    const NAME: &'static str = "NAME";
    const EXPECTED: &'static str = "the name of a cookie, such as \"server\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        match !text.is_empty() && text.bytes().all(is_token) {
            true => Ok(Self(text.into())),
            false => Err(Self::mismatch(text)),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$" })
    }
}

/// What a health check asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HealthPath(pub(super) PathAndQuery);

impl Value for HealthPath {
    const NAME: &'static str = "PATH";
    const EXPECTED: &'static str = "a path such as \"/healthz\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        match text.parse() {
            Ok(path) if text.starts_with('/') && !text.contains('#') => Ok(Self(path)),
            _ if text.contains("://") => Err(Self::mismatch(text).hint("the servers' URLs stand in `url`")),
            _ => Err(Self::mismatch(text)),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^/[^#]*$" })
    }
}

/// The host that a health check asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HealthHost(pub(super) HeaderValue);

impl Value for HealthHost {
    const NAME: &'static str = "HOST";
    const EXPECTED: &'static str = "a host such as \"www.example.com\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        let authority = text.parse::<Authority>().ok().filter(|_| !text.contains('@'));
        let host = authority.and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
        host.map(Self).ok_or_else(|| Self::mismatch(text))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[^/@?# ]+$" })
    }
}

/// Text that is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text(pub(super) Box<str>);

impl Value for Text {
    const NAME: &'static str = "TEXT";
    const EXPECTED: &'static str = "some text";

    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "" => Err(Self::mismatch(text)),
            _ => Ok(Self(text.into())),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

impl Value for Statuses {
    const NAME: &'static str = "STATUSES";
    const EXPECTED: &'static str = "statuses such as \"200-399\" or \"200,401\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        text.parse().map_err(|_| Self::mismatch(text))
    }

    fn of_number(number: i64) -> Result<Self, Problem> {
        Self::parse(&number.to_string()).map_err(|_| Problem::mismatch(Self::EXPECTED, number))
    }

    fn schema() -> Schema {
        json_schema!({ "oneOf": [
            { "type": "string", "pattern": "^[1-5][0-9]{2}([-, ]+[1-5][0-9]{2})*$" },
            { "type": "integer", "minimum": 100, "maximum": 599 },
        ] })
    }
}

/// What is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RetryKind {
    /// What may be.
    Safe,
    /// Nothing.
    Off,
}

words!(RetryKind: "safe" => Self::Safe; "off" => Self::Off);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_within_their_ranges() {
        assert!(Weight::of_number(1).is_ok() && Weight::of_number(1000).is_ok());
        assert!(Weight::of_number(0).is_err() && Weight::of_number(1001).is_err() && Weight::of_number(-1).is_err());
        assert!(Statuses::of_number(204).is_ok() && Statuses::of_number(20).is_err());
    }

    #[test]
    fn a_check_asks_for_a_path_and_may_name_a_host() {
        for (text, good) in [
            ("/", true),
            ("/healthz?full=1", true),
            ("healthz", false),
            ("", false),
            ("/a b", false),
            ("/a#b", false),
            ("http://a/healthz", false),
        ] {
            assert_eq!(HealthPath::parse(text).is_ok(), good, "{text}");
        }
        assert!(HealthHost::parse("www.example.com:8080").is_ok());
        assert!(HealthHost::parse("a@b").is_err() && HealthHost::parse("http://a").is_err());
        assert!(HealthHost::parse("").is_err());
    }

    #[test]
    fn a_cookie_has_the_name_of_one() {
        assert!(StickyCookie::parse("__Host-server").is_ok());
        for text in ["", "a b", "a=b", "a;b", "ä"] {
            assert!(StickyCookie::parse(text).is_err(), "{text}");
        }
    }
}
