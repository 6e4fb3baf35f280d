//! How long a server says it keeps an unused connection: the `Keep-Alive` field (RFC 2068 section 19.7.1.1).

use std::time::Duration;

use http::header::{HeaderMap, HeaderName};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// Taken off what the server says: a request that is sent in its last second crosses its close on the way.
const MARGIN: Duration = Duration::from_secs(1);

/// How long after this response its connection may be used again, if the server says.
pub(super) fn usable_for(headers: &HeaderMap) -> Option<Duration> {
    let said = headers.get_all(KEEP_ALIVE).iter().filter_map(|value| {
        let parameters = value.to_str().ok()?.split(',');
        parameters.filter_map(timeout).min()
    });
    said.min().map(|timeout| timeout.saturating_sub(MARGIN))
}

fn timeout(parameter: &str) -> Option<Duration> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("timeout") {
        return None;
    }
    let seconds = value.trim().trim_matches('"').parse::<u32>().ok()?;
    Some(Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_server_says_how_long_and_a_second_is_taken_off() {
        for (said, expected) in [
            ("timeout=5, max=100", Some(4)),
            ("max=100,Timeout = 15", Some(14)),
            ("timeout=\"2\"", Some(1)),
            ("timeout=1", Some(0)),
            ("timeout=0", Some(0)),
            ("timeout=9, timeout=3", Some(2)),
            ("max=100", None),
            ("timeout=soon", None),
            ("timeout=-1", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(KEEP_ALIVE, HeaderValue::from_static(said));
            assert_eq!(usable_for(&headers), expected.map(Duration::from_secs), "{said}");
        }
        assert_eq!(usable_for(&HeaderMap::new()), None);
    }
}
