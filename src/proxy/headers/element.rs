//! What one proxy says in `Forwarded` (RFC 7239).

use std::net::IpAddr;

use bytes::Bytes;
use http::HeaderValue;

use super::downstream::Downstream;

/// `for=192.0.2.1;host=a.test;proto=https`: what we saw ourselves.
///
/// `by` is left out: it would tell backends and their logs of our inner addresses, which nobody asks for.
pub(super) fn element(downstream: &Downstream) -> HeaderValue {
    let mut element = b"for=".to_vec();
    match downstream.peer.ip {
        Some(IpAddr::V4(_)) | None => element.extend_from_slice(downstream.peer.value.as_bytes()),
        // Section 6: brackets and a colon are no characters of a token.
        Some(IpAddr::V6(_)) => {
            element.extend_from_slice(b"\"[");
            element.extend_from_slice(downstream.peer.value.as_bytes());
            element.extend_from_slice(b"]\"");
        }
    }
    element.extend_from_slice(b";host=");
    let host = downstream.requested.value().as_bytes();
    // A host is of characters that need no escape within quotes.
    let is_token = host.iter().all(|byte| !matches!(byte, b':' | b'[' | b']'));
    let quote: &[u8] = if is_token { b"" } else { b"\"" };
    for part in [quote, host, quote, b";proto=", downstream.scheme.as_str().as_bytes()] {
        element.extend_from_slice(part);
    }
    // An address, a host and words.
    HeaderValue::from_maybe_shared(Bytes::from(element)).unwrap_or(HeaderValue::from_static("for=unknown"))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::proxy::headers::downstream::Address;
    use crate::proxy::headers::host::Host;
    use crate::proxy::headers::scheme::Scheme;
    use crate::proxy::settings::Peers;

    #[test]
    fn what_is_no_token_is_quoted() {
        for (peer, host, scheme, expected) in [
            (
                "192.0.2.1",
                "a.test",
                Scheme::Https,
                "for=192.0.2.1;host=a.test;proto=https",
            ),
            (
                "2001:db8::1",
                "a.test:8443",
                Scheme::Https,
                "for=\"[2001:db8::1]\";host=\"a.test:8443\";proto=https",
            ),
            (
                "::ffff:192.0.2.1",
                "[::1]",
                Scheme::Http,
                "for=192.0.2.1;host=\"[::1]\";proto=http",
            ),
            ("::1", "a_~b", Scheme::Http, "for=\"[::1]\";host=a_~b;proto=http"),
        ] {
            let peer = Address::of(peer.parse().unwrap());
            let host = Host::new(HeaderValue::from_static(host)).unwrap();
            let downstream = Downstream::of(&peer, peer.clone(), scheme, &host, &HeaderMap::new(), &Peers::default());
            assert_eq!(element(&downstream), expected);
        }
    }
}
