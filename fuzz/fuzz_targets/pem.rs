//! PEM with anything around it is read or refused.
#![no_main]

use fullchain::certs::fuzzing::pem_blocks;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    pem_blocks(bytes);
});
