//! PKCS#12 is opened or refused; the password is that of `tests/data/certs`, so that what lies inside is reached too.
#![no_main]

use std::sync::LazyLock;

use fullchain::certs::Password;
use fullchain::certs::fuzzing::pkcs12_entries;
use libfuzzer_sys::fuzz_target;

static PASSWORD: LazyLock<Password> = LazyLock::new(|| Password::first_line(b"fixture").unwrap());

fuzz_target!(|bytes: &[u8]| {
    pkcs12_entries(bytes, &PASSWORD);
});
