//! The client's side of a request, as far as anybody can be believed about it.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::host::Host;
use super::request_id;
use super::scheme::Scheme;
use crate::proxy::peer::Peer;
use crate::proxy::settings::Peers;

pub(super) const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(super) const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(super) const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// Who asks, and what the place is called there.
#[derive(Clone, Debug)]
pub(in crate::proxy) struct Downstream {
    /// The client: our peer, or whom trusted proxies speak for.
    pub(in crate::proxy) client: Address,
    /// Who is connected to us.
    pub(super) peer: Address,
    /// Whether the peer may speak for others.
    pub(super) trusted: bool,
    /// How the peer reaches us.
    pub(super) scheme: Scheme,
    /// The host that the request names.
    pub(super) requested: Host,
    /// What the client calls this place.
    pub(in crate::proxy) site: Site,
    /// What a trusted proxy calls the request.
    pub(super) request_id: Option<HeaderValue>,
}

/// The address of a client, and the same as a field value.
#[derive(Clone, Debug)]
pub(in crate::proxy) struct Address {
    /// None where there is none: on a Unix socket.
    pub(in crate::proxy) ip: Option<IpAddr>,
    pub(in crate::proxy) value: HeaderValue,
}

/// Where URLs of this place begin, as the client writes them.
#[derive(Clone, Debug)]
pub(in crate::proxy) struct Site {
    /// http or https.
    pub(in crate::proxy) scheme: Scheme,
    /// The name, and the port where it is written.
    pub(in crate::proxy) host: Host,
    /// The port, written or not.
    pub(super) port: u16,
}

impl Downstream {
    /// What is known of a request for `client` that `peer` sends over `scheme` to `host`.
    pub(in crate::proxy) fn of(
        peer: &Address,
        client: Address,
        scheme: Scheme,
        host: &Host,
        headers: &HeaderMap,
        proxies: &Peers,
    ) -> Self {
        let trusted = proxies.include(peer.ip);
        let site = Site::new(scheme, host.clone(), None);
        Self {
            client,
            peer: peer.clone(),
            trusted,
            scheme,
            requested: host.clone(),
            site: if trusted { site.told(headers) } else { site },
            request_id: if trusted { request_id::given(headers) } else { None },
        }
    }
}

impl Address {
    /// IPv4 as IPv4 even on a dual-stack socket.
    pub(in crate::proxy) fn of(ip: IpAddr) -> Self {
        let ip = ip.to_canonical();
        // An address is digits, letters, dots and colons.
        let value = HeaderValue::try_from(ip.to_string()).unwrap_or(HeaderValue::from_static("unknown"));
        Self { ip: Some(ip), value }
    }

    /// That of the other end of a connection.
    pub(in crate::proxy) fn of_peer(peer: Peer) -> Self {
        Self {
            ip: peer.ip(),
            value: peer.field_value(),
        }
    }
}

impl Site {
    fn new(scheme: Scheme, host: Host, port: Option<u16>) -> Self {
        let port = port.or_else(|| host.port()).unwrap_or_else(|| scheme.port());
        Self { scheme, host, port }
    }

    /// The same place as a trusted proxy calls it, as far as it does.
    fn told(self, headers: &HeaderMap) -> Self {
        let host = only(headers, &HOST).and_then(|host| Host::new(host.clone()).ok());
        Self::new(
            scheme(headers).unwrap_or(self.scheme),
            host.unwrap_or(self.host),
            port(headers),
        )
    }

    /// Writes `https://a.test:8443`.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.scheme.as_str().as_bytes());
        out.extend_from_slice(b"://");
        out.extend_from_slice(self.host.name());
        if self.port != self.scheme.port() {
            out.extend_from_slice(format!(":{}", self.port).as_bytes());
        }
    }

    /// The port as a field value.
    pub(super) fn port_value(&self) -> HeaderValue {
        match self.port == self.scheme.port() {
            true => self.scheme.port_value(),
            false => HeaderValue::from(self.port),
        }
    }
}

/// The value of a field that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// What X-Forwarded-Proto says. A list is none: the first of it may be the client's own.
pub(in crate::proxy) fn scheme(headers: &HeaderMap) -> Option<Scheme> {
    let value = only(headers, &PROTO)?.as_bytes();
    let is = |word: &[u8]| value.eq_ignore_ascii_case(word);
    // Traefik writes ws and wss for WebSockets.
    if is(b"https") || is(b"wss") {
        Some(Scheme::Https)
    } else if is(b"http") || is(b"ws") {
        Some(Scheme::Http)
    } else {
        None
    }
}

fn port(headers: &HeaderMap) -> Option<u16> {
    let digits = only(headers, &PORT)?.as_bytes();
    let digits = digits.iter().all(u8::is_ascii_digit).then_some(digits)?;
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::headers::client;

    const CLAIMS: [(&str, &str); 5] = [
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "b.test"),
        ("x-forwarded-port", "8080"),
        ("x-request-id", "abc"),
    ];

    #[test]
    fn a_stranger_is_not_believed() {
        let downstream = seen("192.0.2.9", "a.test:8443", &CLAIMS);
        assert!(!downstream.trusted && downstream.request_id.is_none());
        assert_eq!(downstream.client.value, "192.0.2.9");
        assert_eq!(url(&downstream), "https://a.test:8443");
    }

    #[test]
    fn a_trusted_proxy_says_who_the_client_is_and_what_it_asked_for() {
        let downstream = seen("10.0.0.1", "a.test", &CLAIMS);
        assert!(downstream.trusted);
        assert_eq!(
            (&downstream.client.value, &downstream.peer.value),
            (&"192.0.2.1".parse().unwrap(), &"10.0.0.1".parse().unwrap())
        );
        assert_eq!(downstream.request_id.as_ref().unwrap(), "abc");
        assert_eq!(url(&downstream), "http://b.test:8080");
    }

    #[test]
    fn what_a_trusted_proxy_does_not_say_or_says_in_a_way_not_understood_is_what_is_seen() {
        for (host, fields, expected) in [
            ("a.test:8443", &[][..], "https://a.test:8443"),
            ("a.test", &[("x-forwarded-proto", "http")], "http://a.test"),
            (
                "a.test:8080",
                &[("x-forwarded-proto", "https"), ("x-forwarded-port", "443")],
                "https://a.test",
            ),
            ("a.test", &[("x-forwarded-proto", "WSS")], "https://a.test"),
            ("a.test", &[("x-forwarded-proto", "http, https")], "https://a.test"),
            (
                "a.test",
                &[("x-forwarded-proto", "http"), ("x-forwarded-proto", "http")],
                "https://a.test",
            ),
            ("a.test", &[("x-forwarded-host", "b.test")], "https://b.test"),
            ("a.test", &[("x-forwarded-host", "b.test, c.test")], "https://a.test"),
            ("a.test", &[("x-forwarded-host", "b.test/x")], "https://a.test"),
            ("a.test", &[("x-forwarded-port", "0")], "https://a.test"),
            ("a.test", &[("x-forwarded-port", "+1")], "https://a.test"),
            ("a.test", &[("x-forwarded-port", "99999")], "https://a.test"),
            ("a.test", &[("x-forwarded-port", "")], "https://a.test"),
            ("[::1]:444", &[("x-forwarded-port", "443")], "https://[::1]"),
        ] {
            assert_eq!(url(&seen("10.0.0.1", host, fields)), expected, "{fields:?}");
        }
    }

    fn seen(peer: &str, host: &'static str, fields: &[(&'static str, &'static str)]) -> Downstream {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let peer = Address::of(peer.parse().unwrap());
        let host = Host::new(HeaderValue::from_static(host)).unwrap();
        let trusted = vec!["10.0.0.0/8".parse().unwrap()].into();
        let client = client::of(&peer, &trusted, &headers);
        Downstream::of(&peer, client, Scheme::Https, &host, &headers, &trusted)
    }

    fn url(downstream: &Downstream) -> String {
        let mut url = Vec::new();
        downstream.site.write(&mut url);
        String::from_utf8(url).unwrap()
    }
}
