//! Secrets in queries: which parameters keep their value out of the log.
//!
//! Logs are read by more people than the requests were meant for, and kept for longer. RFC 6750 section 5.3 warns of
//! tokens in URLs for that reason, and they come all the same.

use std::borrow::Cow;

/// What stands in place of a value.
const REDACTED: &[u8] = b"REDACTED";

/// Parameters that hold a secret by their name: RFC 6749 and RFC 6750 for OAuth, signed URLs of the large clouds, and
/// what forms and interfaces call theirs. Not `code`, which is as often an error code or a country.
const SECRETS: [&str; 16] = [
    "access_token",
    "api_key",
    "apikey",
    "client_secret",
    "id_token",
    "passwd",
    "password",
    "pwd",
    "refresh_token",
    "secret",
    "sig",
    "signature",
    "token",
    "x-amz-security-token",
    "x-amz-signature",
    "x-goog-signature",
];

/// The parameters of a query whose values are not logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redaction {
    names: Vec<Box<str>>,
    whole: bool,
}

impl Redaction {
    /// Of these parameters, in whatever case; `*` stands for the whole query.
    pub fn of<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Self {
        let mut redaction = Self {
            names: Vec::new(),
            whole: false,
        };
        for name in names {
            match name.as_ref() {
                "*" => redaction.whole = true,
                name => redaction.names.push(name.to_ascii_lowercase().into()),
            }
        }
        redaction
    }

    /// The names that are redacted where the operator names none.
    pub fn default_names() -> &'static [&'static str] {
        &SECRETS
    }

    /// `reference` (a request target or a URL) without the values that are not for the log. Copied only where there
    /// is one.
    pub(super) fn apply<'a>(&self, reference: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(mark) = reference.iter().position(|byte| *byte == b'?') else {
            return Cow::Borrowed(reference);
        };
        let (start, query) = reference.split_at(mark + 1);
        // A Referer has no fragment; whoever sends one may have put a token there.
        let (query, fragment) = match query.iter().position(|byte| *byte == b'#') {
            Some(hash) => query.split_at(hash),
            None => (query, &[][..]),
        };
        if self.whole {
            return match query.is_empty() {
                true => Cow::Borrowed(reference),
                false => Cow::Owned([start, REDACTED].concat()),
            };
        }
        if self.names.is_empty() || !parameters(query).any(|parameter| self.is_secret(parameter)) {
            return Cow::Borrowed(reference);
        }
        let mut redacted = start.to_vec();
        for parameter in parameters(query) {
            match name_and_equals(parameter).filter(|_| self.is_secret(parameter)) {
                Some(name) => {
                    redacted.extend_from_slice(name);
                    redacted.extend_from_slice(REDACTED);
                    redacted.extend(parameter.last().filter(|byte| is_separator(byte)));
                }
                None => redacted.extend_from_slice(parameter),
            }
        }
        redacted.extend_from_slice(fragment);
        Cow::Owned(redacted)
    }

    fn is_secret(&self, parameter: &[u8]) -> bool {
        let Some([name @ .., _]) = name_and_equals(parameter) else {
            return false;
        };
        self.names.iter().any(|secret| is_called(name, secret.as_bytes()))
    }
}

impl Default for Redaction {
    fn default() -> Self {
        Self::of(SECRETS)
    }
}

/// The parameters of a query, each with the separator after it.
fn parameters(query: &[u8]) -> impl Iterator<Item = &[u8]> {
    query.split_inclusive(is_separator)
}

/// `;` too: an older recommendation of HTML that some backends follow.
fn is_separator(byte: &u8) -> bool {
    matches!(byte, b'&' | b';')
}

/// `name=`, if there is a value that could follow.
fn name_and_equals(parameter: &[u8]) -> Option<&[u8]> {
    let equals = parameter.iter().position(|byte| *byte == b'=')?;
    parameter.get(..=equals)
}

/// Whether a backend would take `name` for `secret`, which is in lower case: percent-encoded, in another case, and with
/// the brackets of a list behind it.
fn is_called(mut name: &[u8], secret: &[u8]) -> bool {
    for expected in secret {
        let (byte, rest) = match name {
            [b'%', high, low, rest @ ..] => match (hexadecimal(*high), hexadecimal(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, rest),
                _ => return false,
            },
            [byte, rest @ ..] => (*byte, rest),
            [] => return false,
        };
        if byte.to_ascii_lowercase() != *expected {
            return false;
        }
        name = rest;
    }
    matches!(name, [] | [b'[', ..] | [b'%', b'5', b'B' | b'b', ..])
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| digit.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_of_a_named_parameter_is_replaced_and_the_others_stay() {
        for (reference, logged) in [
            ("/a?token=abc", "/a?token=REDACTED"),
            ("/a?x=1&token=abc&y=2", "/a?x=1&token=REDACTED&y=2"),
            ("/a?token=a&token=b", "/a?token=REDACTED&token=REDACTED"),
            ("/a?x=1;token=a;y=2", "/a?x=1;token=REDACTED;y=2"),
            ("/a?token=a=b?c", "/a?token=REDACTED"),
            ("/a?token=", "/a?token=REDACTED"),
            ("https://a.test/?token=abc", "https://a.test/?token=REDACTED"),
            ("https://a.test/?token=abc#top", "https://a.test/?token=REDACTED#top"),
            ("/a?x?token=abc", "/a?x?token=abc"),
        ] {
            assert_eq!(applied(&["token"], reference), logged);
        }
    }

    #[test]
    fn a_name_is_known_in_every_form_that_a_backend_takes_for_it() {
        for name in ["TOKEN", "Token", "%74oken", "t%6Fken", "token[]", "token%5B0%5D"] {
            let logged = applied(&["token"], &format!("/?{name}=abc"));
            assert_eq!(logged, format!("/?{name}=REDACTED"));
        }
        for name in ["tokens", "a_token", "toke", "%7", "%zzoken", ""] {
            let reference = format!("/?{name}=abc");
            assert_eq!(applied(&["token"], &reference), reference);
        }
    }

    #[test]
    fn a_star_is_the_whole_query() {
        assert_eq!(applied(&["*"], "/a?b=1&c"), "/a?REDACTED");
        assert_eq!(applied(&["*"], "/a?"), "/a?");
        assert_eq!(applied(&["*"], "/a"), "/a");
        assert_eq!(applied(&["*"], "https://a.test/?q#token"), "https://a.test/?REDACTED");
    }

    #[test]
    fn what_holds_no_secret_is_not_copied() {
        let redaction = Redaction::default();
        for reference in ["/", "/a?b=c", "/token=a", "/?token", "*", "", "/?code=de"] {
            assert!(matches!(redaction.apply(reference.as_bytes()), Cow::Borrowed(_)));
        }
        assert_eq!(applied(&[], "/?token=abc"), "/?token=abc");
    }

    #[test]
    fn tokens_passwords_and_signatures_are_redacted_by_default() {
        let redaction = Redaction::default();
        for name in Redaction::default_names() {
            let logged = redaction.apply(format!("/?{name}=abc").as_bytes()).into_owned();
            assert_eq!(logged, format!("/?{name}=REDACTED").into_bytes());
        }
    }

    fn applied(names: &[&str], reference: &str) -> String {
        let logged = Redaction::of(names).apply(reference.as_bytes()).into_owned();
        String::from_utf8(logged).unwrap()
    }
}
