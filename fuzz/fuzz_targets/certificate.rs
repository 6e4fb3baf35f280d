//! The DER of a certificate is read or refused, and what was read can be asked and shown.
#![no_main]

use fullchain::chain::Certificate;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(certificate) = Certificate::from_der(bytes.to_vec()) else {
        return;
    };
    assert_eq!(certificate.der().as_ref(), bytes);
    let _ = format!(
        "{certificate} {} {}",
        certificate.key_algorithm(),
        certificate.serial_text()
    );
    let _ = (certificate.dns_names().count(), certificate.ip_addresses().count());
});
