//! RPC over HTTP (MS-RPCH) and the RD Gateway (MS-TSGU): requests and responses that are channels.
//!
//! A client opens two connections. On one it sends a request whose body goes on for as long as the session does, with a
//! length of a gigabyte or in chunks, on the other it receives such a response. Nothing of them is kept here, as of any
//! body; what they need besides is patience.

use std::time::Duration;

use http::Method;

use super::settings::Route;

/// How long a channel may be silent. A client pings before the server's connection timeout, which is at most four hours
/// (MS-RPCH section 2.2.3.5.3, ConnectionTimeout: 120,000 to 14,400,000 milliseconds); dead peers are found by TCP
/// keep-alive.
const CHANNEL: Duration = Duration::from_secs(4 * 60 * 60);

/// Whether a request of this method is one, where RPC over HTTP is spoken. Its length is nominal: it is no size, and its
/// body is never put aside. Elsewhere it would be a way around every limit.
pub(super) fn is_channel(route: &Route, method: &Method) -> bool {
    route.rpc_over_http
        && matches!(
            method.as_str(),
            "RPC_IN_DATA" | "RPC_OUT_DATA" | "RDG_IN_DATA" | "RDG_OUT_DATA"
        )
}

/// How long the bodies of a channel may be silent, where others may be for `limit`.
pub(super) fn patience(limit: Duration) -> Duration {
    limit.max(CHANNEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_one_where_it_is_spoken_and_nowhere_else() {
        let is_channel = |rpc_over_http: bool, method: &str| {
            let route = Route {
                rpc_over_http,
                ..Route::to(0)
            };
            is_channel(&route, &Method::from_bytes(method.as_bytes()).unwrap())
        };
        for method in ["RPC_IN_DATA", "RPC_OUT_DATA", "RDG_IN_DATA", "RDG_OUT_DATA"] {
            assert!(is_channel(true, method) && !is_channel(false, method), "{method}");
        }
        assert!(!is_channel(true, "POST"));
    }
}
