//! Answers of our own: short texts that say what, and nothing about what is behind us.

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderValue, Method, Response, StatusCode, Version};

use super::body::ResponseBody;
use super::error::Error;

/// The methods that [`OPTIONS *`](options) and a 405 name: those of RFC 9110 and RFC 5789 that are passed on. Others
/// pass too, but a gateway cannot know them.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");

/// Marks a response, as an extension, that is not to be sent: the stream is to be reset instead, which tells the client
/// to ask again over HTTP/1.1 (RFC 9113 section 7, HTTP_1_1_REQUIRED).
#[derive(Clone, Copy, Debug)]
pub(super) struct Http11Required;

/// The answer to a request that failed with `error`.
///
/// `unread` tells that some of the request may not have been read: HTTP/1.1 must then close, or the rest of the body
/// would be taken for the next request (Pingora CVE-2025-4366). The same goes for a head that is not trusted.
pub(super) fn failure(error: &Error, version: Version, unread: bool) -> Response<ResponseBody> {
    let status = error.status();
    let mut response = text(status, explanation(status));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, METHODS);
    }
    if let Some(wait) = error.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, wait.into());
    }
    if matches!(error, Error::Http11Required) {
        response.extensions_mut().insert(Http11Required);
    }
    if version < Version::HTTP_2 && (unread || error.taints_connection()) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

/// A response of ours to a request of which some may be unread: see [`failure`].
pub(super) fn close_unless_read(response: &mut Response<ResponseBody>, version: Version, unread: bool) {
    if version < Version::HTTP_2 && unread {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
}

/// A text of somebody else's: nothing that a browser should make anything of.
pub(super) fn plain(content: Bytes) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::bytes(content));
    let plain = HeaderValue::from_static("text/plain");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

/// The answer to `OPTIONS *`, which asks about the server as a whole (RFC 9110 section 9.3.7).
pub(super) fn options() -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::text(""));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, METHODS);
    response
}

/// Sends the client to `location`: with the same method and body where `status` is 308 (RFC 9110 section 15.4.9).
pub(super) fn redirect(status: StatusCode, location: HeaderValue) -> Response<ResponseBody> {
    let mut response = text(status, "This host is reached over https.\n");
    response.headers_mut().insert(LOCATION, location);
    response
}

/// Whether `method` is answered here and not by a server.
pub(super) fn is_options_of_server(method: &Method, target: &str) -> bool {
    *method == Method::OPTIONS && target == "*"
}

/// What an HTTP/1.1 client is told whose header section did not arrive in time. It is written to the socket as it is,
/// since hyper knows of no request yet.
pub(super) const HEADER_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

fn text(status: StatusCode, text: &'static str) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::text(text));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

fn explanation(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "400 Bad Request: the request is malformed or ambiguous.\n",
        404 => "404 Not Found: nothing is served here under this host and path.\n",
        405 => "405 Method Not Allowed\n",
        408 => "408 Request Timeout: the request did not arrive in time.\n",
        411 => "411 Length Required: the server behind this one wants to know how long the body is.\n",
        413 => "413 Content Too Large: the request body is larger than is accepted here.\n",
        417 => "417 Expectation Failed: only 100-continue is known.\n",
        421 => "421 Misdirected Request: this connection is for other hosts.\n",
        429 => "429 Too Many Requests: try again in a while.\n",
        431 => "431 Request Header Fields Too Large: the header is larger than is accepted here.\n",
        500 => "500 Internal Server Error: the request could not be kept for the server behind this one.\n",
        502 => "502 Bad Gateway: the server behind this one did not answer properly.\n",
        503 => "503 Service Unavailable: there is no server for this request now.\n",
        504 => "504 Gateway Timeout: the server behind this one did not answer in time.\n",
        // The number has to do.
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::body::BodyError;
    use crate::proxy::headers::Refusal;

    #[test]
    fn whoever_reads_a_failure_reads_its_own_status() {
        let within = std::time::Duration::ZERO;
        for error in [
            Error::Refused(Refusal::HostMissing),
            Error::NoRoute,
            Error::Refused(Refusal::Method),
            Error::RequestBody(BodyError::RequestStalled(within)),
            Error::LengthRequired,
            Error::RequestBody(BodyError::TooLarge(1)),
            Error::Refused(Refusal::Expectation),
            Error::Misdirected,
            Error::TooManyRequests(within),
            Error::Refused(Refusal::TooManyFields),
            Error::RequestBody(BodyError::Spool(std::io::ErrorKind::PermissionDenied.into())),
            Error::NoServer,
        ] {
            let status = error.status();
            assert!(explanation(status).starts_with(status.as_str()), "{status}");
        }
        for status in [StatusCode::BAD_GATEWAY, StatusCode::GATEWAY_TIMEOUT] {
            assert!(explanation(status).starts_with(status.as_str()), "{status}");
        }
    }

    #[test]
    fn a_request_that_is_not_trusted_is_the_last_on_its_connection() {
        let response = failure(&Error::Refused(Refusal::HostMissing), Version::HTTP_11, false);
        assert_eq!(
            (response.status().as_u16(), &response.headers()[CONNECTION]),
            (400, &HeaderValue::from_static("close"))
        );
        let response = failure(&Error::Refused(Refusal::HostMissing), Version::HTTP_2, false);
        assert!(!response.headers().contains_key(CONNECTION));
    }

    #[test]
    fn a_failed_upstream_leaves_the_clients_connection_open_unless_a_body_is_unread() {
        for unread in [false, true] {
            let response = failure(&Error::NoServer, Version::HTTP_11, unread);
            assert_eq!(response.headers().contains_key(CONNECTION), unread);
        }
    }

    #[test]
    fn a_405_names_what_is_allowed() {
        let response = failure(&Error::Refused(Refusal::Method), Version::HTTP_11, false);
        assert_eq!(response.headers()[ALLOW], METHODS);
    }
}
