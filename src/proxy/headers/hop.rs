//! Fields that concern one connection only end with it (RFC 9110 section 7.6.1).

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, PROXY_AUTHORIZATION, SET_COOKIE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, Version};

use super::request_id::REQUEST_ID;
use super::{forwarded, identity, reads_as, remove_where};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Names with a hyphen that a backend may read out of one with an underscore or another sign, and act on.
const SPELLINGS: [HeaderName; 5] = [
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    HTTP2_SETTINGS,
];

/// CGI makes `HTTP_PROXY` of it, which many libraries take for the proxy to use (CVE-2016-5385 and others).
const PROXY: HeaderName = HeaderName::from_static("proxy");

/// Fields of framing, routing and authentication (RFC 9110 section 6.5.1), in whatever spelling.
const NOT_IN_TRAILERS: [HeaderName; 11] = [
    AUTHORIZATION,
    CONTENT_LENGTH,
    COOKIE,
    EXPECT,
    HOST,
    PROXY,
    PROXY_AUTHORIZATION,
    REQUEST_ID,
    SET_COOKIE,
    TRAILER,
    TRANSFER_ENCODING,
];

/// Removes what concerned the client's connection. Proxy-Authorization stays, as with nginx: no proxy before us is
/// meant to have kept it for itself. Framing has its own file.
pub(in crate::proxy) fn strip_request(headers: &mut HeaderMap) {
    let trailers = accepts_trailers(headers);
    strip(headers);
    remove_where(headers, |name| *name == PROXY || is_misspelt(name.as_str().as_bytes()));
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    join_cookies(headers);
}

/// Whether the server ends its connection after this response (RFC 9112 section 9.3).
pub(in crate::proxy) fn is_last<B>(response: &Response<B>) -> bool {
    let says = |word: &[u8]| {
        let mut tokens = response.headers().get_all(CONNECTION).iter().flat_map(tokens);
        tokens.any(|token| token.eq_ignore_ascii_case(word))
    };
    says(b"close") || response.version() == Version::HTTP_10 && !says(b"keep-alive")
}

/// Removes what concerned the server's connection.
pub(in crate::proxy) fn strip_response(headers: &mut HeaderMap) {
    strip(headers);
}

/// Removes what a trailer section must not have (RFC 9110 section 6.5.1): fields of the connection, of framing and of
/// routing, and claims about the client, which a recipient that merges trailers into the header section would act on.
pub(in crate::proxy) fn strip_trailers(headers: &mut HeaderMap) {
    strip(headers);
    remove_where(headers, |name| {
        let name = name.as_str().as_bytes();
        NOT_IN_TRAILERS.iter().any(|known| reads_as(name, known.as_str())) || is_misspelt(name)
    });
    forwarded::remove_claims(headers);
    identity::remove(headers);
}

fn is_misspelt(name: &[u8]) -> bool {
    SPELLINGS
        .iter()
        .any(|known| reads_as(name, known.as_str()) && name != known.as_str().as_bytes())
}

fn strip(headers: &mut HeaderMap) {
    remove_listed(headers);
    remove_where(headers, |name| {
        let fixed = [CONNECTION, UPGRADE, TE, KEEP_ALIVE, PROXY_CONNECTION, HTTP2_SETTINGS];
        fixed.contains(name)
    });
}

/// Removes the fields that Connection lists, which no peer did by default when measured.
fn remove_listed(headers: &mut HeaderMap) {
    let listed: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(tokens)
        .filter(|token| !token.eq_ignore_ascii_case(b"keep-alive") && !token.eq_ignore_ascii_case(b"close"))
        .filter_map(|token| HeaderName::from_bytes(token).ok())
        // Ours replace a stranger's. What a trusted proxy wrote there is not for its client to take out.
        .filter(|name| !forwarded::speaks_for_the_client(name))
        .collect();
    for name in listed {
        headers.remove(name);
    }
}

/// RFC 9110 section 10.1.4: `trailers` is the one member of TE that a gateway may pass on without a coding of its own.
fn accepts_trailers(headers: &HeaderMap) -> bool {
    headers
        .get_all(TE)
        .iter()
        .flat_map(tokens)
        .any(|token| token.eq_ignore_ascii_case(b"trailers"))
}

/// The comma-separated members of a field value, without the blanks around them.
pub(in crate::proxy) fn tokens(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// Puts cookies together that HTTP/2 sends crumb by crumb (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(COOKIE).iter();
    let (Some(first), Some(second)) = (crumbs.next(), crumbs.next()) else {
        return;
    };
    let mut cookie = first.as_bytes().to_vec();
    for crumb in std::iter::once(second).chain(crumbs) {
        cookie.extend_from_slice(b"; ");
        cookie.extend_from_slice(crumb.as_bytes());
    }
    // The parts are field values and so is the separator; if ever not, the crumbs stay.
    if let Ok(cookie) = HeaderValue::from_maybe_shared(bytes::Bytes::from(cookie)) {
        headers.insert(COOKIE, cookie);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_connection_and_those_it_lists_are_removed() {
        let mut headers = fields(&[
            ("connection", "X-Hop, close"),
            ("connection", "keep-alive,x-other"),
            ("x-hop", "1"),
            ("x-other", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("http2-settings", "AAMAAABkAAQAoAAAAAIAAAAA"),
            ("upgrade", "h2c"),
            ("te", "gzip"),
            ("proxy-authorization", "Basic eDp5"),
            ("accept", "*/*"),
        ]);
        strip_request(&mut headers);
        assert_eq!(
            headers,
            fields(&[("proxy-authorization", "Basic eDp5"), ("accept", "*/*")])
        );
    }

    #[test]
    fn what_speaks_for_the_client_is_of_no_connection() {
        let mut headers = fields(&[
            ("connection", "X-Forwarded-For, forwarded, X-Request-Id, x-hop"),
            ("x-forwarded-for", "192.0.2.1"),
            ("forwarded", "for=192.0.2.1"),
            ("x-request-id", "abc"),
            ("x-hop", "1"),
        ]);
        strip_request(&mut headers);
        assert_eq!(headers.len(), 3);
        assert!(!headers.contains_key("x-hop"));
    }

    #[test]
    fn what_a_backend_may_read_as_framing_or_as_its_own_proxy_is_removed() {
        let mut headers = fields(&[
            ("content_length", "5"),
            ("transfer_encoding", "chunked"),
            ("keep_alive", "1"),
            ("proxy", "http://evil.test"),
            ("x_custom", "1"),
        ]);
        strip_request(&mut headers);
        assert_eq!(headers, fields(&[("x_custom", "1")]));
    }

    #[test]
    fn trailers_keep_only_what_belongs_there() {
        let mut headers = fields(&[
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("content-length", "5"),
            ("transfer-encoding", "chunked"),
            ("host", "b.test"),
            ("x-forwarded-for", "192.0.2.1"),
            ("client_cert", "spoofed"),
            ("grpc-status", "0"),
        ]);
        strip_trailers(&mut headers);
        assert_eq!(headers, fields(&[("grpc-status", "0")]));
    }

    #[test]
    fn of_te_only_trailers_is_left() {
        let mut headers = fields(&[("te", "gzip;q=0.5, Trailers"), ("connection", "te")]);
        strip_request(&mut headers);
        assert_eq!(headers, fields(&[("te", "trailers"), ("connection", "te")]));
    }

    #[test]
    fn connection_values_that_are_no_names_do_no_harm() {
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_bytes(b",, \xff, a b,").unwrap());
        strip_response(&mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn a_response_is_the_last_where_it_says_so_or_is_of_http_1_0() {
        for (version, connection, last) in [
            (Version::HTTP_11, "x-hop", false),
            (Version::HTTP_11, "X-Hop, Close", true),
            (Version::HTTP_10, "x-hop", true),
            (Version::HTTP_10, "Keep-Alive", false),
        ] {
            let response = Response::builder().version(version).header(CONNECTION, connection);
            assert_eq!(is_last(&response.body(()).unwrap()), last, "{version:?} {connection}");
        }
    }

    #[test]
    fn cookie_crumbs_are_joined() {
        let mut headers = fields(&[("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")]);
        strip_request(&mut headers);
        assert_eq!(headers, fields(&[("cookie", "a=1; b=2; c=3")]));
    }

    fn fields(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }
}
