//! A URL that may be asked: plain `http`, a host, and nothing that could carry a secret.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use http::Uri;

use super::Error;

/// What a URL of `http` says (RFC 9110 section 4.2.1): where to connect, and what to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) host: Host,
    pub(super) port: u16,
    /// The value of the Host field.
    pub(super) authority: String,
    /// Path and query.
    pub(super) target: String,
}

/// The host of a URL: a name must be resolved, an address must not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Address(IpAddr),
    Name(String),
}

/// Longer ones are in no certificate; a common limit of servers is 8,000 (RFC 9110 section 4.1).
const LONGEST: usize = 2_048;

impl Location {
    /// Reads a URL as it stands in a certificate.
    ///
    /// # Errors
    ///
    /// [`Error::Url`], [`Error::Scheme`] and [`Error::Credentials`].
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        let no_url = || Error::Url(shown(url));
        match url.split_once(':') {
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("http") => {}
            Some((scheme, _)) if is_scheme(scheme) => return Err(Error::Scheme(shown(url))),
            _ => return Err(no_url()),
        }
        let uri: Uri = Some(url)
            .filter(|url| url.len() <= LONGEST)
            .and_then(|url| url.parse().ok())
            .filter(|uri: &Uri| uri.scheme().is_some())
            .ok_or_else(no_url)?;
        let authority = uri.authority().ok_or_else(no_url)?;
        if authority.as_str().contains('@') {
            return Err(Error::Credentials);
        }
        let port = match authority.port_u16() {
            Some(port @ 1..) => port,
            // `http://host:/` is allowed (RFC 3986 section 3.2.3).
            None if authority.port().is_none() => 80,
            Some(0) | None => return Err(no_url()),
        };
        let host = Host::parse(authority.host()).ok_or_else(no_url)?;
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        Ok(Self {
            host,
            port,
            authority: authority.as_str().to_owned(),
            target: if target.starts_with('/') {
                target.to_owned()
            } else {
                format!("/{target}")
            },
        })
    }

    /// Where `reference`, the Location of a redirect, leads from here (RFC 3986 section 5.2).
    pub(super) fn join(&self, reference: &str) -> Result<Self, Error> {
        let reference = reference.split('#').next().unwrap_or_default();
        let has_scheme = reference.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme));
        let url = if has_scheme {
            reference.to_owned()
        } else if reference.starts_with("//") {
            format!("http:{reference}")
        } else if reference.starts_with('/') {
            format!("http://{}{reference}", self.authority)
        } else {
            let path = self.target.split('?').next().unwrap_or_default();
            let directory = match reference {
                "" => return Ok(self.clone()),
                query if query.starts_with('?') => path,
                _ => path.rsplit_once('/').map_or("", |(directory, _)| directory),
            };
            let slash = if reference.starts_with('?') { "" } else { "/" };
            format!("http://{}{directory}{slash}{reference}", self.authority)
        };
        Self::parse(&url)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.target)
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        if let Some(bracketed) = text.strip_prefix('[') {
            let address: Ipv6Addr = bracketed.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Address(address.into()));
        }
        match text.parse() {
            Ok(address) => Some(Self::Address(IpAddr::V4(address))),
            Err(_) if text.is_empty() => None,
            // Other ways to write an address (`0x7f.1`) are names here; what they resolve to is judged all the same.
            Err(_) => Some(Self::Name(text.to_owned())),
        }
    }
}

/// `ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )`, RFC 3986 section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// A URL as a message shows it: of one line, and not endless.
fn shown(url: &str) -> String {
    const LONGEST_SHOWN: usize = 200;
    let mut text = url.escape_default().to_string();
    if text.len() > LONGEST_SHOWN {
        text.truncate(LONGEST_SHOWN);
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(url: &str) -> Location {
        Location::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    #[test]
    fn host_port_and_target_are_told_apart() {
        let name = |name: &str| Host::Name(name.to_owned());
        for (url, host, port, authority, target) in [
            ("http://ca.test/a.cer", name("ca.test"), 80, "ca.test", "/a.cer"),
            ("HTTP://ca.test", name("ca.test"), 80, "ca.test", "/"),
            ("http://ca.test?a=1", name("ca.test"), 80, "ca.test", "/?a=1"),
            (
                "http://ca.test:8080/a?b#c",
                name("ca.test"),
                8080,
                "ca.test:8080",
                "/a?b",
            ),
            (
                "http://[::1]:81/",
                Host::Address("::1".parse().unwrap()),
                81,
                "[::1]:81",
                "/",
            ),
            (
                "http://10.0.0.1/",
                Host::Address("10.0.0.1".parse().unwrap()),
                80,
                "10.0.0.1",
                "/",
            ),
        ] {
            let location = parse(url);
            assert_eq!(
                (location.host, location.port, &*location.authority, &*location.target),
                (host, port, authority, target),
                "{url}"
            );
        }
    }

    #[test]
    fn another_scheme_and_credentials_are_refused_by_name() {
        for url in [
            "https://ca.test/a.cer",
            "ldap:///CN=CA,CN=AIA,DC=corp?cACertificate?base",
            "file:///etc/passwd",
            "ftp://ca.test/a",
        ] {
            assert!(matches!(Location::parse(url), Err(Error::Scheme(_))), "{url}");
        }
        assert!(matches!(
            Location::parse("http://user:secret@ca.test/"),
            Err(Error::Credentials)
        ));
        let long = format!("http://ca.test/{}", "a".repeat(LONGEST));
        for url in [
            "",
            "ca.test/a.cer",
            "http:",
            "http:///a",
            "http://ca.test:0/",
            "http://a b/",
            "http://[::1",
            &long,
        ] {
            assert!(matches!(Location::parse(url), Err(Error::Url(_))), "{url}");
        }
    }

    #[test]
    fn a_redirect_leads_where_rfc_3986_says() {
        let from = parse("http://ca.test:81/certs/a.cer?x=/y");
        for (reference, to) in [
            ("http://other.test/b", "http://other.test/b"),
            ("//other.test/b", "http://other.test/b"),
            ("/b.cer", "http://ca.test:81/b.cer"),
            ("b.cer", "http://ca.test:81/certs/b.cer"),
            ("?z", "http://ca.test:81/certs/a.cer?z"),
            ("", "http://ca.test:81/certs/a.cer?x=/y"),
            ("/b.cer#part", "http://ca.test:81/b.cer"),
        ] {
            assert_eq!(from.join(reference).unwrap().to_string(), to, "{reference}");
        }
        assert!(matches!(from.join("https://ca.test/"), Err(Error::Scheme(_))));
    }

    proptest! {
        #[test]
        fn any_text_is_a_location_or_an_error(url in "\\PC{0,60}", reference in "\\PC{0,60}") {
            let _ = Location::parse(&url);
            let _ = Location::parse(&format!("http://{url}"));
            let _ = parse("http://ca.test/a").join(&reference);
        }
    }
}
