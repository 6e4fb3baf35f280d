//! `Set-Cookie` of a backend that knows neither of TLS nor of its public name.
//!
//! Read as browsers do (RFC 6265 section 5.2): attributes end at semicolons, whatever is quoted, and unknown ones are
//! passed on. Only what must change is changed; every other byte stays, those that are not ASCII too.

use bytes::Bytes;
use http::header::{Entry, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use super::prefixes::exchanged;

/// What cookies get that they come without, and what is translated in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CookieRules {
    /// Every cookie is for https only.
    pub secure: bool,
    /// Which cookies are hidden from scripts.
    pub http_only: HttpOnly,
    /// With which requests from other sites cookies are sent.
    pub same_site: Option<SameSite>,
    /// Domains, as the backend knows them and as clients do.
    pub domains: Vec<Translation>,
    /// Beginnings of paths, as the backend knows them and as clients do.
    pub paths: Vec<Translation>,
}

/// Which cookies are hidden from scripts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HttpOnly {
    /// Those the backend says.
    #[default]
    AsTheyCome,
    /// All.
    All,
    /// Those the backend says, and the ones of these names.
    Named(Vec<Box<str>>),
}

/// With which requests from other sites a cookie is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// With links that are followed.
    Lax,
    /// With none.
    Strict,
    /// With all: only together with Secure.
    None,
}

/// What the backend calls something, and what clients do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The backend's word.
    pub from: Box<str>,
    /// The clients' word.
    pub to: Box<str>,
}

impl CookieRules {
    fn are_off(&self) -> bool {
        !self.secure
            && self.same_site.is_none()
            && self.http_only == HttpOnly::AsTheyCome
            && self.domains.is_empty()
            && self.paths.is_empty()
    }
}

/// Applies `rules` to every cookie of a response. Without TLS (`secure`) a browser would refuse a cookie that asks for
/// it, so that neither Secure nor SameSite=None is added.
pub(in crate::proxy) fn rewrite(headers: &mut HeaderMap, rules: &CookieRules, secure: bool) {
    if rules.are_off() {
        return;
    }
    let Entry::Occupied(mut cookies) = headers.entry(SET_COOKIE) else {
        return;
    };
    for cookie in cookies.iter_mut() {
        let rewritten = rewritten(cookie.as_bytes(), rules, secure);
        // What was a field value stays one: only words of the configuration were put in.
        if let Some(Ok(value)) = rewritten.map(|value| HeaderValue::from_maybe_shared(Bytes::from(value))) {
            *cookie = value;
        }
    }
}

/// `cookie` after `rules`; `None` where it stays as it is.
fn rewritten(cookie: &[u8], rules: &CookieRules, secure: bool) -> Option<Vec<u8>> {
    let mut segments = cookie.split(|byte| *byte == b';');
    let pair = segments.next().unwrap_or_default();
    let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
    // RFC 6265bis section 4.1.3.2: with a Domain or another path than / browsers refuse it.
    let is_host_bound = name
        .get(..7)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"__Host-"));
    let same_site = rules.same_site.filter(|wanted| secure || *wanted != SameSite::None);

    let mut out = pair.to_vec();
    let (mut has_secure, mut has_http_only, mut has_same_site) = (false, false, false);
    for segment in segments {
        out.push(b';');
        let attribute = Attribute::of(segment);
        let exchanged = if attribute.is("secure") {
            has_secure = true;
            None
        } else if attribute.is("httponly") {
            has_http_only = true;
            None
        } else if attribute.is("samesite") {
            has_same_site = true;
            same_site.and_then(|wanted| attribute.with_same_site(wanted))
        } else if attribute.is("domain") && !is_host_bound {
            attribute.with_value(|domain| translated_domain(domain, &rules.domains))
        } else if attribute.is("path") && !is_host_bound {
            attribute.with_value(|path| translated_path(path, &rules.paths))
        } else {
            None
        };
        out.extend_from_slice(exchanged.as_deref().unwrap_or(segment));
    }
    if let Some(wanted) = same_site.filter(|_| !has_same_site) {
        append(&mut out, &["SameSite=", wanted.as_str()]);
    }
    if rules.secure && secure && !has_secure {
        append(&mut out, &["Secure"]);
    }
    if !has_http_only && rules.http_only.covers(name) {
        append(&mut out, &["HttpOnly"]);
    }
    (out != cookie).then_some(out)
}

impl HttpOnly {
    fn covers(&self, name: &[u8]) -> bool {
        match self {
            Self::AsTheyCome => false,
            Self::All => true,
            Self::Named(names) => names.iter().any(|named| named.as_bytes() == name),
        }
    }
}

impl SameSite {
    fn as_str(self) -> &'static str {
        match self {
            Self::Lax => "Lax",
            Self::Strict => "Strict",
            Self::None => "None",
        }
    }
}

/// What stands between two semicolons.
struct Attribute<'a> {
    segment: &'a [u8],
    name: &'a [u8],
    /// Without blanks and quotes around it, and where it begins.
    value: Option<(usize, &'a [u8])>,
}

impl<'a> Attribute<'a> {
    fn of(segment: &'a [u8]) -> Self {
        let equals = segment.iter().position(|byte| *byte == b'=');
        let (name, value) = match equals {
            Some(at) => (segment.get(..at).unwrap_or_default(), segment.get(at + 1..)),
            None => (segment, None),
        };
        let value = value.map(|value| {
            let start = segment.len() - value.trim_ascii_start().len();
            let value = value.trim_ascii();
            // As in the cookies of RFC 2109, which old Java servers send.
            match value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) {
                Some(inner) => (start + 1, inner),
                None => (start, value),
            }
        });
        Self {
            segment,
            name: name.trim_ascii(),
            value,
        }
    }

    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The segment with what `exchange` makes of the value, if it makes anything of it.
    fn with_value(&self, exchange: impl FnOnce(&'a [u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
        let (start, value) = self.value?;
        let exchanged = exchange(value)?;
        let before = self.segment.get(..start)?;
        let behind = self.segment.get(start + value.len()..)?;
        Some([before, &exchanged, behind].concat())
    }

    fn with_same_site(&self, wanted: SameSite) -> Option<Vec<u8>> {
        let word = wanted.as_str().as_bytes();
        match self.value {
            Some((_, value)) if value.eq_ignore_ascii_case(word) => None,
            Some(_) => self.with_value(|_| Some(word.to_vec())),
            None => Some([self.segment.trim_ascii_end(), b"=", word].concat()),
        }
    }
}

fn translated_domain(domain: &[u8], translations: &[Translation]) -> Option<Vec<u8>> {
    // RFC 6265 section 5.2.3: a dot before it says nothing.
    let bare = |domain: &[u8]| domain.strip_prefix(b".").unwrap_or(domain).to_ascii_lowercase();
    let domain = bare(domain);
    let translation = translations
        .iter()
        .find(|translation| bare(translation.from.as_bytes()) == domain)?;
    Some(translation.to.as_bytes().to_vec())
}

fn translated_path(path: &[u8], translations: &[Translation]) -> Option<Vec<u8>> {
    // Anything else stands for the directory of the request.
    path.starts_with(b"/").then_some(())?;
    translations.iter().find_map(|Translation { from, to }| {
        // Whole segments, like a route's prefix.
        let bare = |prefix: &str| prefix.strip_suffix('/').unwrap_or(prefix).len();
        let (prefix, rest) = exchanged(path, from.get(..bare(from))?, to.get(..bare(to))?)?;
        Some([prefix.as_bytes(), rest].concat())
    })
}

fn append(cookie: &mut Vec<u8>, attribute: &[&str]) {
    let separator: &[u8] = match cookie.trim_ascii_end() {
        [.., b';'] => b" ",
        _ => b"; ",
    };
    cookie.extend_from_slice(separator);
    for part in attribute {
        cookie.extend_from_slice(part.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_changes_where_nothing_is_asked_for() {
        for cookie in [
            "a=1",
            "",
            ";",
            "a=1; Path=/x; Domain=d; ;;Expires=Wed, 09 Jun 2027 10:18:14 GMT",
        ] {
            assert_eq!(rewritten(cookie.as_bytes(), &CookieRules::default(), true), None);
        }
    }

    #[test]
    fn secure_is_added_once_and_only_over_tls() {
        let rules = CookieRules {
            secure: true,
            ..CookieRules::default()
        };
        for (cookie, expected) in [
            ("a=1", Some("a=1; Secure")),
            ("a=1; path=/", Some("a=1; path=/; Secure")),
            ("a=1;", Some("a=1; Secure")),
            ("a=1; ", Some("a=1;  Secure")),
            ("a=1; secure", None),
            ("a=1;SECURE;path=/", None),
            ("a=1; Secure=yes", None),
            ("secure", Some("secure; Secure")),
            ("secure=1", Some("secure=1; Secure")),
            ("a=\"x; secure\"", Some("a=\"x; secure\"; Secure")),
            ("", Some("; Secure")),
            ("a=\u{fc}; Comment=\u{e4}", Some("a=\u{fc}; Comment=\u{e4}; Secure")),
        ] {
            assert_eq!(with(&rules, cookie).as_deref(), expected, "{cookie}");
        }
        assert_eq!(rewritten(b"a=1", &rules, false), None);
    }

    #[test]
    fn http_only_is_for_all_or_for_those_named() {
        let all = CookieRules {
            http_only: HttpOnly::All,
            ..CookieRules::default()
        };
        assert_eq!(with(&all, "a=1").as_deref(), Some("a=1; HttpOnly"));
        assert_eq!(with(&all, "a=1; httponly"), None);
        let named = CookieRules {
            http_only: HttpOnly::Named(vec!["JSESSIONID".into()]),
            ..CookieRules::default()
        };
        assert_eq!(
            with(&named, " JSESSIONID =1").as_deref(),
            Some(" JSESSIONID =1; HttpOnly")
        );
        assert_eq!(with(&named, "jsessionid=1"), None);
        assert_eq!(with(&named, "XSRF=JSESSIONID"), None);
    }

    #[test]
    fn same_site_is_what_the_operator_says_whatever_the_backend_says() {
        let rules = CookieRules {
            same_site: Some(SameSite::Lax),
            ..CookieRules::default()
        };
        for (cookie, expected) in [
            ("a=1", Some("a=1; SameSite=Lax")),
            ("a=1; samesite=lax", None),
            ("a=1; SameSite = None ; Path=/", Some("a=1; SameSite = Lax ; Path=/")),
            ("a=1; SameSite=", Some("a=1; SameSite=Lax")),
            ("a=1; SameSite ;x", Some("a=1; SameSite=Lax;x")),
            (
                "a=1; SameSite=Strict; SameSite=None",
                Some("a=1; SameSite=Lax; SameSite=Lax"),
            ),
        ] {
            assert_eq!(with(&rules, cookie).as_deref(), expected, "{cookie}");
        }
    }

    #[test]
    fn same_site_none_comes_only_with_secure() {
        let rules = CookieRules {
            secure: true,
            same_site: Some(SameSite::None),
            ..CookieRules::default()
        };
        assert_eq!(with(&rules, "a=1").as_deref(), Some("a=1; SameSite=None; Secure"));
        assert_eq!(rewritten(b"a=1; SameSite=Lax", &rules, false), None);
    }

    #[test]
    fn domains_are_translated_and_others_left_alone() {
        let rules = CookieRules {
            domains: vec![translation("internal.local", "example.com")],
            ..CookieRules::default()
        };
        for (cookie, expected) in [
            ("a=1; Domain=internal.local", Some("a=1; Domain=example.com")),
            ("a=1; DOMAIN= .Internal.Local ;x", Some("a=1; DOMAIN= example.com ;x")),
            ("a=1; domain=\"internal.local\"", Some("a=1; domain=\"example.com\"")),
            ("a=1; Domain=x.internal.local", None),
            ("a=1; Domain=", None),
            ("a=1; Domain", None),
            ("a=internal.local", None),
            ("__Host-a=1; Domain=internal.local", None),
        ] {
            assert_eq!(with(&rules, cookie).as_deref(), expected, "{cookie}");
        }
    }

    #[test]
    fn paths_are_translated_in_whole_segments() {
        let rules = CookieRules {
            paths: vec![translation("/app", "/"), translation("/", "/legacy")],
            ..CookieRules::default()
        };
        for (cookie, expected) in [
            ("a=1; Path=/app", Some("a=1; Path=/")),
            ("a=1; path=/app/x", Some("a=1; path=/x")),
            ("a=1; path=/apple", Some("a=1; path=/legacy/apple")),
            ("a=1;Path=/;Secure", Some("a=1;Path=/legacy/;Secure")),
            ("a=1; Path=\"/app/\u{e4}\"", Some("a=1; Path=\"/\u{e4}\"")),
            ("a=1", None),
            ("a=1; Path=", None),
            ("a=1; Path=app", None),
            ("__Host-a=1; Path=/; Secure", None),
            ("__host-a=1; Path=/; Secure", None),
            ("__Secure-a=1; Path=/app; Secure", Some("__Secure-a=1; Path=/; Secure")),
        ] {
            assert_eq!(with(&rules, cookie).as_deref(), expected, "{cookie}");
        }
    }

    #[test]
    fn every_cookie_of_a_response_is_looked_at_and_bytes_stay() {
        let mut headers = HeaderMap::new();
        for cookie in [&b"a=\xff\xfe; Path=/"[..], b"b=2; Secure", b"c=3"] {
            headers.append(SET_COOKIE, HeaderValue::from_bytes(cookie).unwrap());
        }
        let rules = CookieRules {
            secure: true,
            ..CookieRules::default()
        };
        rewrite(&mut headers, &rules, true);
        let cookies: Vec<_> = headers.get_all(SET_COOKIE).iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(
            cookies,
            [&b"a=\xff\xfe; Path=/; Secure"[..], b"b=2; Secure", b"c=3; Secure"]
        );
    }

    fn with(rules: &CookieRules, cookie: &str) -> Option<String> {
        rewritten(cookie.as_bytes(), rules, true).map(|cookie| String::from_utf8(cookie).unwrap())
    }

    fn translation(from: &str, to: &str) -> Translation {
        Translation {
            from: from.into(),
            to: to.into(),
        }
    }

    proptest! {
        /// Whatever a backend sends, what comes of it is a field value that needs no further change.
        #[test]
        fn no_cookie_makes_it_panic(cookie in "[a-zA-Z0-9=;,\" ./_\\-\u{e4}]{0,60}", start in 0..4_usize) {
            let rules = CookieRules {
                secure: true,
                http_only: HttpOnly::All,
                same_site: Some(SameSite::None),
                domains: vec![translation("a.local", "b.test")],
                paths: vec![translation("/app/", "/")],
            };
            let start = ["", "a=1; Domain=a.local", "a=1;path = \"/app/x\"", "__Host-a=1; samesite"][start];
            let cookie = format!("{start}{cookie}");
            if let Some(once) = rewritten(cookie.as_bytes(), &rules, true) {
                prop_assert!(HeaderValue::from_bytes(&once).is_ok());
                let lower = once.to_ascii_lowercase();
                prop_assert!(lower.windows(6).any(|word| word == b"secure"));
            }
        }
    }
}
