//! PKCS#7 (RFC 2315, RFC 5652): the certificates of a SignedData, which is all that a `.p7b` or `.p7c` file holds.

use rustls_pki_types::CertificateDer;

use super::der::{CONTEXT_0, Elements, INTEGER, OBJECT_IDENTIFIER, SEQUENCE, SET};

/// Why the certificates of a PKCS#7 file cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Pkcs7Error {
    /// It is not the DER of what it should be.
    #[error("PKCS#7 whose structure is not the DER of a SignedData (RFC 5652 section 5.1)")]
    Malformed,
    /// It is sound, but of a kind that holds no certificates.
    #[error("PKCS#7 of another type than SignedData, which alone holds certificates")]
    NotSignedData,
}

/// The certificates in the SignedData that `content_info` is, in the order of the file.
pub(super) fn certificates(content_info: &[u8]) -> Result<Vec<CertificateDer<'static>>, Pkcs7Error> {
    // 1.2.840.113549.1.7.2
    const SIGNED_DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
    let mut content = Elements::inside(content_info, SEQUENCE).ok_or(Pkcs7Error::Malformed)?;
    let content_type = content.expect(OBJECT_IDENTIFIER).ok_or(Pkcs7Error::Malformed)?;
    if content_type.contents != SIGNED_DATA {
        return Err(Pkcs7Error::NotSignedData);
    }
    signed_data(content).ok_or(Pkcs7Error::Malformed)
}

/// The certificates of a SignedData inside its explicit tag.
fn signed_data(mut content: Elements<'_>) -> Option<Vec<CertificateDer<'static>>> {
    let mut signed_data = content.enter(CONTEXT_0)?.enter(SEQUENCE)?;
    signed_data.expect(INTEGER)?;
    signed_data.expect(SET)?;
    signed_data.expect(SEQUENCE)?;
    let Some(certificates) = signed_data.enter(CONTEXT_0) else {
        // The certificates are optional.
        return Some(Vec::new());
    };
    // The other choices of RFC 5652 section 10.2.2 are tagged: obsolete extended and attribute certificates.
    let certificates = certificates
        .all()?
        .into_iter()
        .filter(|element| element.tag == SEQUENCE);
    Some(
        certificates
            .map(|element| CertificateDer::from(element.encoding.to_vec()))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::certs::pem;
    use crate::certs::testing::{der, fixture};

    /// A SignedData with nothing but `certificates`, as RFC 5652 section 5.1 has it.
    fn degenerate(certificates: &[&[u8]]) -> Vec<u8> {
        let data = der(SEQUENCE, &[b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"]);
        let certificates = der(CONTEXT_0, certificates);
        let signed_data = der(
            SEQUENCE,
            &[b"\x02\x01\x01", &der(SET, &[]), &data, &certificates, &der(SET, &[])],
        );
        der(
            SEQUENCE,
            &[
                b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02",
                &der(CONTEXT_0, &[&signed_data]),
            ],
        )
    }

    #[test]
    fn the_certificates_come_in_the_order_of_the_file() {
        let [leaf, ca] = ["ec.test.pem", "ca.pem"]
            .map(|name| CertificateDer::from(pem::blocks(&fixture(name)).unwrap().pop().unwrap().into_der()));
        assert_eq!(
            certificates(&degenerate(&[&ca, &leaf])).unwrap(),
            [ca.clone(), leaf.clone()]
        );
        assert_eq!(
            certificates(&degenerate(&[b"\xa1\x02\x05\x00", &leaf, &leaf])).unwrap(),
            [leaf.clone(), leaf.clone()]
        );
        assert_eq!(certificates(&degenerate(&[])).unwrap(), []);
        assert_eq!(certificates(&fixture("ec.p7b")).unwrap(), [leaf, ca]);
    }

    #[test]
    fn other_content_is_told_from_broken_content() {
        let data = der(SEQUENCE, &[b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"]);
        assert_eq!(certificates(&data), Err(Pkcs7Error::NotSignedData));
        let broken = degenerate(&[b"\x30\x05\x00"]);
        assert_eq!(certificates(&broken), Err(Pkcs7Error::Malformed));
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_read_without_a_panic(at in 0_usize..1000, byte: u8, cut in 0_usize..1000) {
            let mut bytes = fixture("ec.p7b");
            let length = bytes.len();
            bytes[at % length] = byte;
            let _ = certificates(&bytes);
            let _ = certificates(&bytes[..cut % length]);
        }
    }
}
