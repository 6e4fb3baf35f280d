//! `Location`, `Content-Location` and `Refresh` of a backend that does not know what clients call it.

use bytes::Bytes;
use http::header::{CONTENT_LOCATION, LOCATION, REFRESH};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::places::Places;
use super::refresh;
use super::url::{Url, reads_as_network_path};

/// Which URLs in the fields of responses are rewritten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedirectRules {
    /// Those that name the backend, or this host without TLS.
    pub automatic: bool,
    /// Those that begin so, before the others are looked at.
    pub pairs: Vec<RedirectPair>,
}

/// What the backend writes at the beginning of a URL, and what clients are told instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectPair {
    from: Box<str>,
    to: Box<str>,
}

/// Why two texts are no [`RedirectPair`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectPairError {
    /// One of them is no URL.
    #[error("both begin with http://, https:// or /")]
    NoUrl,
    /// One of them ends within a segment of the path.
    #[error("both end with a slash, or neither")]
    Slash,
}

impl RedirectPair {
    /// What begins with `from` begins with `to` instead.
    ///
    /// # Errors
    ///
    /// [`RedirectPairError`] where that could only make nonsense.
    pub fn new(from: &str, to: &str) -> Result<Self, RedirectPairError> {
        let is_url = |text: &str| {
            let graphic = text.bytes().all(|byte| byte.is_ascii_graphic());
            graphic && Url::parse(text.as_bytes()).is_some_and(|url| url.scheme.is_some() == url.authority.is_some())
        };
        if !is_url(from) || !is_url(to) {
            return Err(RedirectPairError::NoUrl);
        }
        if from.ends_with('/') != to.ends_with('/') {
            return Err(RedirectPairError::Slash);
        }
        Ok(Self {
            from: from.into(),
            to: to.into(),
        })
    }

    fn apply(&self, url: &[u8]) -> Option<Vec<u8>> {
        // `//b.test` is no path.
        if self.from.starts_with('/') && reads_as_network_path(url) {
            return None;
        }
        let (start, rest) = url.split_at_checked(self.from.len())?;
        // Scheme and host are the same in any case, the path is not.
        let path = Url::parse(self.from.as_bytes())?.rest.len();
        let (origin, path) = self.from.as_bytes().split_at_checked(self.from.len() - path)?;
        let (start_origin, start_path) = start.split_at_checked(origin.len())?;
        let whole = self.from.ends_with('/') || matches!(rest, [] | [b'/' | b'?' | b'#', ..]);
        let begins = start_origin.eq_ignore_ascii_case(origin) && start_path == path;
        let url = (begins && whole).then(|| [self.to.as_bytes(), rest].concat())?;
        // What is left of `/old//b.test` must not lead to another host.
        (!reads_as_network_path(&url)).then_some(url)
    }
}

/// Rewrites what a response says about where to go.
pub(in crate::proxy) fn rewrite(headers: &mut HeaderMap, rules: &RedirectRules, places: &Places<'_>) {
    if !rules.automatic && rules.pairs.is_empty() {
        return;
    }
    let public = |url: &[u8]| {
        let mapped = rules.pairs.iter().find_map(|pair| pair.apply(url));
        mapped.or_else(|| rules.automatic.then(|| places.public_url(url))?)
    };
    for name in [LOCATION, CONTENT_LOCATION] {
        exchange(headers, &name, public);
    }
    exchange(headers, &REFRESH, |value| {
        let url = refresh::url(value)?;
        let exchanged = public(value.get(url.clone())?)?;
        Some([value.get(..url.start)?, &exchanged, value.get(url.end..)?].concat())
    });
}

fn exchange(headers: &mut HeaderMap, name: &HeaderName, exchanged: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    let Some(value) = headers.get_mut(name) else {
        return;
    };
    // A part of a field value, and URLs.
    if let Some(Ok(new)) = exchanged(value.as_bytes()).map(|new| HeaderValue::from_maybe_shared(Bytes::from(new))) {
        *value = new;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::headers::places::tests::with;
    use crate::proxy::headers::scheme::Scheme;

    #[test]
    fn each_field_is_rewritten() {
        let rewritten = rewritten(
            &RedirectRules {
                automatic: true,
                pairs: Vec::new(),
            },
            &[
                ("location", "http://a.test/x"),
                ("content-location", "http://10.0.0.9:8080/y"),
                ("refresh", "5; url='http://a.test/z'"),
                ("link", "<http://a.test/>"),
            ],
        );
        assert_eq!(
            rewritten,
            [
                "content-location: https://a.test/y",
                "link: <http://a.test/>",
                "location: https://a.test/x",
                "refresh: 5; url='https://a.test/z'",
            ]
        );
    }

    #[test]
    fn nothing_is_touched_where_it_is_off() {
        let fields = [("location", "http://a.test/x")];
        assert_eq!(
            rewritten(&RedirectRules::default(), &fields),
            ["location: http://a.test/x"]
        );
    }

    #[test]
    fn pairs_go_first_and_hold_without_the_others() {
        let pairs = vec![
            RedirectPair::new("http://internal:8080/", "https://www.example.com/").unwrap(),
            RedirectPair::new("http://a.test/old", "https://a.test/new").unwrap(),
        ];
        for (automatic, location, expected) in [
            (true, "http://Internal:8080/x?y", "https://www.example.com/x?y"),
            (true, "http://internal:8080", "http://internal:8080"),
            (true, "http://internal:80801/", "http://internal:80801/"),
            (true, "http://a.test/old?q", "https://a.test/new?q"),
            (true, "http://a.test/older", "https://a.test/older"),
            (true, "http://a.test/OLD", "https://a.test/OLD"),
            (false, "http://a.test/old/x", "https://a.test/new/x"),
            (false, "http://a.test/x", "http://a.test/x"),
        ] {
            let rules = RedirectRules {
                automatic,
                pairs: pairs.clone(),
            };
            assert_eq!(
                rewritten(&rules, &[("location", location)]),
                [format!("location: {expected}")]
            );
        }
    }

    #[test]
    fn a_pair_that_makes_nonsense_is_refused() {
        for (from, to, error) in [
            ("internal", "https://a.test", RedirectPairError::NoUrl),
            ("http://internal", "a.test", RedirectPairError::NoUrl),
            ("//internal", "https://a.test", RedirectPairError::NoUrl),
            ("http://", "https://a.test", RedirectPairError::NoUrl),
            ("http://internal/\u{e4}", "https://a.test", RedirectPairError::NoUrl),
            ("http://internal/", "https://a.test", RedirectPairError::Slash),
        ] {
            assert_eq!(RedirectPair::new(from, to), Err(error), "{from} {to}");
        }
        let pair = RedirectPair::new("/old/", "/").unwrap();
        assert_eq!(pair.apply(b"/old/x").unwrap(), b"/x");
        assert_eq!(pair.apply(b"/old//b.test/"), None);
    }

    fn rewritten(rules: &RedirectRules, fields: &[(&'static str, &str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        with(
            (Scheme::Https, "a.test"),
            ("10.0.0.9", 8080),
            "a.test",
            ("", ""),
            |places| {
                rewrite(&mut headers, rules, places);
            },
        );
        let mut lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort_unstable();
        lines
    }
}
