//! A file with keys, in whatever format and encryption, is read or refused; the password is that of `tests/data/certs`.
#![no_main]

use std::sync::LazyLock;

use fullchain::certs::Password;
use fullchain::certs::fuzzing::private_keys;
use libfuzzer_sys::fuzz_target;

static PASSWORD: LazyLock<Password> = LazyLock::new(|| Password::first_line(b"fixture").unwrap());

fuzz_target!(|bytes: &[u8]| {
    private_keys(bytes, &PASSWORD);
});
