//! URLs that WebDAV clients send in fields (RFC 4918): the `Destination` of a COPY or MOVE, and the resources in `If`.
//!
//! They name the place as the client knows it. A backend behind TLS takes `https://` for another server and refuses
//! with 502, so they are translated as the request's own URL is. What names another host is left alone: to refuse it is
//! the backend's part.

use bytes::Bytes;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderName, HeaderValue, Method, Uri};

use super::host::Host;
use super::places::Places;

const DESTINATION: HeaderName = HeaderName::from_static("destination");
const IF: HeaderName = HeaderName::from_static("if");

/// The fields of a request of this method that have such URLs.
pub(super) fn fields(method: &Method) -> impl Iterator<Item = HeaderName> + use<> {
    // To an ordinary method the field means nothing, or something of the application's own.
    let moves = matches!(method.as_str(), "COPY" | "MOVE" | "BCOPY" | "BMOVE");
    moves.then_some(DESTINATION).into_iter().chain([IF])
}

/// The place that a COPY or MOVE for `host` leads to; `None` where that is on another host, which the backend refuses.
pub(in crate::proxy) fn destination(head: &Parts, host: &Host) -> Option<Uri> {
    let name = fields(&head.method).find(|name| *name == DESTINATION)?;
    let uri = Uri::try_from(head.headers.get(name)?.as_bytes()).ok()?;
    let is_ours = |authority: &Authority| authority.host().as_bytes().eq_ignore_ascii_case(host.name());
    uri.authority().is_none_or(is_ours).then_some(uri)
}

/// The field's URLs as the backend knows them; `None` where they stay as they are.
pub(super) fn translated(name: &HeaderName, value: &HeaderValue, places: &Places<'_>) -> Option<HeaderValue> {
    let value = match *name == IF {
        true => with_resources(value.as_bytes(), |url| places.upstream_url(url)),
        false => places.upstream_url(value.as_bytes()),
    };
    // Parts of a field value, and a host.
    HeaderValue::from_maybe_shared(Bytes::from(value?)).ok()
}

/// `list` with the resources that `exchanged` has another name for; `None` where it has none. Resources stand in
/// angle brackets outside of parentheses; within them are state tokens and entity tags, which are no places.
fn with_resources(list: &[u8], exchanged: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut copied = 0;
    let mut within = false;
    let mut at = 0;
    while let Some(byte) = list.get(at) {
        let rest = list.get(at + 1..)?;
        at += 1;
        match byte {
            b'(' => within = true,
            b')' => within = false,
            b'"' => at += rest.iter().position(|byte| *byte == b'"')? + 1,
            b'<' => {
                let length = rest.iter().position(|byte| *byte == b'>')?;
                if let Some(new) = rest.get(..length).filter(|_| !within).and_then(&exchanged) {
                    out.extend_from_slice(list.get(copied..at)?);
                    out.extend_from_slice(&new);
                    copied = at + length;
                }
                at += length + 1;
            }
            _ => {}
        }
    }
    if copied == 0 {
        return None;
    }
    out.extend_from_slice(list.get(copied..)?);
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::proxy::headers::places::tests::with;
    use crate::proxy::headers::scheme::Scheme;

    #[test]
    fn the_destination_of_a_move_is_translated() {
        for (method, destination, expected) in [
            ("MOVE", "https://a.test/dav/b%20c", "http://a.test/b%20c"),
            ("COPY", "/dav/b", "/b"),
            ("BMOVE", "https://a.test/dav/", "http://a.test/"),
            ("MOVE", "https://b.test/dav/b", "https://b.test/dav/b"),
            ("MOVE", "https://a.test/elsewhere", "https://a.test/elsewhere"),
            ("MOVE", "nonsense", "nonsense"),
            ("MOVE", "https://a.test/dav/\u{e4}", "http://a.test/\u{e4}"),
            ("GET", "https://a.test/dav/b", "https://a.test/dav/b"),
            ("POST", "https://a.test/dav/b", "https://a.test/dav/b"),
        ] {
            assert_eq!(
                seen(method, "destination", destination),
                expected,
                "{method} {destination}"
            );
        }
    }

    #[test]
    fn resources_in_if_are_translated_and_tokens_and_tags_are_not() {
        for (list, expected) in [
            (
                "<https://a.test/dav/x> (<urn:uuid:1> [\"e)<tag\"]) (Not <DAV:no-lock>)",
                "<http://a.test/x> (<urn:uuid:1> [\"e)<tag\"]) (Not <DAV:no-lock>)",
            ),
            (
                "</dav/a> (<https://a.test/dav/lock>) <https://a.test/dav/b>(<x:y>)",
                "</a> (<https://a.test/dav/lock>) <http://a.test/b>(<x:y>)",
            ),
            ("(<urn:uuid:1>)", "(<urn:uuid:1>)"),
            ("<https://b.test/dav/x> (<x:y>)", "<https://b.test/dav/x> (<x:y>)"),
            ("<https://a.test/dav/x", "<https://a.test/dav/x"),
            ("<https://a.test/dav/x> ([\"x", "<https://a.test/dav/x> ([\"x"),
            ("", ""),
            ("<>", "<>"),
        ] {
            assert_eq!(seen("LOCK", "if", list), expected, "{list}");
        }
    }

    fn seen(method: &str, name: &'static str, value: &str) -> String {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        let name = fields(&method.parse().unwrap()).find(|field| field.as_str() == name);
        let seen = with(
            (Scheme::Https, "a.test"),
            ("10.0.0.9", 8080),
            "a.test",
            ("/dav", ""),
            |places| name.and_then(|name| translated(&name, &value, places)),
        );
        String::from_utf8(seen.unwrap_or(value).as_bytes().to_vec()).unwrap()
    }

    proptest! {
        #[test]
        fn no_list_makes_it_panic_and_only_places_change(list in "[<>()\\[\\]\"a-z:/. ]{0,60}") {
            let same = with_resources(list.as_bytes(), |url| Some(url.to_vec()));
            prop_assert!(same.is_none_or(|same| same == list.as_bytes()));
            let value = seen("LOCK", "if", &list);
            prop_assert!(HeaderValue::from_bytes(value.as_bytes()).is_ok());
        }
    }
}
