//! One place with two names: what clients call it, and what the backend calls it. URLs are translated from either to
//! the other.

use http::HeaderValue;

use super::downstream::{Downstream, Site};
use super::host::Host;
use super::prefixes::Prefixes;
use super::scheme::Scheme;
use super::url::{Authority, Url, reads_as_network_path};

/// The two names of one place.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) struct Places<'a> {
    /// What clients call it.
    pub(in crate::proxy) public: &'a Site,
    /// The host that the request named, where a proxy before us calls it something else.
    pub(in crate::proxy) requested: &'a Host,
    /// What the backend calls it.
    pub(in crate::proxy) backend: BackendSite<'a>,
    /// The beginnings of paths on either side.
    pub(in crate::proxy) prefixes: Prefixes<'a>,
}

/// How a backend is reached, and who it is told to be.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) struct BackendSite<'a> {
    /// http or https.
    pub(in crate::proxy) scheme: Scheme,
    /// The server's name or address without brackets, and its port.
    pub(in crate::proxy) address: (&'a str, u16),
    /// The Host field of requests to it.
    pub(in crate::proxy) host: &'a HeaderValue,
}

impl<'a> Places<'a> {
    /// The places of a request.
    pub(in crate::proxy) fn of(downstream: &'a Downstream, backend: BackendSite<'a>, prefixes: Prefixes<'a>) -> Self {
        Self {
            public: &downstream.site,
            requested: &downstream.requested,
            backend,
            prefixes,
        }
    }

    /// A URL of the backend as clients know it; `None` where it stays as it is.
    ///
    /// A backend that is not told of TLS takes itself for `http://`, and for whatever host and port it was asked under
    /// or listens on. Other hosts, other ports and https of its own accord are meant as they are.
    pub(super) fn public_url(&self, text: &[u8]) -> Option<Vec<u8>> {
        let url = Url::parse(text)?;
        let path = self.prefixes.public_path(url.rest);
        let mut out = Vec::with_capacity(text.len() + self.prefixes.public.len());
        if let Some(authority) = &url.authority {
            if !self.is_of_backend(url.scheme, authority) {
                return None;
            }
            self.public.write(&mut out);
        }
        let (prefix, rest) = path.unwrap_or(("", url.rest));
        // What is left of `/owa//b.test` must not lead to another host.
        if url.authority.is_none() && rest != url.rest && prefix.is_empty() && reads_as_network_path(rest) {
            self.public.write(&mut out);
        }
        out.extend_from_slice(prefix.as_bytes());
        out.extend_from_slice(rest);
        // The scheme that was left out would only be written where it is the same.
        let right_without_scheme = url.scheme.is_none() && url.authority.is_some() && out.ends_with(text);
        (out != text && !right_without_scheme).then_some(out)
    }

    /// Whether `authority` is what the backend takes itself for.
    fn is_of_backend(&self, scheme: Option<Scheme>, authority: &Authority<'_>) -> bool {
        let public = self.public;
        let said = scheme.unwrap_or(public.scheme);
        let port = authority.port.unwrap_or_else(|| said.port());
        let (name, own_port) = self.backend.address;
        if named(authority.name, name) && port == own_port {
            return true;
        }
        let on_own_port = authority.port == Some(own_port);
        let is = |name: &[u8]| authority.name.eq_ignore_ascii_case(name);
        let host = Authority::parse(self.backend.host.as_bytes());
        let as_told = host.filter(|host| is(host.name));
        if is(public.host.name()) || is(self.requested.name()) {
            // What is right already may still have a path to translate.
            let right = said == public.scheme && port == public.port;
            let in_the_clear = said == Scheme::Http && public.scheme == Scheme::Https;
            let usual = [Some(public.port), Some(Scheme::Http.port()), self.requested.port()];
            return right || on_own_port || (in_the_clear && usual.contains(&Some(port)));
        }
        // A host that we made up for the backend is nobody else's.
        as_told.is_some_and(|host| on_own_port || authority.port.is_none() || authority.port == host.port)
    }

    /// A URL of the client as the backend knows it; `None` where it is of another host or another backend, or the same.
    pub(super) fn upstream_url(&self, text: &[u8]) -> Option<Vec<u8>> {
        let url = Url::parse(text)?;
        let (prefix, rest) = self.prefixes.upstream_path(url.rest)?;
        let mut out = Vec::with_capacity(text.len() + self.prefixes.upstream.len());
        if let Some(authority) = &url.authority {
            if !self.is_of_client(url.scheme, authority) {
                return None;
            }
            for part in [
                self.backend.scheme.as_str().as_bytes(),
                b"://",
                self.backend.host.as_bytes(),
            ] {
                out.extend_from_slice(part);
            }
        } else if rest != url.rest && prefix.is_empty() && reads_as_network_path(rest) {
            return None;
        }
        out.extend_from_slice(prefix.as_bytes());
        out.extend_from_slice(rest);
        (out != text).then_some(out)
    }

    /// Whether `authority` is what the client calls this place; some clients forget port or scheme.
    fn is_of_client(&self, scheme: Option<Scheme>, authority: &Authority<'_>) -> bool {
        let public = self.public;
        let port = authority.port.unwrap_or_else(|| scheme.unwrap_or(public.scheme).port());
        let is = |host: &Host| authority.name.eq_ignore_ascii_case(host.name());
        (is(&public.host) && (port == public.port || authority.port.is_none()))
            || (is(self.requested) && (authority.port.is_none() || authority.port == self.requested.port()))
    }
}

/// Whether a host of a URL is a server's name or address, which has no brackets.
fn named(host: &[u8], name: &str) -> bool {
    let bare = host
        .strip_prefix(b"[")
        .and_then(|host| host.strip_suffix(b"]"))
        .unwrap_or(host);
    bare.eq_ignore_ascii_case(name.as_bytes())
}

#[cfg(test)]
pub(super) mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::proxy::headers::downstream::Address;
    use crate::proxy::settings::Peers;

    /// Two names for tests: what the client asked for, the server, the Host it is sent, and the prefixes.
    pub(in crate::proxy::headers) fn with<T>(
        (scheme, requested): (Scheme, &'static str),
        address: (&str, u16),
        host: &'static str,
        (public, upstream): (&str, &str),
        act: impl FnOnce(&Places<'_>) -> T,
    ) -> T {
        let peer = Address::of([192, 0, 2, 1].into());
        let requested = Host::new(HeaderValue::from_static(requested)).unwrap();
        let downstream = Downstream::of(
            &peer,
            peer.clone(),
            scheme,
            &requested,
            &HeaderMap::new(),
            &Peers::default(),
        );
        let host = HeaderValue::from_static(host);
        let backend = BackendSite {
            scheme: Scheme::Http,
            address,
            host: &host,
        };
        act(&Places::of(&downstream, backend, Prefixes { public, upstream }))
    }

    fn to_public(
        requested: (Scheme, &'static str),
        host: &'static str,
        prefixes: (&str, &str),
        url: &str,
    ) -> Option<String> {
        with(requested, ("10.0.0.9", 8080), host, prefixes, |places| {
            places
                .public_url(url.as_bytes())
                .map(|url| String::from_utf8(url).unwrap())
        })
    }

    fn to_upstream(
        requested: (Scheme, &'static str),
        host: &'static str,
        prefixes: (&str, &str),
        url: &str,
    ) -> Option<String> {
        with(requested, ("10.0.0.9", 8080), host, prefixes, |places| {
            places
                .upstream_url(url.as_bytes())
                .map(|url| String::from_utf8(url).unwrap())
        })
    }

    #[test]
    fn what_the_backend_takes_itself_for_becomes_what_clients_call_it() {
        for (url, expected) in [
            ("http://10.0.0.9:8080/x?y#z", Some("https://a.test/x?y#z")),
            ("http://a.test/x", Some("https://a.test/x")),
            ("HTTP://A.TEST/x", Some("https://a.test/x")),
            ("http://a.test", Some("https://a.test")),
            ("http://a.test?q", Some("https://a.test?q")),
            ("http://a.test:80/", Some("https://a.test/")),
            ("http://a.test:443/", Some("https://a.test/")),
            ("http://a.test:8080/", Some("https://a.test/")),
            ("https://a.test:8080/", Some("https://a.test/")),
            ("//10.0.0.9:8080/x", Some("https://a.test/x")),
            (
                "http://a.test/\u{e4}?http://a.test/",
                Some("https://a.test/\u{e4}?http://a.test/"),
            ),
            // Meant as they are.
            ("https://a.test/x", None),
            ("//a.test/x", None),
            ("http://a.test:9999/x", None),
            ("https://a.test:8443/x", None),
            ("http://10.0.0.9/x", None),
            ("http://10.0.0.9:8081/x", None),
            ("http://b.test/x", None),
            ("http://a.test.evil/x", None),
            ("http://user@a.test/x", None),
            ("/x", None),
            ("x", None),
            ("", None),
            ("ftp://a.test/", None),
        ] {
            assert_eq!(
                to_public((Scheme::Https, "a.test"), "a.test", ("", ""), url).as_deref(),
                expected,
                "{url}"
            );
        }
    }

    #[test]
    fn the_public_port_is_the_one_that_the_client_uses() {
        let public = (Scheme::Https, "a.test:8443");
        for (url, expected) in [
            ("http://a.test:8443/x", Some("https://a.test:8443/x")),
            ("http://a.test/x", Some("https://a.test:8443/x")),
            ("http://a.test:8080/x", Some("https://a.test:8443/x")),
            ("https://a.test:8443/x", None),
            ("https://a.test/x", None),
        ] {
            assert_eq!(
                to_public(public, "a.test:8443", ("", ""), url).as_deref(),
                expected,
                "{url}"
            );
        }
    }

    #[test]
    fn over_plain_http_a_redirect_to_https_is_meant_as_it_is() {
        let public = (Scheme::Http, "a.test");
        for (url, expected) in [
            ("https://a.test/x", None),
            ("http://a.test/x", None),
            ("http://a.test:8080/x", Some("http://a.test/x")),
            ("http://10.0.0.9:8080/x", Some("http://a.test/x")),
        ] {
            assert_eq!(to_public(public, "a.test", ("", ""), url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn a_host_that_the_backend_was_told_is_its_own() {
        for (url, expected) in [
            ("http://intranet/x", Some("https://a.test/x")),
            ("http://intranet:8080/x", Some("https://a.test/x")),
            ("https://intranet/x", Some("https://a.test/x")),
            ("http://intranet:81/x", None),
        ] {
            assert_eq!(
                to_public((Scheme::Https, "a.test"), "intranet", ("", ""), url).as_deref(),
                expected,
                "{url}"
            );
        }
    }

    #[test]
    fn the_beginning_of_a_path_is_translated_back() {
        for (prefixes, url, expected) in [
            (("/app", ""), "/login", Some("/app/login")),
            (("/app", ""), "/", Some("/app/")),
            (("/app", ""), "http://a.test", Some("https://a.test/app")),
            (("/app", ""), "https://a.test/login", Some("https://a.test/app/login")),
            (("/app", ""), "//a.test/login", Some("https://a.test/app/login")),
            (("/app", ""), "http://b.test/login", None),
            (("/app", ""), "login", None),
            (("", "/owa"), "/owa/auth?x=/owa", Some("/auth?x=/owa")),
            (("", "/owa"), "/owa", Some("/")),
            (("", "/owa"), "/ecp", None),
            (("", "/owa"), "/owa//b.test/x", Some("https://a.test//b.test/x")),
            (("", "/owa"), "/owa/\\b.test/x", Some("https://a.test/\\b.test/x")),
            (("/app", "/owa"), "/owa//b.test/x", Some("/app//b.test/x")),
            (("/app", ""), "//b.test/x", None),
            (("", ""), "/\\b.test/x", None),
            (("", "/owa"), "http://a.test/ecp", Some("https://a.test/ecp")),
            (
                ("/mail", "/owa"),
                "http://10.0.0.9:8080/owa/auth",
                Some("https://a.test/mail/auth"),
            ),
        ] {
            assert_eq!(
                to_public((Scheme::Https, "a.test"), "a.test", prefixes, url).as_deref(),
                expected,
                "{prefixes:?} {url}"
            );
        }
    }

    #[test]
    fn an_ipv6_server_is_recognised() {
        with(
            (Scheme::Https, "[2001:db8::1]"),
            ("::1", 8080),
            "[2001:db8::1]",
            ("", ""),
            |places| {
                assert_eq!(
                    places.public_url(b"http://[::1]:8080/x").unwrap(),
                    b"https://[2001:db8::1]/x"
                );
            },
        );
    }

    #[test]
    fn what_the_client_calls_the_place_becomes_what_the_backend_does() {
        for (public, host, prefixes, url, expected) in [
            (
                "a.test",
                "a.test",
                ("", ""),
                "https://a.test/x%20y",
                Some("http://a.test/x%20y"),
            ),
            (
                "a.test",
                "a.test",
                ("", ""),
                "https://A.test:443/x",
                Some("http://a.test/x"),
            ),
            (
                "a.test:8443",
                "a.test:8443",
                ("", ""),
                "https://a.test:8443/x",
                Some("http://a.test:8443/x"),
            ),
            (
                "a.test:8443",
                "a.test:8443",
                ("", ""),
                "https://a.test/x",
                Some("http://a.test:8443/x"),
            ),
            (
                "a.test",
                "intranet",
                ("/dav", ""),
                "https://a.test/dav/x",
                Some("http://intranet/x"),
            ),
            ("a.test", "a.test", ("/dav", "/files"), "/dav/x", Some("/files/x")),
            ("a.test", "a.test", ("/dav", ""), "https://a.test/davx", None),
            ("a.test", "a.test", ("/dav", ""), "https://a.test/other", None),
            ("a.test", "a.test", ("", ""), "https://b.test/x", None),
            ("a.test", "a.test", ("", ""), "https://a.test:444/x", None),
            ("a.test", "a.test", ("/dav", ""), "/dav//b.test/x", None),
            ("a.test", "a.test", ("", ""), "/x", None),
            ("a.test", "a.test", ("", ""), "x", None),
        ] {
            assert_eq!(
                to_upstream((Scheme::Https, public), host, prefixes, url).as_deref(),
                expected,
                "{url}"
            );
        }
    }
}
