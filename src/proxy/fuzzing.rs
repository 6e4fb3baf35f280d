//! The parsers of this room as `fuzz/` calls them. There only where `--cfg fuzzing` is given.

use super::proxy_protocol;

/// Reads the PROXY header that `bytes` begin with and returns its length; `None` where there is none, or not all of it.
pub fn proxy_header(bytes: &[u8]) -> Option<usize> {
    proxy_protocol::parse(bytes).ok().flatten().map(|header| header.length)
}
