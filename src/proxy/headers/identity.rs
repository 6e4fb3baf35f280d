//! Names under which a backend is told who the client is. Only we say that: whatever a client says under them is removed
//! before anything else is set, from trusted proxies too (Caddy GHSA-7r4p-vjf4-gxv4).
//!
//! This is the one place for such names. A feature that sets one adds it here, so that no configuration, and no
//! forgotten branch, lets a client's own through.

use http::HeaderMap;

use super::{reads_as, remove_where};

/// How the names begin by which some backend or other is told of the client's certificate: RFC 9440, IIS, ASP.NET Core,
/// nginx and HAProxy as they are commonly configured, ingress-nginx, AWS, Envoy, Traefik, the plug-ins of WebLogic and
/// WebSphere. What follows differs from one to the other.
const BEGINNINGS: [&str; 16] = [
    "$ws",
    "client-cert",
    "ms-aspnetcore-clientcert",
    "ssl-client-",
    "wl-proxy-",
    "x-amzn-mtls-",
    "x-arr-clientcert",
    "x-client-cert",
    "x-client-dn",
    "x-client-verify",
    "x-forwarded-client-cert",
    "x-forwarded-tls-client-cert",
    "x-ssl-cert",
    "x-ssl-client",
    "x-ssl-issuer",
    "x-ssl-subject",
];

/// Removes what a request says about its sender under these names, whatever their spelling.
pub(in crate::proxy) fn remove(headers: &mut HeaderMap) {
    remove_where(headers, |name| is_identity(name.as_str().as_bytes()));
}

fn is_identity(name: &[u8]) -> bool {
    let begins = |start: &&str| name.get(..start.len()).is_some_and(|name| reads_as(name, start));
    matches!(name.first(), Some(b'$' | b'c' | b'm' | b's' | b'w' | b'x')) && BEGINNINGS.iter().any(begins)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn nobody_says_who_they_are_under_these_names() {
        let mut headers = HeaderMap::new();
        for name in [
            "client-cert",
            "client_cert",
            "client-cert-chain",
            "x-arr-clientcert",
            "x_arr_clientcert",
            "x-ssl-client-cert",
            "x-ssl-client-s-dn",
            "x_ssl_client_verify",
            "ssl-client-cert",
            "x-client-cert",
            "ms-aspnetcore-clientcert",
            "x-amzn-mtls-clientcert",
            "x-forwarded-client-cert",
            "x_forwarded_tls_client_cert_info",
            "wl-proxy-client-cert",
            "wl-proxy-ssl",
            "$wscc",
            "$wsra",
            "x-ssl-subject",
            "x-client-dn",
        ] {
            headers.append(name, HeaderValue::from_static("spoofed"));
        }
        for name in ["client", "x-ssl", "cookie", "x-client", "ssl-clients"] {
            headers.append(name, HeaderValue::from_static("kept"));
        }
        remove(&mut headers);
        assert_eq!(headers.len(), 5);
        assert!(headers.values().all(|value| value == "kept"));
    }
}
