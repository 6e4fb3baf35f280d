//! Where a message ends: judged on arrival, computed anew on departure.
//!
//! A framing field is never passed on. What leaves is derived from the body as it was read, so the two sides cannot
//! disagree about it. hyper refuses before this: HTTP/1.0 with Transfer-Encoding, differing or malformed
//! Content-Length. What hyper hides (a request with both fields or the same twice) or reads leniently (lines that end in
//! LF alone, chunk syntax) is found by the scanner of what HTTP/1.1 clients send.

use http::header::{CONTENT_LENGTH, EXPECT, TRAILER, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

use super::Refusal;

/// Marks a request, as an extension, that could be taken for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Doubt {
    /// Its fields leave its end in doubt.
    End,
    /// It asks for another protocol, and what came with it may be spoken in that or be the next request.
    Upgrade,
}

/// Checks what the method, the target and the fields that govern the body say together.
///
/// # Errors
///
/// [`Refusal`] for the first thing that is wrong.
pub(in crate::proxy) fn check(head: &Parts) -> Result<(), Refusal> {
    match head.method {
        // Its target is none that a server is asked for (RFC 9110 section 9.3.6): it asks for a proxy.
        Method::CONNECT => return Err(Refusal::Target),
        // It shows the fields we add to whoever asks.
        Method::TRACE => return Err(Refusal::Method),
        _ => {}
    }
    match head.extensions.get::<Doubt>() {
        None => {}
        Some(Doubt::End) => return Err(Refusal::Ambiguous),
        Some(Doubt::Upgrade) => return Err(Refusal::PrematureUpgrade),
    }
    // HTTP/1.1 has been scanned for a second length; RFC 9110 section 8.6 leaves it to us to refuse equal ones too.
    let lengths = head.headers.get_all(CONTENT_LENGTH).iter().count();
    // RFC 1945 section 7.2.2: without one the body would end with the connection, and be nobody's.
    let unframed = head.version == Version::HTTP_10 && lengths == 0 && encloses(&head.method);
    if lengths > 1 || unframed {
        return Err(Refusal::Ambiguous);
    }
    check_target(head)?;
    check_expectation(head)?;
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Refusal::TransferEncoding),
    }
}

/// RFC 9112 section 3.2: origin-form and absolute-form, and asterisk-form for OPTIONS.
fn check_target(head: &Parts) -> Result<(), Refusal> {
    let Some(target) = head.uri.path_and_query() else {
        return Err(Refusal::Target);
    };
    let acceptable = match target.as_str().as_bytes() {
        b"*" => head.method == Method::OPTIONS,
        // http::Uri lets UTF-8 pass; RFC 3986 wants it percent-encoded and backends disagree on the rest.
        [b'/', rest @ ..] => rest.iter().all(u8::is_ascii_graphic),
        // Absolute-form may have an empty path; RFC 9113 section 8.3.1 has none.
        [b'?', rest @ ..] => head.version < Version::HTTP_2 && rest.iter().all(u8::is_ascii_graphic),
        _ => false,
    };
    let scheme = match head.uri.scheme_str() {
        Some(scheme) => matches!(scheme, "http" | "https"),
        // Origin-form; authority-form is CONNECT's. What came over HTTP/2 without an authority is left without a scheme.
        None => head.uri.authority().is_none(),
    };
    if acceptable && scheme {
        Ok(())
    } else {
        Err(Refusal::Target)
    }
}

fn check_expectation(head: &Parts) -> Result<(), Refusal> {
    // RFC 9110 section 10.1.1: an HTTP/1.0 client's expectation is ignored.
    let known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if head.version == Version::HTTP_10 || head.headers.get_all(EXPECT).iter().all(known) {
        Ok(())
    } else {
        Err(Refusal::Expectation)
    }
}

/// Whether the client waits to be asked for the body. What it expects has been [checked](check).
pub(in crate::proxy) fn expects_continue(head: &Parts) -> bool {
    head.version > Version::HTTP_10 && head.headers.contains_key(EXPECT)
}

/// Replaces a request's framing fields by those of its body. `length` is the body's, `None` where only its end will
/// tell.
pub(in crate::proxy) fn set_request(method: &Method, headers: &mut HeaderMap, length: Option<u64>) {
    let said_length = headers.remove(CONTENT_LENGTH).is_some();
    headers.remove(TRANSFER_ENCODING);
    // Expect is answered here, unless the delivery puts it back, and trailers are not passed on (RFC 9110 section 6.5.1 leaves us free).
    headers.remove(EXPECT);
    headers.remove(TRAILER);
    match length {
        // RFC 9110 section 8.6: without it a server may wait for a body, or answer 411.
        Some(0) if said_length || encloses(method) => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        // hyper adds the length it takes from the body.
        Some(_) => {}
        // hyper would send a GET without its body otherwise.
        None => {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
}

/// Whether requests of this method have a body by their nature.
fn encloses(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// Checks that a response's framing fields leave no doubt about its end.
///
/// # Errors
///
/// A sentence that says what is wrong.
pub(in crate::proxy) fn check_response(headers: &HeaderMap) -> Result<(), &'static str> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    if headers.contains_key(CONTENT_LENGTH) {
        return Err("it has both Transfer-Encoding and Content-Length");
    }
    // `identity` is RFC 2616's way to say nothing at all.
    let known = [b"chunked".as_slice(), b"identity"]
        .iter()
        .any(|known| coding.as_bytes().eq_ignore_ascii_case(known));
    if known && codings.next().is_none() {
        Ok(())
    } else {
        Err("its transfer coding is not chunked alone")
    }
}

/// Removes a response's framing fields, but for the length that a response to HEAD tells about the one to GET.
pub(in crate::proxy) fn clear_response(headers: &mut HeaderMap, status: StatusCode, to_head: bool) {
    headers.remove(TRANSFER_ENCODING);
    let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let length = headers.remove(CONTENT_LENGTH);
    if let Some(length) = length.filter(|value| to_head && !bodiless && is_number(value)) {
        headers.insert(CONTENT_LENGTH, length);
    }
}

fn is_number(value: &HeaderValue) -> bool {
    !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http::request::Builder;

    use super::*;

    #[test]
    fn methods_targets_expectations_and_codings_that_are_refused() {
        let get = |target: &str| Request::get(target);
        for (request, refusal) in [
            (Request::connect("a.test:443"), Refusal::Target),
            (Request::trace("/"), Refusal::Method),
            (get("*"), Refusal::Target),
            (get("a.test:443"), Refusal::Target),
            (get("/\u{e4}"), Refusal::Target),
            (get("ftp://a.test/"), Refusal::Target),
            (get("https://a.test?query").version(Version::HTTP_2), Refusal::Target),
            (
                get("/").header(CONTENT_LENGTH, "5").header(CONTENT_LENGTH, "5"),
                Refusal::Ambiguous,
            ),
            (Request::post("/").version(Version::HTTP_10), Refusal::Ambiguous),
            (get("/").header(EXPECT, "banana"), Refusal::Expectation),
            (
                get("/").header(EXPECT, "100-continue").header(EXPECT, "x"),
                Refusal::Expectation,
            ),
            (
                get("/").header(TRANSFER_ENCODING, ",chunked"),
                Refusal::TransferEncoding,
            ),
            (
                get("/").header(TRANSFER_ENCODING, "gzip, chunked"),
                Refusal::TransferEncoding,
            ),
            (
                get("/")
                    .header(TRANSFER_ENCODING, "chunked")
                    .header(TRANSFER_ENCODING, "chunked"),
                Refusal::TransferEncoding,
            ),
        ] {
            assert_eq!(checked(request), Err(refusal));
        }
    }

    #[test]
    fn ordinary_requests_pass() {
        for request in [
            Request::get("/a?b=%20|{}"),
            Request::get("https://a.test/"),
            Request::get("https://a.test?query"),
            Request::get("https://a.test/?query").version(Version::HTTP_2),
            Request::options("*"),
            Request::put("/").header(TRANSFER_ENCODING, "Chunked"),
            Request::put("/").header(EXPECT, "100-Continue"),
            Request::put("/")
                .version(Version::HTTP_10)
                .header(CONTENT_LENGTH, "0")
                .header(EXPECT, "banana"),
        ] {
            assert_eq!(checked(request), Ok(()));
        }
    }

    #[test]
    fn received_framing_is_replaced() {
        let received = [
            ("content-length", "7"),
            ("transfer-encoding", "chunked"),
            ("expect", "100-continue"),
        ];
        for (method, length, left) in [
            (Method::GET, Some(0), &[("content-length", "0")][..]),
            (Method::GET, Some(7), &[]),
            (Method::GET, None, &[("transfer-encoding", "chunked")]),
        ] {
            let mut headers = fields(&received);
            set_request(&method, &mut headers, length);
            assert_eq!(headers, fields(left));
        }
    }

    #[test]
    fn an_empty_post_says_so() {
        let mut headers = HeaderMap::new();
        set_request(&Method::GET, &mut headers, Some(0));
        assert!(headers.is_empty());
        set_request(&Method::POST, &mut headers, Some(0));
        assert_eq!(headers, fields(&[("content-length", "0")]));
    }

    #[test]
    fn responses_with_two_ends_are_refused() {
        for (received, good) in [
            (&[][..], true),
            (&[("content-length", "1")], true),
            (&[("transfer-encoding", "chunked")], true),
            (&[("transfer-encoding", "identity")], true),
            (&[("transfer-encoding", "chunked"), ("content-length", "1")], false),
            (&[("transfer-encoding", "gzip, chunked")], false),
            (
                &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
                false,
            ),
        ] {
            assert_eq!(check_response(&fields(received)).is_ok(), good, "{received:?}");
        }
    }

    #[test]
    fn only_a_response_to_head_keeps_its_length() {
        for (status, to_head, kept) in [
            (200, true, true),
            (200, false, false),
            (304, true, false),
            (204, false, false),
        ] {
            let mut headers = fields(&[("content-length", "5"), ("content-length", "5")]);
            clear_response(&mut headers, StatusCode::from_u16(status).unwrap(), to_head);
            assert_eq!(headers.get_all(CONTENT_LENGTH).iter().count(), usize::from(kept));
        }
    }

    fn checked(request: Builder) -> Result<(), Refusal> {
        check(&request.body(()).unwrap().into_parts().0)
    }

    fn fields(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }
}
