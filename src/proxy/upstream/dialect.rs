//! What a request looks like in the HTTP that a server speaks.
//!
//! A request may come back unsent from one server and go to the next, which may speak another version: it comes back in
//! the form that it came in.

use http::header::{CONNECTION, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Extensions, HeaderValue, Request, Uri, Version};
use hyper::client::conn::http1;

use super::spelling;
use crate::proxy::body::Continue;
use crate::proxy::settings::{HeaderCase, HttpVersion, Protocol};

/// Bytes of a response's header section. nginx and HAProxy refuse above 4 and 16 KiB by default, clients above 100 to
/// 300 KiB (curl: 300 KiB in all, 100 KiB a line): what passes here, clients take.
pub(super) const RESPONSE_HEADER_BYTES: usize = 96 * 1024;

/// Marks a request, as an extension, whose other extensions are what hyper remembers of the client's spelling.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) struct AsClientWrote;

/// How a backend's servers are spoken to, as hyper is told.
#[derive(Debug)]
pub(super) struct Dialect {
    http: HttpVersion,
    /// Makes hyper spell names as the operator does; empty where no spellings are given.
    spelled: Extensions,
    builder: http1::Builder,
}

impl Dialect {
    /// The dialect of `protocol`.
    pub(super) fn new(protocol: &Protocol) -> Self {
        let mut builder = http1::Builder::new();
        builder
            // Backends that know only `Content-Length` and the like in this spelling are legion (haproxy#2888).
            .title_case_headers(protocol.header_case != HeaderCase::Lower)
            .preserve_header_case(protocol.header_case == HeaderCase::Preserve)
            .max_header_size(RESPONSE_HEADER_BYTES)
            .max_buf_size(RESPONSE_HEADER_BYTES)
            .allow_obsolete_multiline_headers_in_responses(protocol.legacy_response_parser)
            .allow_spaces_after_header_name_in_responses(protocol.legacy_response_parser)
            .ignore_invalid_headers_in_responses(protocol.legacy_response_parser)
            .http09_responses(protocol.http09_responses);
        Self {
            http: protocol.http,
            spelled: spelling::extensions(&protocol.header_spelling),
            builder,
        }
    }

    /// Opens HTTP/1 connections.
    pub(super) fn http1_builder(&self) -> &http1::Builder {
        &self.builder
    }

    /// Whether a connection serves one request alone.
    pub(super) fn is_http10(&self) -> bool {
        self.http == HttpVersion::Http10
    }

    /// Gives `request` the form of HTTP/1.
    pub(super) fn http1<B>(&self, request: &mut Request<B>) {
        *request.version_mut() = Version::HTTP_11;
        if self.is_http10() {
            // What nginx has sent by default for twenty years, and every server of that age understands: a version, a
            // length, and an end. Keeping such connections would gain little: many of those servers end them anyway.
            *request.version_mut() = Version::HTTP_10;
            let headers = request.headers_mut();
            for name in [TE, UPGRADE, TRANSFER_ENCODING] {
                headers.remove(name);
            }
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if !self.spelled.is_empty() && request.extensions().get::<AsClientWrote>().is_none() {
            request.extensions_mut().extend(self.spelled.clone());
        }
    }

    /// Gives `request` the form of HTTP/2: with scheme and authority, and without fields of a connection (RFC 9113
    /// section 8.2.2).
    pub(super) fn http2<B>(&self, request: &mut Request<B>, is_tls: bool) {
        *request.version_mut() = Version::HTTP_2;
        // hyper hears no 100 there: nothing would come of waiting for it.
        if let Some(opens) = request.extensions_mut().remove::<Continue>() {
            opens.open();
        }
        let headers = request.headers_mut();
        for name in [CONNECTION, UPGRADE, TRANSFER_ENCODING] {
            headers.remove(name);
        }
        let host = request.headers().get(HOST).map(HeaderValue::as_bytes);
        // Checked on arrival, or given by ourselves; should it ever be no authority, h2 refuses the request.
        let Some(authority) = host.and_then(|host| Authority::try_from(host).ok()) else {
            return;
        };
        let path = request.uri().path_and_query().cloned();
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(if is_tls { Scheme::HTTPS } else { Scheme::HTTP });
        parts.authority = Some(authority);
        parts.path_and_query = Some(path.unwrap_or(PathAndQuery::from_static("/")));
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
            request.headers_mut().remove(HOST);
        }
    }
}

/// Gives a request that comes back from HTTP/2 the form that all servers are sent it in first: origin-form, with a Host
/// field.
pub(super) fn origin_form<B>(request: &mut Request<B>) {
    if let Some(authority) = request.uri().authority() {
        if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
            request.headers_mut().insert(HOST, host);
        }
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map_or_else(Uri::default, Uri::from);
    }
    *request.version_mut() = Version::HTTP_11;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_goes_from_one_version_to_the_other_and_back() {
        let dialect = Dialect::new(&Protocol::default());
        let mut request = Request::get("/a?b").header("host", "a.test:8443").body(()).unwrap();
        dialect.http2(&mut request, true);
        assert_eq!(request.uri(), "https://a.test:8443/a?b");
        assert!(request.headers().is_empty());
        origin_form(&mut request);
        assert_eq!(request.uri(), "/a?b");
        assert_eq!(request.headers()["host"], "a.test:8443");
        assert_eq!(request.version(), Version::HTTP_11);
    }

    #[test]
    fn http_1_0_is_told_nothing_it_does_not_know() {
        let dialect = Dialect::new(&Protocol {
            http: HttpVersion::Http10,
            ..Protocol::default()
        });
        let mut request = Request::get("/")
            .header("te", "trailers")
            .header("connection", "te, upgrade")
            .header("upgrade", "websocket")
            .header("host", "a.test")
            .body(())
            .unwrap();
        dialect.http1(&mut request);
        assert_eq!(request.version(), Version::HTTP_10);
        assert_eq!(request.headers().len(), 2);
        assert_eq!(request.headers()["connection"], "close");
    }
}
