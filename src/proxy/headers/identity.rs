//! Names under which a backend is told who the client is. Only we say that: whatever a client says under them is removed
//! before anything else is set, from trusted proxies too (Caddy GHSA-7r4p-vjf4-gxv4).
//!
//! This is the one place for such names. A feature that sets one adds it here, so that no configuration, and no
//! forgotten branch, lets a client's own through.

use http::HeaderMap;

use super::{reads_as, remove_where};

/// Names that are believed by backends that look at certificates of clients.
const NAMES: [&str; 3] = ["client-cert", "client-cert-chain", "x-arr-clientcert"];

/// Beginnings of names: what follows differs from backend to backend.
const BEGINNINGS: [&str; 3] = ["x-ssl-client-", "x-client-cert", "ssl-client-"];

/// Removes what a request says about its sender under these names, whatever their spelling.
pub(in crate::proxy) fn remove(headers: &mut HeaderMap) {
    remove_where(headers, |name| is_identity(name.as_str().as_bytes()));
}

fn is_identity(name: &[u8]) -> bool {
    let begins = |start: &&str| name.get(..start.len()).is_some_and(|name| reads_as(name, start));
    matches!(name.first(), Some(b'c' | b's' | b'x'))
        && (NAMES.iter().any(|known| reads_as(name, known)) || BEGINNINGS.iter().any(begins))
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
