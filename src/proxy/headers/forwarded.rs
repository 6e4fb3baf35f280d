//! What the backend is told about the client's side, by us and by those whom the operator trusts.
//!
//! Anybody else's claims are removed first, whatever their spelling: CGI, WSGI and others read `X_Forwarded_For` and
//! `X-Forwarded-For` as one variable (oauth2-proxy CVE-2025-64484). This comes after the fields listed by Connection
//! are gone, so that a client cannot have ours removed (Traefik CVE-2024-45410); nor can it have those of a trusted
//! proxy removed, which Connection cannot list.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Version};

use super::client::FOR;
use super::downstream::{Downstream, HOST, PORT, PROTO};
use super::element::element;
use super::request_id::{REQUEST_ID, RequestId};
use super::via::{self, ViaName};
use super::{reads_as, remove_where};

const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");

/// Names that some backend or other believes, besides all that begin with `x-forwarded`.
const CLAIMS: [&str; 15] = [
    "forwarded",
    "front-end-https",
    "proxy-client-ip",
    "true-client-ip",
    "x-arr-ssl",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-for",
    "x-original-host",
    "x-original-proto",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
    "x-scheme",
    "x-url-scheme",
];

/// What is said besides X-Forwarded-For, -Proto, -Host, -Port and X-Real-IP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// The same once more in one field (RFC 7239). Few backends read it, and those that read both must not choose.
    pub forwarded: bool,
    /// What we call ourselves in Via, if we name ourselves.
    pub via: Option<ViaName>,
    /// Who is told a name of the request.
    pub request_id: RequestId,
}

/// Replaces what a request's headers say about the client by what is known. `version` is what the request came in.
pub(in crate::proxy) fn set(
    headers: &mut HeaderMap,
    downstream: &Downstream,
    forwarding: &Forwarding,
    version: Version,
) {
    // A trusted proxy's word counts in the one spelling that is meant.
    let trusted = downstream.trusted;
    remove_where(headers, |name| is_claim(name.as_str(), trusted));
    let chain = chained(headers, &FOR, b", ", downstream.peer.value.as_bytes());
    headers.insert(FOR, chain.unwrap_or_else(|| downstream.peer.value.clone()));
    headers.insert(REAL_IP, downstream.client.value.clone());
    headers.insert(PROTO, downstream.site.scheme.value());
    headers.insert(HOST, downstream.site.host.value().clone());
    // The port as the client sees it: where it names none, it used the one of the scheme.
    headers.insert(PORT, downstream.site.port_value());
    if forwarding.forwarded {
        let ours = element(downstream);
        let chain = chained(headers, &FORWARDED, b", ", ours.as_bytes());
        headers.insert(FORWARDED, chain.unwrap_or(ours));
    } else {
        // Without our part it would say something else than the others.
        headers.remove(FORWARDED);
    }
    if let Some(name) = &forwarding.via {
        via::add(headers, version, name);
    }
}

/// Whether a field of this name says who the client is, what it asked for or what the request is called.
pub(super) fn speaks_for_the_client(name: &HeaderName) -> bool {
    *name == REQUEST_ID || is_claim(name.as_str(), false)
}

/// Removes what trailers say about the client: a recipient may merge them into the header section.
pub(super) fn remove_claims(trailers: &mut HeaderMap) {
    remove_where(trailers, |name| is_claim(name.as_str(), false));
}

/// Names the request to the backend, in the place of any name that came with it.
pub(in crate::proxy) fn set_request_id(headers: &mut HeaderMap, id: Option<&HeaderValue>) {
    if let Some(id) = id {
        remove_where(headers, |name| {
            *name != REQUEST_ID && reads_as(name.as_str().as_bytes(), REQUEST_ID.as_str())
        });
        headers.insert(REQUEST_ID, id.clone());
    }
}

/// The values of a field in one, and `last` behind them; `None` where there are none.
fn chained(headers: &HeaderMap, name: &HeaderName, separator: &[u8], last: &[u8]) -> Option<HeaderValue> {
    let mut chain = Vec::new();
    for value in headers.get_all(name).iter().filter(|value| !value.is_empty()) {
        chain.extend_from_slice(value.as_bytes());
        chain.extend_from_slice(separator);
    }
    if chain.is_empty() {
        return None;
    }
    chain.extend_from_slice(last);
    // Field values and a comma.
    HeaderValue::from_maybe_shared(Bytes::from(chain)).ok()
}

/// Whether a field of this name says something about the client that is not for it to say.
fn is_claim(name: &str, trusted: bool) -> bool {
    const PREFIX: &str = "x-forwarded";
    let bytes = name.as_bytes();
    if !matches!(bytes.first(), Some(b'f' | b'p' | b't' | b'x')) {
        return false;
    }
    let begins = bytes.get(..PREFIX.len()).is_some_and(|start| reads_as(start, PREFIX));
    let claim = CLAIMS.iter().find(|claim| reads_as(bytes, claim));
    match trusted {
        false => begins || claim.is_some(),
        // Proxies set these, in one spelling; the rest they hand on from whoever sent it.
        true => {
            let misspelt = bytes.iter().any(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-');
            (begins && misspelt) || (claim.is_some() && name != FORWARDED.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::headers::client;
    use crate::proxy::headers::downstream::Address;
    use crate::proxy::headers::host::Host;
    use crate::proxy::headers::scheme::Scheme;

    #[test]
    fn claims_of_a_stranger_are_replaced_whatever_their_spelling() {
        let mut headers = HeaderMap::new();
        for name in [
            "x-forwarded-for",
            "x_forwarded_for",
            "x-forwarded_for",
            "x.forwarded.for",
            "x-forwarded-proto",
            "x-forwarded-user",
            "forwarded",
            "x-real-ip",
            "x_real_ip",
            "x~real~ip",
            "front-end-https",
            "front_end_https",
            "x-forwarded",
            "x-scheme",
            "x-original-url",
            "true-client-ip",
        ] {
            headers.append(name, HeaderValue::from_static("spoofed"));
        }
        headers.insert("x-forward", HeaderValue::from_static("kept"));
        headers.insert("from", HeaderValue::from_static("kept"));
        headers.insert("true", HeaderValue::from_static("kept"));
        let downstream = downstream("192.0.2.1", "a.test:8443", &headers);
        set(&mut headers, &downstream, &Forwarding::default(), Version::HTTP_11);
        assert_eq!(
            listed(&headers),
            [
                "from: kept",
                "true: kept",
                "x-forward: kept",
                "x-forwarded-for: 192.0.2.1",
                "x-forwarded-host: a.test:8443",
                "x-forwarded-port: 8443",
                "x-forwarded-proto: https",
                "x-real-ip: 192.0.2.1",
            ]
        );
    }

    #[test]
    fn a_trusted_proxy_is_kept_and_appended_to() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-for", "192.0.2.1, 10.0.0.2"),
            ("x-forwarded-host", "b.test"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-user", "ann"),
            ("x_forwarded_user", "eve"),
            ("x-real-ip", "6.6.6.6"),
            ("x_real_ip", "6.6.6.6"),
            ("forwarded", "for=192.0.2.1"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let downstream = downstream("10.0.0.1", "a.test", &headers);
        let mut plain = headers.clone();
        set(&mut plain, &downstream, &Forwarding::default(), Version::HTTP_11);
        let common = [
            "x-forwarded-for: 6.6.6.6, 192.0.2.1, 10.0.0.2, 10.0.0.1",
            "x-forwarded-host: b.test",
            "x-forwarded-port: 80",
            "x-forwarded-proto: http",
            "x-forwarded-user: ann",
            "x-real-ip: 192.0.2.1",
        ];
        assert_eq!(listed(&plain), common);

        let forwarding = Forwarding {
            forwarded: true,
            via: Some("edge".parse().unwrap()),
            ..Forwarding::default()
        };
        set(&mut headers, &downstream, &forwarding, Version::HTTP_2);
        let mut expected = vec![
            "forwarded: for=192.0.2.1, for=10.0.0.1;host=a.test;proto=https",
            "via: 2.0 edge",
        ];
        expected.extend(common);
        expected.sort_unstable();
        assert_eq!(listed(&headers), expected);
    }

    #[test]
    fn a_host_without_a_port_means_the_port_of_its_scheme() {
        let mut headers = HeaderMap::new();
        let downstream = downstream("192.0.2.1", "a.test", &headers);
        set(&mut headers, &downstream, &Forwarding::default(), Version::HTTP_11);
        assert_eq!(headers[PORT], "443");
    }

    #[test]
    fn a_name_of_the_request_takes_the_place_of_the_clients() {
        let mut headers = HeaderMap::new();
        for name in ["x-request-id", "x-request-id", "x_request_id"] {
            headers.append(name, HeaderValue::from_static("spoofed"));
        }
        set_request_id(&mut headers, None);
        assert_eq!(headers.len(), 3);
        set_request_id(&mut headers, Some(&HeaderValue::from_static("ours")));
        assert_eq!(listed(&headers), ["x-request-id: ours"]);
    }

    fn downstream(peer: &str, host: &'static str, headers: &HeaderMap) -> Downstream {
        let peer = Address::of(peer.parse().unwrap());
        let host = Host::new(HeaderValue::from_static(host)).unwrap();
        let trusted = vec!["10.0.0.0/8".parse().unwrap()].into();
        let client = client::of(&peer, &trusted, headers);
        Downstream::of(&peer, client, Scheme::Https, &host, headers, &trusted)
    }

    fn listed(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort_unstable();
        lines
    }
}
