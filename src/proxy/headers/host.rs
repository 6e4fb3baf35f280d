//! The one host a request is for.
//!
//! Whatever different parts of a system could read differently is refused: backends, caches and logs must agree on it.

use std::net::Ipv6Addr;

use http::header::HOST;
use http::request::Parts;
use http::{HeaderValue, Version};

use super::Refusal;

/// The one host a request is for, as the client wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct Host {
    value: HeaderValue,
    name_length: usize,
    port: Option<u16>,
}

impl Host {
    /// The host of a request: its target's authority, else its Host field. `None` for an HTTP/1.0 request without
    /// either.
    ///
    /// # Errors
    ///
    /// [`Refusal`] where there is none, more than one, or something else than a host.
    pub(in crate::proxy) fn of(head: &Parts) -> Result<Option<Self>, Refusal> {
        let mut fields = head.headers.get_all(HOST).iter();
        let field = fields.next();
        if fields.next().is_some() {
            return Err(Refusal::HostRepeated);
        }
        match (head.uri.authority(), field) {
            (Some(authority), field) => {
                // RFC 9112 section 3.2.2 and RFC 9113 section 8.3.1: the target wins. That they agree is our own
                // demand.
                if field.is_some_and(|field| !field.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes())) {
                    return Err(Refusal::HostMismatch);
                }
                let value = HeaderValue::from_str(authority.as_str()).map_err(|_| Refusal::HostInvalid)?;
                Self::new(value).map(Some)
            }
            (None, Some(field)) => Self::new(field.clone()).map(Some),
            (None, None) if head.version == Version::HTTP_10 => Ok(None),
            (None, None) => Err(Refusal::HostMissing),
        }
    }

    /// Reads a host with an optional port (`uri-host [ ":" port ]`, RFC 9110 section 7.2).
    ///
    /// # Errors
    ///
    /// [`Refusal::HostInvalid`].
    pub(in crate::proxy) fn new(value: HeaderValue) -> Result<Self, Refusal> {
        let (name_length, port) = split(value.as_bytes()).ok_or(Refusal::HostInvalid)?;
        Ok(Self {
            value,
            name_length,
            port,
        })
    }

    /// The whole value, port included.
    pub(in crate::proxy) fn value(&self) -> &HeaderValue {
        &self.value
    }

    /// The name or address without the port; an IPv6 address keeps its brackets.
    pub(in crate::proxy) fn name(&self) -> &[u8] {
        self.value.as_bytes().get(..self.name_length).unwrap_or_default()
    }

    /// The port, where one is written.
    pub(in crate::proxy) fn port(&self) -> Option<u16> {
        self.port
    }
}

/// The length of the name, and the port.
pub(super) fn split(value: &[u8]) -> Option<(usize, Option<u16>)> {
    let name_length = match value {
        [b'[', rest @ ..] => {
            let length = rest.iter().position(|byte| *byte == b']')?;
            let address = std::str::from_utf8(rest.get(..length)?).ok()?;
            address.parse::<Ipv6Addr>().ok()?;
            length + 2
        }
        _ => {
            let length = value.iter().position(|byte| *byte == b':').unwrap_or(value.len());
            if !is_name(value.get(..length)?) {
                return None;
            }
            length
        }
    };
    match value.get(name_length..)? {
        [] => Some((name_length, None)),
        // RFC 3986 section 3.2.3: the port may be empty.
        [b':'] => Some((name_length, None)),
        [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => {
            let port = std::str::from_utf8(digits).ok()?.parse().ok()?;
            Some((name_length, Some(port)))
        }
        _ => None,
    }
}

/// RFC 1035 section 2.3.4 in text: labels with dots between them, and at most one behind. A longer one, or one with an
/// empty label, could be another name for whoever cuts it or takes it apart, and costs time for each of its labels.
fn is_name(name: &[u8]) -> bool {
    const LONGEST: usize = 253;
    let name = name.strip_suffix(b".").unwrap_or(name);
    let is_label = |label: &[u8]| !label.is_empty() && label.iter().all(is_label_byte);
    name.len() <= LONGEST && name.split(|byte| *byte == b'.').all(is_label)
}

/// The unreserved characters of RFC 3986. Its sub-delims and percent-encodings are for name systems other than DNS, and
/// are refused: a comma in a host has been read as two hosts (HAProxy, 2026), and `%` invites different decodings.
fn is_label_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn hosts_are_names_and_addresses_with_an_optional_port() {
        for (value, name, port) in [
            ("example.com", "example.com", None),
            ("EXAMPLE.com:8443", "EXAMPLE.com", Some(8443)),
            ("a_b.example:", "a_b.example", None),
            ("192.0.2.1:80", "192.0.2.1", Some(80)),
            ("[2001:db8::1]", "[2001:db8::1]", None),
            ("[::1]:443", "[::1]", Some(443)),
        ] {
            let host = Host::new(HeaderValue::from_static(value)).unwrap();
            assert_eq!((host.name(), host.port()), (name.as_bytes(), port), "{value}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for value in [
            "",
            ":80",
            "user@example.com",
            "example.com/path",
            "a,b",
            "a b",
            "example.com:8443junk",
            "example.com:65536",
            "example.com:-1",
            "example.com:80:80",
            "a?b",
            "a#b",
            "a%00b",
            "[::1",
            "[::1]x",
            "[zz]",
            "::1",
            "ex\u{e4}mple",
            ".",
            "..",
            ".a.test",
            "a..test",
            "a.test..",
            &format!("{}.b.test", "a".repeat(250)),
            &"a.".repeat(60_000),
        ] {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            assert_eq!(Host::new(value.clone()), Err(Refusal::HostInvalid), "{value:?}");
        }
    }

    #[test]
    fn the_target_and_the_field_must_agree() {
        assert_eq!(
            of(Version::HTTP_2, "https://a.test/", &["A.test"])
                .unwrap()
                .unwrap()
                .name(),
            b"a.test"
        );
        assert_eq!(
            of(Version::HTTP_2, "https://a.test/", &["b.test"]),
            Err(Refusal::HostMismatch)
        );
        assert_eq!(
            of(Version::HTTP_11, "https://a.test:1/", &["a.test"]),
            Err(Refusal::HostMismatch)
        );
        assert_eq!(
            of(Version::HTTP_2, "https://user@a.test/", &[]),
            Err(Refusal::HostInvalid)
        );
    }

    #[test]
    fn there_is_exactly_one_host_but_in_http_1_0() {
        assert_eq!(of(Version::HTTP_11, "/", &[]), Err(Refusal::HostMissing));
        assert_eq!(of(Version::HTTP_2, "/", &[]), Err(Refusal::HostMissing));
        assert_eq!(of(Version::HTTP_10, "/", &[]), Ok(None));
        assert_eq!(
            of(Version::HTTP_11, "/", &["a.test", "a.test"]),
            Err(Refusal::HostRepeated)
        );
    }

    fn of(version: Version, target: &str, fields: &[&str]) -> Result<Option<Host>, Refusal> {
        let mut request = Request::builder().version(version).uri(target);
        for field in fields {
            request = request.header(HOST, *field);
        }
        Host::of(&request.body(()).unwrap().into_parts().0)
    }
}
