//! `Strict-Transport-Security` (RFC 6797): a browser comes back over https alone.

use std::str::FromStr;

use http::header::STRICT_TRANSPORT_SECURITY;
use http::{HeaderMap, HeaderValue};

use super::scheme::Scheme;

/// For how long, and for which hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hsts(HeaderValue);

/// Why a text is no [`Hsts`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HstsError {
    /// It does not begin with a number of seconds.
    #[error("it begins with a number of seconds, such as 31536000 for a year")]
    Age,
    /// A directive that browsers would ignore.
    #[error("{0:?} is neither includeSubDomains nor preload")]
    Directive(String),
    /// The same directive twice, which makes browsers ignore the field (RFC 6797 section 6.1).
    #[error("a directive is there twice")]
    Repeated,
    /// What the lists that browsers ship ask for.
    #[error("preload takes includeSubDomains and at least 31536000 seconds")]
    Preload,
}

/// What hstspreload.org asks for: a year.
const PRELOAD_AGE: u64 = 31_536_000;

impl FromStr for Hsts {
    type Err = HstsError;

    fn from_str(text: &str) -> Result<Self, HstsError> {
        let mut directives = text.split(';').map(str::trim);
        let age = directives.next().unwrap_or_default();
        let age = match age.split_once('=') {
            Some((name, age)) if name.trim().eq_ignore_ascii_case("max-age") => age.trim().trim_matches('"'),
            Some(_) => return Err(HstsError::Age),
            None => age,
        };
        if age.is_empty() || !age.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(HstsError::Age);
        }
        let age: u64 = age.parse().map_err(|_| HstsError::Age)?;
        let (mut subdomains, mut preload) = (false, false);
        for directive in directives.filter(|directive| !directive.is_empty()) {
            let flag = match directive.to_ascii_lowercase().as_str() {
                "includesubdomains" => &mut subdomains,
                "preload" => &mut preload,
                _ => return Err(HstsError::Directive(directive.to_owned())),
            };
            if std::mem::replace(flag, true) {
                return Err(HstsError::Repeated);
            }
        }
        if preload && (!subdomains || age < PRELOAD_AGE) {
            return Err(HstsError::Preload);
        }
        let mut value = format!("max-age={age}");
        if subdomains {
            value.push_str("; includeSubDomains");
        }
        if preload {
            value.push_str("; preload");
        }
        // Digits and words.
        HeaderValue::try_from(value).map(Self).map_err(|_| HstsError::Age)
    }
}

/// Says `hsts` in a response in the place of what the backend says: browsers heed the first of several fields (RFC 6797
/// section 8.1), and it is here that TLS is looked after. Over plain HTTP nothing may be said (section 7.2).
pub(in crate::proxy) fn set(headers: &mut HeaderMap, hsts: &Hsts, scheme: Scheme) {
    match scheme {
        Scheme::Https => headers.insert(STRICT_TRANSPORT_SECURITY, hsts.0.clone()),
        Scheme::Http => headers.remove(STRICT_TRANSPORT_SECURITY),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_an_age_and_two_flags() {
        for (text, value) in [
            ("31536000", "max-age=31536000"),
            ("max-age=31536000", "max-age=31536000"),
            ("Max-Age = \"300\" ;", "max-age=300"),
            ("0", "max-age=0"),
            ("300; includesubdomains", "max-age=300; includeSubDomains"),
            (
                "63072000;preload;includeSubDomains",
                "max-age=63072000; includeSubDomains; preload",
            ),
        ] {
            assert_eq!(text.parse::<Hsts>().unwrap().0, value, "{text}");
        }
    }

    #[test]
    fn what_browsers_would_ignore_is_refused() {
        for (text, error) in [
            ("", HstsError::Age),
            ("on", HstsError::Age),
            ("1y", HstsError::Age),
            ("-1", HstsError::Age),
            ("includeSubDomains", HstsError::Age),
            ("age=1", HstsError::Age),
            ("99999999999999999999999", HstsError::Age),
            ("300; subdomains", HstsError::Directive("subdomains".to_owned())),
            ("300; preload; preload", HstsError::Repeated),
            ("31536000; preload", HstsError::Preload),
            ("300; includeSubDomains; preload", HstsError::Preload),
        ] {
            assert_eq!(text.parse::<Hsts>(), Err(error), "{text}");
        }
    }

    #[test]
    fn it_takes_the_place_of_the_backends_own_and_is_not_said_in_the_clear() {
        let mut headers = HeaderMap::new();
        headers.append(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=1"));
        headers.append(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=2"));
        let hsts = "300".parse().unwrap();
        set(&mut headers, &hsts, Scheme::Https);
        let said: Vec<_> = headers.get_all(STRICT_TRANSPORT_SECURITY).iter().collect();
        assert_eq!(said, ["max-age=300"]);
        set(&mut headers, &hsts, Scheme::Http);
        assert!(headers.is_empty());
    }
}
