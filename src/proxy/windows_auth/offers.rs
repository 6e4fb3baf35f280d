//! What a response says about authentication.

use http::header::{PROXY_AUTHENTICATE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::is_windows;

/// IIS: whether the connection stays authenticated. Nobody says so who has not authenticated it.
const PERSISTENT_AUTH: HeaderName = HeaderName::from_static("persistent-auth");

const FIELDS: [HeaderName; 2] = [WWW_AUTHENTICATE, PROXY_AUTHENTICATE];

/// Whether the server offers to authenticate the connection, or says that it has. With a 401 or 407 this is an offer;
/// with anything else, the end of a handshake, and so all the more a connection that nobody else may get.
pub(super) fn are_in(headers: &HeaderMap) -> bool {
    let mut values = FIELDS.iter().flat_map(|name| headers.get_all(name));
    values.any(|value| challenges(value.as_bytes()).any(is_windows)) || headers.contains_key(PERSISTENT_AUTH)
}

/// Takes the offers out of a response; whether there were any. Others stay, also those in the same field.
pub(super) fn remove(headers: &mut HeaderMap) -> bool {
    if !are_in(headers) {
        return false;
    }
    headers.remove(PERSISTENT_AUTH);
    for name in FIELDS {
        let values: Vec<HeaderValue> = headers.get_all(&name).iter().filter_map(without_offers).collect();
        headers.remove(&name);
        for value in values {
            headers.append(&name, value);
        }
    }
    true
}

fn without_offers(value: &HeaderValue) -> Option<HeaderValue> {
    if !challenges(value.as_bytes()).any(is_windows) {
        return Some(value.clone());
    }
    let others: Vec<&[u8]> = challenges(value.as_bytes())
        .filter(|challenge| !is_windows(challenge))
        .collect();
    // The parts of a field value with a comma between them are one again.
    HeaderValue::from_bytes(&others.join(&b", "[..]))
        .ok()
        .filter(|value| !value.is_empty())
}

/// The challenges of a field value, each with its parameters (RFC 9110 section 11.6.1). Commas separate challenges as
/// well as parameters, so a member is a parameter of the challenge before it where it is `name=...`.
fn challenges(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = value;
    std::iter::from_fn(move || {
        let mut end = first_member(rest);
        while let Some(next) = rest.get(end + 1..).filter(|next| is_parameter(next)) {
            end += 1 + first_member(next);
        }
        let challenge = rest.get(..end)?;
        let more = !rest.is_empty();
        rest = rest.get(end + 1..).unwrap_or_default();
        more.then(|| challenge.trim_ascii())
    })
    .filter(|challenge| !challenge.is_empty())
}

/// Where the first member of a list ends: at its end or at a comma outside quotes.
fn first_member(list: &[u8]) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    let separates = |byte: &u8| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' => return !quoted,
            _ => {}
        }
        false
    };
    list.iter().position(separates).unwrap_or(list.len())
}

/// Whether a list begins with `name=value`, and not with a scheme, alone or with what belongs to it.
fn is_parameter(list: &[u8]) -> bool {
    let member = list.get(..first_member(list)).unwrap_or_default().trim_ascii();
    let name = member
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
        .count();
    let after = member.get(name..).unwrap_or_default().trim_ascii_start();
    name > 0 && after.first() == Some(&b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_found_wherever_it_stands() {
        for values in [
            &["NTLM"][..],
            &["Basic realm=\"x\"", "negotiate"],
            &["Basic realm=\"x\", NTLM"],
            &["Negotiate, Basic realm=\"x\""],
            &["NTLM TlRMTVNTUAACAAAA"],
            &["Digest realm=\"a, b\", nonce=\"c\", Negotiate"],
            &[",, ,NTLM"],
        ] {
            assert!(are_in(&response(values)), "{values:?}");
        }
        for values in [
            &[][..],
            &["Basic realm=\"NTLM\""],
            &["Basic realm=\"a\\\", NTLM\""],
            &["Bearer"],
        ] {
            assert!(!are_in(&response(values)), "{values:?}");
        }
    }

    #[test]
    fn a_server_that_says_the_connection_is_authenticated_is_believed() {
        let mut headers = HeaderMap::new();
        headers.insert("persistent-auth", HeaderValue::from_static("true"));
        assert!(are_in(&headers));
    }

    #[test]
    fn offers_are_removed_and_others_stay_as_they_are() {
        let mut headers = response(&[
            "Negotiate",
            "NTLM",
            "Digest realm=\"a, NTLM\", nonce=\"b\", Negotiate, Basic realm = \"c\", charset=\"UTF-8\"",
            "Bearer",
        ]);
        headers.insert("persistent-auth", HeaderValue::from_static("true"));
        assert!(remove(&mut headers));
        assert_eq!(
            headers,
            response(&[
                "Digest realm=\"a, NTLM\", nonce=\"b\", Basic realm = \"c\", charset=\"UTF-8\"",
                "Bearer"
            ])
        );
        assert!(!remove(&mut headers));
    }

    #[test]
    fn a_field_is_taken_apart_into_its_challenges() {
        let apart = |value: &'static str| -> Vec<&str> {
            let challenges = challenges(value.as_bytes());
            challenges
                .map(|challenge| std::str::from_utf8(challenge).unwrap())
                .collect()
        };
        assert_eq!(apart(""), Vec::<&str>::new());
        assert_eq!(apart("NTLM"), ["NTLM"]);
        assert_eq!(
            apart("Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\", Basic realm=\"simple\""),
            [
                "Newauth realm=\"apps\", type=1, title=\"Login to \\\"apps\\\"\"",
                "Basic realm=\"simple\""
            ]
        );
        assert_eq!(apart("a, , b ,"), ["a", "b"]);
        assert_eq!(apart("NTLM dGVzdA==, Basic x=y"), ["NTLM dGVzdA==", "Basic x=y"]);
    }

    fn response(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(value));
        }
        headers
    }
}
