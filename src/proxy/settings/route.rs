//! Which requests a route takes, and what happens to them.

use std::fmt;
use std::str::FromStr;

use super::{HeaderRules, RequestRate};
use crate::proxy::WindowsAuth;
use crate::proxy::path::normalised;

/// Which requests are meant, and what happens to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The hosts of its requests; none for every host that no other route names.
    pub hosts: Vec<HostPattern>,
    /// What the paths of its requests begin with; none for every path.
    pub paths: Vec<PathPrefix>,
    /// Take off what the path was found by before the request is sent on.
    pub strip_prefix: bool,
    /// Put before the path (after `strip_prefix`).
    pub add_prefix: Option<PathPrefix>,
    /// What is done to header fields.
    pub headers: HeaderRules,
    /// Bytes of a request's body, `None` for any number.
    pub body_bytes: Option<u64>,
    /// Its requests of one client, beside what one client may send in all; `None` for any number.
    pub requests: Option<RequestRate>,
    /// Whether RPC over HTTP is spoken there: requests that are channels.
    pub rpc_over_http: bool,
    /// Where its requests go: a position in [`Settings::backends`](super::Settings::backends).
    pub backend: usize,
    /// What becomes of Windows authentication.
    pub windows_auth: WindowsAuth,
}

/// A host name, or all names under one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// This host, in lower case; an IPv6 address in its brackets.
    Exact(Box<str>),
    /// Every host under this domain, however deep, in lower case and without the `*.`.
    Under(Box<str>),
}

/// The beginning of a path: whole segments, so that `/app` takes `/app` and `/app/x` and not `/apple`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathPrefix(Box<str>);

/// A host pattern that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a host name, an address or \"*.\" and a domain")]
pub struct InvalidHostPattern;

/// A path that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a path that begins with \"/\", without \"//\", dot segments, \"*\", \"?\", \"#\" or \";\"")]
pub struct InvalidPathPrefix;

impl Route {
    /// Whether it takes what no other does.
    pub fn is_default(&self) -> bool {
        self.hosts.is_empty() && self.paths.is_empty()
    }

    /// Whether it is for HTTP/1.1 alone.
    pub(in crate::proxy) fn is_without_http2(&self) -> bool {
        self.windows_auth == WindowsAuth::Http1
    }

    /// The route of every request that no other takes, with everything else at its default.
    pub fn to(backend: usize) -> Self {
        Self {
            hosts: Vec::new(),
            paths: Vec::new(),
            strip_prefix: false,
            add_prefix: None,
            headers: HeaderRules::default(),
            body_bytes: None,
            requests: None,
            rpc_over_http: false,
            backend,
            windows_auth: WindowsAuth::default(),
        }
    }
}

impl FromStr for HostPattern {
    type Err = InvalidHostPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.strip_prefix("*.").unwrap_or(text);
        let bare = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let is_address = bare
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
        let is_name = !bare.is_empty()
            && bare
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
        match (is_name, is_address, name.len() < text.len()) {
            (true, _, false) | (_, true, false) => Ok(Self::Exact(bare.into())),
            (true, _, true) => Ok(Self::Under(bare.into())),
            _ => Err(InvalidHostPattern),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Under(domain) => write!(f, "*.{domain}"),
        }
    }
}

impl PathPrefix {
    /// What every path begins with.
    pub fn root() -> Self {
        Self("".into())
    }

    /// As it was written, without a slash at its end: empty for `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `path` begins with it.
    pub(in crate::proxy) fn takes(&self, path: &str) -> bool {
        path.strip_prefix(&*self.0)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromStr for PathPrefix {
    type Err = InvalidPathPrefix;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'*' | b'?' | b'#' | b'\\' | b';');
        if !text.starts_with('/') || text.contains("//") || !text.bytes().all(plain) {
            return Err(InvalidPathPrefix);
        }
        // In the form in which paths are compared: what need not be encoded is not, the rest in upper case.
        let prefix = normalised(text).map_err(|_| InvalidPathPrefix)?;
        if prefix.contains("%2F") || prefix.contains("%5C") {
            return Err(InvalidPathPrefix);
        }
        Ok(Self(prefix.strip_suffix('/').unwrap_or(&prefix).into()))
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "/" } else { &self.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_pattern_is_a_name_an_address_or_a_domain() {
        let pattern = |text: &str| text.parse::<HostPattern>().map(|pattern| pattern.to_string());
        assert_eq!(pattern("WWW.Example.com."), Ok("www.example.com".to_owned()));
        assert_eq!(pattern("*.example.com"), Ok("*.example.com".to_owned()));
        assert_eq!(pattern("10.0.0.1"), Ok("10.0.0.1".to_owned()));
        assert_eq!(pattern("[::1]"), Ok("[::1]".to_owned()));
        for text in [
            "",
            "*",
            "*.",
            "a.*",
            "a:443",
            "https://a",
            "a/b",
            "[::1",
            "*.[::1]",
            "a b",
        ] {
            assert_eq!(pattern(text), Err(InvalidHostPattern), "{text}");
        }
    }

    #[test]
    fn a_prefix_takes_whole_segments() {
        let takes = |prefix: &str, path| prefix.parse::<PathPrefix>().unwrap().takes(path);
        assert!(takes("/", "/") && takes("/", "/x"));
        for prefix in ["/app", "/app/"] {
            assert!(takes(prefix, "/app") && takes(prefix, "/app/") && takes(prefix, "/app/x"));
            assert!(!takes(prefix, "/apple") && !takes(prefix, "/") && !takes(prefix, "/APP"));
        }
    }

    #[test]
    fn a_prefix_is_compared_as_paths_are() {
        let written = |text: &str| text.parse::<PathPrefix>().map(|prefix| prefix.to_string());
        assert_eq!(written("/Shared%20Documents/"), Ok("/Shared%20Documents".to_owned()));
        assert_eq!(written("/%7eann/caf%c3%a9"), Ok("/~ann/caf%C3%A9".to_owned()));
    }

    #[test]
    fn a_prefix_leaves_nothing_to_interpretation() {
        for text in [
            "",
            "app",
            "/a//b",
            "/a/../b",
            "/a/.",
            "/a%2f",
            "/a?b",
            "/a#b",
            "/ä",
            "/a b",
            "/a\\b",
            "/a;b",
            "/a%",
            "/a/%2e%2e",
            "/a%00",
        ] {
            assert_eq!(text.parse::<PathPrefix>(), Err(InvalidPathPrefix), "{text}");
        }
    }
}
