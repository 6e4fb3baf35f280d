//! Addresses to listen on and URLs of upstreams.

use std::net::{IpAddr, SocketAddr};

use http::Uri;
use schemars::{Schema, json_schema};

use super::error::Problem;
use super::value::Value;
use crate::proxy::settings::{HostPattern, PathPrefix, ServerAddress};

impl Value for SocketAddr {
    const NAME: &'static str = "ADDRESS";
    const EXPECTED: &'static str = "an address such as \"0.0.0.0:8443\" or \"[::]:8443\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        text.parse().map_err(|_| {
            let mismatch = Self::mismatch(text);
            match address_hint(text) {
                Some(hint) => mismatch.hint(hint),
                None => mismatch,
            }
        })
    }

    fn of_number(number: i64) -> Result<Self, Problem> {
        Self::parse(&number.to_string())
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9a-fA-F.:\\[\\]%]+:[0-9]+$" })
    }
}

/// What someone who wrote `text` for an address most likely meant.
fn address_hint(text: &str) -> Option<String> {
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Some(format!("an address has a port: \"{}\"", SocketAddr::new(ip, 8443)));
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let port: u16 = port.parse().ok()?;
    match host {
        "" | "*" => Some(format!("write \"0.0.0.0:{port}\", or \"[::]:{port}\" for IPv6 too")),
        _ if host.contains("//") => Some("a listener has an address, not a URL".to_owned()),
        _ => Some(format!(
            "names are not looked up for a listener; write \"127.0.0.1:{port}\" or \"0.0.0.0:{port}\""
        )),
    }
}

/// Where the admin listener binds, if anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AdminAddress {
    /// Here.
    At(SocketAddr),
    /// Nowhere.
    Off,
}

impl Value for AdminAddress {
    const NAME: &'static str = "ADDRESS|off";
    const EXPECTED: &'static str = "an address such as \"127.0.0.1:9180\", or \"off\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "off" => Ok(Self::Off),
            _ => SocketAddr::parse(text).map(Self::At).map_err(|problem| Problem {
                hint: problem.hint,
                ..Self::mismatch(text)
            }),
        }
    }

    fn of_switch(on: bool) -> Result<Self, Problem> {
        Err(Problem::mismatch(Self::EXPECTED, on).hint("write \"off\" for no admin listener"))
    }

    fn schema() -> Schema {
        json_schema!({ "oneOf": [SocketAddr::schema(), { "const": "off" }] })
    }
}

impl Value for HostPattern {
    const NAME: &'static str = "HOST";
    const EXPECTED: &'static str = "a host such as \"www.example.com\" or \"*.example.com\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        text.parse().map_err(|_| {
            let problem = Self::mismatch(text);
            match text.split_once("://") {
                _ if text == "*" => problem.hint("leave `host` out for every host"),
                Some((_, rest)) => problem.hint(format!("write \"{}\"", rest.split('/').next().unwrap_or(rest))),
                None => problem,
            }
        })
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^(\\*\\.)?[A-Za-z0-9._-]+$|^\\[[0-9a-fA-F:.]+\\]$" })
    }
}

impl Value for PathPrefix {
    const NAME: &'static str = "PREFIX";
    const EXPECTED: &'static str = "a path such as \"/app\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        text.parse().map_err(|_| {
            let problem = Self::mismatch(text);
            match text.strip_suffix('*') {
                Some(prefix) => problem.hint(format!("a path takes what is below it without a star: \"{prefix}\"")),
                None if text.contains('%') => problem.hint("write it decoded: nothing in it is percent-encoded"),
                None if !text.starts_with('/') => problem.hint(format!("write \"/{text}\"")),
                None => problem,
            }
        })
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^/[^%?#]*$" })
    }
}

impl Value for ServerAddress {
    const NAME: &'static str = "URL";
    const EXPECTED: &'static str = "a URL such as \"http://127.0.0.1:8080\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        let Some((scheme, _)) = text.split_once("://") else {
            return Err(Self::mismatch(text).hint(format!("write \"http://{text}\"")));
        };
        if scheme != "http" {
            return Err(Problem::new(format!(
                "{scheme}:// is not spoken to upstreams, only http:// is, so far"
            )));
        }
        let uri: Uri = text.parse().map_err(|_| Self::mismatch(text))?;
        let authority = uri.authority().ok_or_else(|| Self::mismatch(text))?;
        if authority.as_str().contains('@') {
            return Err(
                Problem::new("a user name or password in the URL is not sent to upstreams")
                    .hint("write the URL without it"),
            );
        }
        if !matches!(uri.path_and_query().map(|path| path.as_str()), None | Some("/")) {
            return Err(Problem::new(format!("{text:?} has a path; requests keep theirs"))
                .hint(format!("write \"http://{authority}\"")));
        }
        let host = authority.host().trim_matches(['[', ']']);
        let port = match authority.as_str().rsplit_once(authority.host()) {
            Some((_, "")) => Some(80),
            _ => authority.port_u16().filter(|port| *port != 0),
        };
        match port {
            Some(port) if !host.is_empty() => Ok(Self {
                host: host.to_owned(),
                port,
            }),
            _ => Err(Self::mismatch(text)),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^http://[^/@]+/?$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(text: &str) -> Option<(String, u16)> {
        ServerAddress::parse(text)
            .ok()
            .map(|upstream| (upstream.host, upstream.port))
    }

    #[test]
    fn an_upstream_is_a_host_and_a_port() {
        assert_eq!(upstream("http://backend"), Some(("backend".to_owned(), 80)));
        assert_eq!(upstream("http://backend:8080/"), Some(("backend".to_owned(), 8080)));
        assert_eq!(upstream("http://[::1]:8080"), Some(("::1".to_owned(), 8080)));
        assert_eq!(upstream("http://[::1]"), Some(("::1".to_owned(), 80)));
        for text in [
            "",
            "backend",
            "http://",
            "http:///",
            "http://:80",
            "http://a:0",
            "http://a:",
            "http://a:70000",
            "http://a/b",
            "http://a?b",
            "http://u:p@a",
            "ftp://a",
        ] {
            assert_eq!(upstream(text), None, "{text}");
        }
    }

    #[test]
    fn an_upstream_over_https_is_refused_with_the_reason() {
        let problem = ServerAddress::parse("https://backend").unwrap_err();
        assert_eq!(
            problem.message,
            "https:// is not spoken to upstreams, only http:// is, so far"
        );
    }

    #[test]
    fn a_port_alone_a_name_and_an_address_without_a_port_get_a_hint() {
        let hint = |text| SocketAddr::parse(text).unwrap_err().hint.unwrap();
        assert!(hint("8443").contains("\"0.0.0.0:8443\""));
        assert!(hint(":8443").contains("\"0.0.0.0:8443\""));
        assert!(hint("localhost:8443").contains("\"127.0.0.1:8443\""));
        assert!(hint("::1").contains("\"[::1]:8443\""));
        assert_eq!(SocketAddr::parse("nonsense").unwrap_err().hint, None);
    }
}
