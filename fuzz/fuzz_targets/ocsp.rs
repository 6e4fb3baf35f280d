//! An OCSP response is read and judged without a panic, and never believed: nobody signed it.
#![no_main]

use std::sync::LazyLock;

use fullchain::chain::Certificate;
use fullchain::ocsp::{Staple, Subject};
use libfuzzer_sys::fuzz_target;
use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::UnixTime;

static CERTIFICATE: LazyLock<Certificate> = LazyLock::new(|| {
    let certificate = CertificateParams::default()
        .self_signed(&KeyPair::generate().unwrap())
        .unwrap();
    Certificate::from_der(certificate.der().clone()).unwrap()
});

fuzz_target!(|bytes: &[u8]| {
    let subject = Subject {
        leaf: &CERTIFICATE,
        issuer: &CERTIFICATE,
    };
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms.all;
    let judged = Staple::verify(bytes, &subject, algorithms, UnixTime::now());
    let _ = judged.unwrap_err().to_string();
});
