//! A PROXY header is read or refused, and never reaches beyond the bytes there are.
#![no_main]

use fullchain::proxy::fuzzing::proxy_header;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(length) = proxy_header(bytes) {
        assert_eq!(proxy_header(&bytes[..length]), Some(length));
    }
});
