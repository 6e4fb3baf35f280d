//! RPC over HTTP (MS-RPCH) and the RD Gateway (MS-TSGU): requests and responses that are channels.
//!
//! A client opens two connections. On one it sends a request whose body goes on for as long as the session does, with a
//! length of a gigabyte or in chunks, on the other it receives such a response. Nothing of them is kept here, as of any
//! body; what they need besides is patience.

use std::time::Duration;

use http::Method;

/// How long a channel may be silent. A client pings before the server's connection timeout, which is at most four hours
/// (MS-RPCH section 2.2.3.5.3, ConnectionTimeout: 120,000 to 14,400,000 milliseconds); dead peers are found by TCP
/// keep-alive.
const CHANNEL: Duration = Duration::from_secs(4 * 60 * 60);

/// Whether it is such a request. Its length is nominal: it is no size, and its body is never put aside.
pub(super) fn is_channel(method: &Method) -> bool {
    matches!(
        method.as_str(),
        "RPC_IN_DATA" | "RPC_OUT_DATA" | "RDG_IN_DATA" | "RDG_OUT_DATA"
    )
}

/// How long the body of such a request, or of its response, may be silent, where others may be for `limit`.
pub(super) fn patience(method: &Method, limit: Duration) -> Duration {
    match is_channel(method) {
        true => limit.max(CHANNEL),
        false => limit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_may_be_silent_for_longer_than_a_request() {
        let limit = Duration::from_secs(60);
        let patience = |method: &str| patience(&Method::from_bytes(method.as_bytes()).unwrap(), limit);
        assert_eq!(patience("GET"), limit);
        for method in ["RPC_IN_DATA", "RPC_OUT_DATA", "RDG_IN_DATA", "RDG_OUT_DATA"] {
            assert_eq!(patience(method), CHANNEL, "{method}");
        }
    }
}
