//! Addresses to listen on and URLs of servers.

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
                None if text.contains(' ') => problem.hint(format!("write \"{}\"", text.replace(' ', "%20"))),
                None if !text.is_ascii() => problem.hint("write it percent-encoded, as clients send it"),
                None if text.contains('%') => problem.hint("neither a slash nor a backslash can be percent-encoded"),
                None if !text.starts_with('/') => problem.hint(format!("write \"/{text}\"")),
                None => problem,
            }
        })
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^/[^?#]*$" })
    }
}

impl Value for ServerAddress {
    const NAME: &'static str = "URL";
    const EXPECTED: &'static str =
        "a URL such as \"http://127.0.0.1:8080\", \"https://backend\" or \"unix:/run/app.sock\"";

    fn parse(text: &str) -> Result<Self, Problem> {
        if let Some(path) = text.strip_prefix("unix:") {
            return socket(text, path);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(Self::mismatch(text).hint(match text.starts_with('/') {
                true => format!("write \"unix:{text}\" for a socket"),
                false => format!("write \"http://{text}\""),
            }));
        };
        let of_scheme = |host: &str, port| match scheme {
            "https" => Self::https(host, port),
            _ => Self::http(host, port),
        };
        let standard = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(unknown_scheme(scheme, rest)),
        };
        let uri: Uri = text.parse().map_err(|_| Self::mismatch(text))?;
        let authority = uri.authority().ok_or_else(|| Self::mismatch(text))?;
        if authority.as_str().contains('@') {
            return Err(
                Problem::new("a user name or password in the URL is not sent to servers")
                    .hint("write the URL without it"),
            );
        }
        if !matches!(uri.path_and_query().map(|path| path.as_str()), None | Some("/")) {
            return Err(
                Problem::new(format!("{text:?} has a path; requests keep theirs")).hint(format!(
                    "write \"{scheme}://{authority}\"; add_prefix of a route puts one before"
                )),
            );
        }
        let host = authority.host().trim_matches(['[', ']']);
        let port = match authority.as_str().rsplit_once(authority.host()) {
            Some((_, "")) => Some(standard),
            _ => authority.port_u16().filter(|port| *port != 0),
        };
        match port {
            Some(port) if !host.is_empty() => Ok(of_scheme(host, port)),
            _ => Err(Self::mismatch(text)),
        }
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^(https?://[^/@]+/?|unix:/.+)$" })
    }
}

fn socket(text: &str, path: &str) -> Result<ServerAddress, Problem> {
    // Others write `unix://` before the slash that the path begins with.
    let path = path.strip_prefix("//").unwrap_or(path);
    if !path.starts_with('/') || path.contains('\0') {
        let problem = Problem::mismatch(ServerAddress::EXPECTED, format_args!("{text:?}"));
        return Err(problem.hint("a socket has an absolute path: \"unix:/run/app.sock\""));
    }
    // What the kernel takes, its end included (unix(7)).
    match path.len() < 108 {
        true => Ok(ServerAddress::unix(path)),
        false => Err(Problem::new("the path is too long for a socket: 107 bytes at most")),
    }
}

fn unknown_scheme(scheme: &str, rest: &str) -> Problem {
    let problem = Problem::new(format!("{scheme}:// is not spoken to servers"));
    match scheme {
        "h2c" => problem.hint(format!("write \"http://{rest}\" and http = \"2\"")),
        "h2" | "grpcs" => problem.hint(format!("write \"https://{rest}\" and http = \"2\"")),
        "grpc" => problem.hint(format!("write \"http://{rest}\" and http = \"2\"")),
        "ws" => problem.hint(format!("write \"http://{rest}\": WebSockets are passed on")),
        "wss" => problem.hint(format!("write \"https://{rest}\": WebSockets are passed on")),
        _ => problem.hint("http://, https:// and unix: are"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> Option<String> {
        ServerAddress::parse(text).ok().map(|server| server.to_string())
    }

    #[test]
    fn a_server_is_a_host_and_a_port_or_a_socket() {
        for (text, meant) in [
            ("http://backend", "backend:80"),
            ("http://backend:8080/", "backend:8080"),
            ("http://[::1]:8080", "[::1]:8080"),
            ("http://[::1]", "[::1]:80"),
            ("https://backend", "https://backend:443"),
            ("https://backend:8443", "https://backend:8443"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
            ("unix:///run/app.sock", "unix:/run/app.sock"),
        ] {
            assert_eq!(server(text).as_deref(), Some(meant), "{text}");
        }
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
            "unix:",
            "unix:app.sock",
            "/run/app.sock",
        ] {
            assert_eq!(server(text), None, "{text}");
        }
    }

    #[test]
    fn a_scheme_that_others_have_is_translated() {
        let hint = |text| ServerAddress::parse(text).unwrap_err().hint.unwrap();
        assert_eq!(hint("h2c://a:1"), "write \"http://a:1\" and http = \"2\"");
        assert_eq!(hint("wss://a"), "write \"https://a\": WebSockets are passed on");
        assert_eq!(hint("/run/app.sock"), "write \"unix:/run/app.sock\" for a socket");
        assert!(hint("unix:app.sock").contains("absolute"));
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
