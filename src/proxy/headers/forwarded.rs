//! What the backend is told about the client's side, by us alone.
//!
//! A client's own claims are removed first, whatever their spelling: CGI, WSGI and others read `X_Forwarded_For` and
//! `X-Forwarded-For` as one variable (oauth2-proxy CVE-2025-64484). This comes after the fields listed by Connection
//! are gone, so that a client cannot have ours removed (Traefik CVE-2024-45410).

use http::{HeaderMap, HeaderName, HeaderValue};

use super::host::Host;
use super::{reads_as, remove_where};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Names that some backend or other believes, besides all that begin with `x-forwarded`.
const CLAIMS: [&str; 5] = ["forwarded", "x-real-ip", "x-url-scheme", "x-scheme", "front-end-https"];

/// Replaces what the headers say about the client by what is known: its address, the host it asked for, and whether it
/// did so over TLS.
///
/// `Forwarded` (RFC 7239) is removed and not set: few backends read it, and those that read both must not choose.
pub(in crate::proxy) fn set(headers: &mut HeaderMap, client: &HeaderValue, over_tls: bool, host: Option<&Host>) {
    let (scheme, port) = if over_tls { ("https", "443") } else { ("http", "80") };
    remove_where(headers, |name| is_claim(name.as_str().as_bytes()));
    headers.insert(FOR, client.clone());
    headers.insert(REAL_IP, client.clone());
    headers.insert(PROTO, HeaderValue::from_static(scheme));
    if let Some(host) = host {
        headers.insert(HOST, host.value().clone());
        // The port as the client sees it: where it names none, it used the one of the scheme.
        let port = host
            .port()
            .map_or_else(|| HeaderValue::from_static(port), HeaderValue::from);
        headers.insert(PORT, port);
    }
}

fn is_claim(name: &[u8]) -> bool {
    const PREFIX: &str = "x-forwarded";
    matches!(name.first(), Some(b'x' | b'f'))
        && (name.get(..PREFIX.len()).is_some_and(|start| reads_as(start, PREFIX))
            || CLAIMS.iter().any(|claim| reads_as(name, claim)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_of_the_client_are_replaced_whatever_their_spelling() {
        let mut headers = HeaderMap::new();
        for name in [
            "x-forwarded-for",
            "x_forwarded_for",
            "x-forwarded_for",
            "x-forwarded-proto",
            "x-forwarded-user",
            "forwarded",
            "x-real-ip",
            "x_real_ip",
            "front-end-https",
            "x-forwarded",
            "x-scheme",
        ] {
            headers.append(name, HeaderValue::from_static("spoofed"));
        }
        headers.insert("x-forward", HeaderValue::from_static("kept"));
        headers.insert("from", HeaderValue::from_static("kept"));
        let host = Host::new(HeaderValue::from_static("a.test:8443")).unwrap();
        set(&mut headers, &HeaderValue::from_static("192.0.2.1"), true, Some(&host));

        let mut left: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        left.sort_unstable();
        assert_eq!(
            left,
            [
                ("from", "kept"),
                ("x-forward", "kept"),
                ("x-forwarded-for", "192.0.2.1"),
                ("x-forwarded-host", "a.test:8443"),
                ("x-forwarded-port", "8443"),
                ("x-forwarded-proto", "https"),
                ("x-real-ip", "192.0.2.1"),
            ]
        );
    }

    #[test]
    fn a_host_without_a_port_means_the_port_of_the_scheme() {
        let host = Host::new(HeaderValue::from_static("a.test")).unwrap();
        for (over_tls, scheme, port) in [(true, "https", "443"), (false, "http", "80")] {
            let mut headers = HeaderMap::new();
            set(
                &mut headers,
                &HeaderValue::from_static("192.0.2.1"),
                over_tls,
                Some(&host),
            );
            assert_eq!(
                (&headers[PROTO], &headers[PORT]),
                (&HeaderValue::from_static(scheme), &HeaderValue::from_static(port))
            );
        }
    }
}
