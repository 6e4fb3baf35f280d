//! How large a head is, whatever it came in.

use http::request::Parts;

/// The bytes that a request's head takes over HTTP/1.1, so that one limit means the same in every version.
pub(in crate::proxy) fn size(head: &Parts) -> usize {
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    let host = head
        .uri
        .authority()
        .map_or(0, |host| "host: \r\n".len() + host.as_str().len());
    let line = head.method.as_str().len() + target + "  HTTP/1.1\r\n".len();
    let field =
        |(name, value): (&http::HeaderName, &http::HeaderValue)| name.as_str().len() + value.len() + ": \r\n".len();
    line + host + head.headers.iter().map(field).sum::<usize>() + "\r\n".len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_as_large_as_it_is_written_in_http_1_1() {
        let request = http::Request::get("https://a.test/x?y")
            .header("accept", "*/*")
            .body(())
            .unwrap();
        let written = "GET /x?y HTTP/1.1\r\nhost: a.test\r\naccept: */*\r\n\r\n";
        assert_eq!(size(&request.into_parts().0), written.len());
    }
}
