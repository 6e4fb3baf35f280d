//! PKCS#7 is read or refused.
#![no_main]

use fullchain::certs::fuzzing::pkcs7_certificates;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    pkcs7_certificates(bytes);
});
