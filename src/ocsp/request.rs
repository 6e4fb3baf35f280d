//! OCSPRequest (RFC 6960 section 4.1).

use super::Subject;
use super::certificate_id::certificate_id;
use super::der::{SEQUENCE, element};

/// The DER of the request for the leaf of `subject`.
///
/// Without a nonce (RFC 5019 section 2.1.1 forbids it): responders sign ahead of time, and clients never see it.
pub fn request(subject: &Subject<'_>) -> Vec<u8> {
    let one = element(SEQUENCE, &[&certificate_id(subject)]);
    let list = element(SEQUENCE, &[&one]);
    let to_be_signed = element(SEQUENCE, &[&list]);
    element(SEQUENCE, &[&to_be_signed])
}
