//! `upgrade-insecure-requests`: a browser that finds `http://` links in a page fetches them over https.
//!
//! This is what helps pages of a backend that knows nothing of TLS, without rewriting them. The directive joins the
//! policy that is there; a policy that only reports stays as it is, since the directive means nothing in it.

use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, Entry};
use http::{HeaderMap, HeaderValue};

const DIRECTIVE: &str = "upgrade-insecure-requests";

/// Adds the directive to a response's policy.
pub(in crate::proxy) fn upgrade_insecure_requests(headers: &mut HeaderMap) {
    let mut policies = match headers.entry(CONTENT_SECURITY_POLICY) {
        Entry::Vacant(vacant) => {
            vacant.insert(HeaderValue::from_static(DIRECTIVE));
            return;
        }
        Entry::Occupied(policies) => policies,
    };
    if policies.iter().any(has_directive) {
        return;
    }
    let first = policies.get_mut();
    let policy = first.as_bytes().trim_ascii_end();
    let separator: &[u8] = match policy {
        [] | [.., b',' | b';'] => b" ",
        _ => b"; ",
    };
    let merged = [policy, separator, DIRECTIVE.as_bytes()].concat();
    // It was a field value, and the directive is one.
    if let Ok(merged) = HeaderValue::from_maybe_shared(Bytes::from(merged.trim_ascii_start().to_vec())) {
        *first = merged;
    }
}

/// Whether one of the policies (separated by commas) has the directive.
fn has_directive(policies: &HeaderValue) -> bool {
    policies
        .as_bytes()
        .split(|byte| matches!(byte, b',' | b';'))
        .filter_map(|directive| directive.split(u8::is_ascii_whitespace).find(|word| !word.is_empty()))
        .any(|name| name.eq_ignore_ascii_case(DIRECTIVE.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directive_joins_the_policy_that_is_there() {
        for (before, after) in [
            (&[][..], &["upgrade-insecure-requests"][..]),
            (
                &["default-src 'self'"],
                &["default-src 'self'; upgrade-insecure-requests"],
            ),
            (
                &["default-src 'self'; "],
                &["default-src 'self'; upgrade-insecure-requests"],
            ),
            (
                &["default-src a, img-src b"],
                &["default-src a, img-src b; upgrade-insecure-requests"],
            ),
            (&["default-src a,"], &["default-src a, upgrade-insecure-requests"]),
            (&[""], &["upgrade-insecure-requests"]),
            (&["img-src \u{e4}"], &["img-src \u{e4}; upgrade-insecure-requests"]),
            (&["a b", "c d"], &["a b; upgrade-insecure-requests", "c d"]),
            (
                &["a b", "x y; Upgrade-Insecure-Requests"],
                &["a b", "x y; Upgrade-Insecure-Requests"],
            ),
            (
                &["a b,  upgrade-insecure-requests ;"],
                &["a b,  upgrade-insecure-requests ;"],
            ),
            (
                &["report-uri /upgrade-insecure-requests"],
                &["report-uri /upgrade-insecure-requests; upgrade-insecure-requests"],
            ),
        ] {
            let mut headers = HeaderMap::new();
            for policy in before {
                headers.append(
                    CONTENT_SECURITY_POLICY,
                    HeaderValue::from_bytes(policy.as_bytes()).unwrap(),
                );
            }
            upgrade_insecure_requests(&mut headers);
            let left: Vec<_> = headers
                .get_all(CONTENT_SECURITY_POLICY)
                .iter()
                .map(HeaderValue::as_bytes)
                .collect();
            assert_eq!(
                left,
                after.iter().map(|policy| policy.as_bytes()).collect::<Vec<_>>(),
                "{before:?}"
            );
        }
    }
}
