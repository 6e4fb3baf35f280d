//! What cookies of a backend get, and what is translated in them.

use schemars::{Schema, json_schema};

use super::error::Problem;
use super::value::Value;
use super::words::words;
use crate::proxy::settings::{SameSite, Translation};

words!(SameSite: "lax" => Self::Lax, "strict" => Self::Strict; "none" => Self::None);

/// Which cookies are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CookiePick {
    /// Every one.
    All,
    /// The one of this name.
    Named(Box<str>),
}

impl Value for CookiePick {
    const NAME: &'static str = "all|NAME";
    const EXPECTED: &'static str = "\"all\" or the name of a cookie";

    fn parse(text: &str) -> Result<Self, Problem> {
        // More than the tokens of RFC 6265: backends use brackets and colons, which browsers take.
        let is_name = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'=' | b';' | b',');
        match text {
            "all" => Ok(Self::All),
            _ if !text.is_empty() && text.bytes().all(is_name) => Ok(Self::Named(text.into())),
            _ => Err(Self::mismatch(text)),
        }
    }

    fn of_switch(on: bool) -> Result<Self, Problem> {
        let hint = if on { "write \"all\"" } else { "leave the key out" };
        Err(Problem::mismatch(Self::EXPECTED, on).hint(hint))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

/// A domain as the backend knows it, and as clients do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DomainPair(pub(super) Translation);

impl Value for DomainPair {
    const NAME: &'static str = "FROM TO";
    const EXPECTED: &'static str = "two domains, such as \"internal.local example.com\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        let is_domain = |text: &str| {
            let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            text.bytes().all(sound)
        };
        pair(text)
            .filter(|(from, to)| is_domain(from) && is_domain(to))
            .map(|(from, to)| Self(translation(from, to)))
            .ok_or_else(|| Self::mismatch(text))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9._-]+ +[A-Za-z0-9._-]+$" })
    }
}

/// The beginning of a path as the backend knows it, and as clients do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PathPair(pub(super) Translation);

impl Value for PathPair {
    const NAME: &'static str = "FROM TO";
    const EXPECTED: &'static str = "two beginnings of paths, such as \"/app /\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        let is_path = |text: &str| {
            let sound = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b';' | b'"');
            text.starts_with('/') && text.bytes().all(sound)
        };
        pair(text)
            .filter(|(from, to)| is_path(from) && is_path(to))
            .map(|(from, to)| Self(translation(from, to)))
            .ok_or_else(|| Self::mismatch(text))
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^/[^ ]* +/[^ ]*$" })
    }
}

/// Two words.
pub(super) fn pair(text: &str) -> Option<(&str, &str)> {
    let mut words = text.split_ascii_whitespace();
    let pair = (words.next()?, words.next()?);
    words.next().is_none().then_some(pair)
}

fn translation(from: &str, to: &str) -> Translation {
    Translation {
        from: from.into(),
        to: to.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_two_of_a_kind() {
        assert_eq!(
            DomainPair::parse(" internal.local  example.com ").unwrap().0,
            translation("internal.local", "example.com")
        );
        assert_eq!(PathPair::parse("/app /").unwrap().0, translation("/app", "/"));
        for text in ["", "a", "a b c", "a b;", "http://a b", "\0"] {
            assert!(DomainPair::parse(text).is_err(), "{text}");
        }
        for text in ["", "/", "app /", "/app x", "/a /b /c", "/a /b;x", "/\0 /"] {
            assert!(PathPair::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn cookies_are_all_or_named() {
        assert_eq!(CookiePick::parse("all"), Ok(CookiePick::All));
        assert_eq!(
            CookiePick::parse("ASP.NET_SessionId"),
            Ok(CookiePick::Named("ASP.NET_SessionId".into()))
        );
        for text in ["", "a b", "a=b", "a;", "\0"] {
            assert!(CookiePick::parse(text).is_err(), "{text}");
        }
        assert_eq!(CookiePick::of_switch(true).unwrap_err().hint.unwrap(), "write \"all\"");
    }
}
