//! URLs in header fields, taken apart as far as it takes to tell whose they are.
//!
//! Bytes, because backends write anything there; what is not understood is nobody's and stays as it is.

use super::host;
use super::scheme::Scheme;

/// `http://host:port/rest`, `//host/rest` or `/rest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Url<'a> {
    /// `None` where it is the one of the page.
    pub(super) scheme: Option<Scheme>,
    /// `None` where it is the one of the page.
    pub(super) authority: Option<Authority<'a>>,
    /// Path, query and fragment as they are written.
    pub(super) rest: &'a [u8],
}

/// A host and its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Authority<'a> {
    /// As it is written; an IPv6 address in its brackets.
    pub(super) name: &'a [u8],
    /// `None` where it is the one of the scheme.
    pub(super) port: Option<u16>,
}

impl<'a> Url<'a> {
    /// Takes a URL apart; `None` for a relative one, another scheme, a user name, or a host that is none.
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let (scheme, after) = match after_scheme(text) {
            Some((scheme, after)) => (Some(scheme), after),
            None => (None, text),
        };
        match after {
            [b'/', b'/', rest @ ..] => {
                let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
                let (authority, rest) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
                Some(Self {
                    scheme,
                    authority: Some(Authority::parse(authority)?),
                    rest,
                })
            }
            [b'/', ..] if scheme.is_none() => Some(Self {
                scheme,
                authority: None,
                rest: after,
            }),
            _ => None,
        }
    }
}

impl<'a> Authority<'a> {
    /// Reads a host with an optional port.
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let (length, port) = host::split(text)?;
        Some(Self {
            name: text.get(..length)?,
            port,
        })
    }
}

/// Whether browsers take a path for `//host/path`. They read a backslash as a slash and leave out tabs.
pub(super) fn reads_as_network_path(path: &[u8]) -> bool {
    matches!(path, [b'/', b'/' | b'\\' | ..=b' ', ..])
}

fn after_scheme(text: &[u8]) -> Option<(Scheme, &[u8])> {
    [Scheme::Https, Scheme::Http].into_iter().find_map(|scheme| {
        let (word, after) = text.split_at_checked(scheme.as_str().len())?;
        let after = after.strip_prefix(b":")?;
        word.eq_ignore_ascii_case(scheme.as_str().as_bytes())
            .then_some((scheme, after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_scheme_an_authority_and_the_rest() {
        for (text, scheme, name, port, rest) in [
            ("http://a.test/x?y#z", Some(Scheme::Http), "a.test", None, "/x?y#z"),
            ("HTTPS://A.test:8443", Some(Scheme::Https), "A.test", Some(8443), ""),
            ("http://[::1]:80?q", Some(Scheme::Http), "[::1]", Some(80), "?q"),
            ("http://a.test:/x", Some(Scheme::Http), "a.test", None, "/x"),
            ("//a.test#f", None, "a.test", None, "#f"),
            ("http://a.test//x", Some(Scheme::Http), "a.test", None, "//x"),
        ] {
            let url = Url::parse(text.as_bytes()).unwrap();
            let authority = url.authority.unwrap();
            assert_eq!((url.scheme, authority.port), (scheme, port), "{text}");
            assert_eq!((authority.name, url.rest), (name.as_bytes(), rest.as_bytes()), "{text}");
        }
        let path = Url::parse("/ä?http://x".as_bytes()).unwrap();
        assert_eq!((path.scheme, path.authority), (None, None));
    }

    #[test]
    fn a_path_that_leads_to_another_host_is_recognised() {
        for path in [&b"//b.test"[..], b"/\\b.test", b"/\t/b.test"] {
            assert!(reads_as_network_path(path), "{}", path.escape_ascii());
        }
        for path in [&b"/"[..], b"/x//y", b"/?//", b"", b"x//"] {
            assert!(!reads_as_network_path(path), "{}", path.escape_ascii());
        }
    }

    #[test]
    fn what_browsers_and_backends_read_differently_is_nobodys() {
        for text in [
            &b""[..],
            b"x",
            b"./x",
            b"?q",
            b"#f",
            b"http:/x",
            b"http:x",
            b"http:///x",
            b"http://",
            b"//",
            b"///x",
            b"http://user@a.test/",
            b"http://a.test\\@b.test/",
            b"http://a.test:99999/",
            b"http://a.test:8o/",
            b"http://a%2etest/",
            b"http://\xff/",
            b"http://[::1/",
            b"httpx://a.test/",
            b"ftp://a.test/",
            b"mailto:a@b.test",
            b" http://a.test/",
            b"ht",
        ] {
            assert_eq!(Url::parse(text), None, "{}", text.escape_ascii());
        }
    }
}
