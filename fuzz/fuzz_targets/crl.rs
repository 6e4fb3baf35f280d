//! A CRL is read or refused.
#![no_main]

use fullchain::certs::RevocationList;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match RevocationList::from_der(bytes) {
        Ok(list) => drop(list.issuer().to_string()),
        Err(error) => drop(error.to_string()),
    }
});
