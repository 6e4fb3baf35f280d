//! What a file is, told from its bytes. Extensions lie: `.crt`, `.cer` and `.p7b` are PEM as often as DER.

use super::der::{self, BIT_STRING, Element, Elements, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE};
use super::pem;

/// The formats certificates and keys come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Text with blocks (RFC 7468).
    Pem,
    /// The DER of one certificate or of several in a row.
    Certificate,
    /// The DER of a PKCS#7 or CMS ContentInfo (RFC 5652).
    Pkcs7,
    /// The DER of a PKCS#12 PFX (RFC 7292).
    Pkcs12,
    /// The DER of a private key: PKCS#8, PKCS#1 or SEC1.
    Key,
    /// The DER of a PKCS#8 EncryptedPrivateKeyInfo.
    EncryptedKey,
}

/// Why a file is none of the formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// There is nothing in it.
    #[error("an empty file")]
    Empty,
    /// BER where DER is read.
    #[error(
        "BER with indefinite lengths; `openssl pkcs12 -in FILE -out FILE.pem` (PKCS#12) or \
         `openssl pkcs7 -inform DER -in FILE -print_certs -out FILE.pem` (PKCS#7) converts it"
    )]
    IndefiniteLength,
    /// DER that something else follows.
    #[error("DER that {0} other bytes follow")]
    TrailingBytes(usize),
    /// DER that ends too early.
    #[error("DER that ends after {present} of {declared} bytes")]
    Truncated {
        /// Bytes that are there.
        present: usize,
        /// Bytes that the first element says it has.
        declared: usize,
    },
    /// A Java key store.
    #[error("a Java key store; `keytool -importkeystore -deststoretype pkcs12` converts it")]
    JavaKeyStore,
    /// None of all that.
    #[error("{0} bytes that are neither text with a BEGIN line nor DER of a kind known here")]
    Unknown(usize),
}

impl Format {
    /// Tells the format of a file.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, FormatError> {
        let whole = der::first(bytes).and_then(|(element, rest)| Some((Self::of_element(element)?, rest)));
        if let Some((format, rest)) = whole {
            return match rest.trim_ascii_start() {
                [] => Ok(format),
                _ if format == Self::Certificate => Ok(format),
                rest => Err(FormatError::TrailingBytes(rest.len())),
            };
        }
        if pem::is_pem(bytes) {
            return Ok(Self::Pem);
        }
        Err(match (bytes, der::declared_length(bytes)) {
            _ if bytes.trim_ascii().is_empty() => FormatError::Empty,
            ([SEQUENCE, 0x80, ..], _) => FormatError::IndefiniteLength,
            ([0xfe, 0xed, 0xfe, 0xed, ..] | [0xce, 0xce, 0xce, 0xce, ..], _) => FormatError::JavaKeyStore,
            ([SEQUENCE, 0x81..=0x84, ..], Some(declared)) if declared > bytes.len() => FormatError::Truncated {
                present: bytes.len(),
                declared,
            },
            _ => FormatError::Unknown(bytes.len()),
        })
    }

    /// Tells the format of one DER element by the first elements inside it.
    fn of_element(element: Element<'_>) -> Option<Self> {
        const DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07";
        if element.tag != SEQUENCE {
            return None;
        }
        let mut inside = Elements::of(element.contents);
        let (first, _) = der::first(element.contents)?;
        inside.expect(first.tag)?;
        if first.tag == OBJECT_IDENTIFIER {
            return Some(Self::Pkcs7);
        }
        let rest: Vec<u8> = inside.all()?.iter().map(|element| element.tag).collect();
        match (first.tag, rest.as_slice()) {
            (SEQUENCE, [SEQUENCE, BIT_STRING]) => Some(Self::Certificate),
            (SEQUENCE, [OCTET_STRING]) => Some(Self::EncryptedKey),
            (INTEGER, [INTEGER | OCTET_STRING, ..]) => Some(Self::Key),
            (INTEGER, [SEQUENCE, ..]) => {
                // PKCS#8 names a key algorithm there, PKCS#12 a content type.
                let mut inside = Elements::of(element.contents);
                inside.expect(INTEGER)?;
                let name = inside.enter(SEQUENCE)?.expect(OBJECT_IDENTIFIER)?;
                Some(if name.contents.starts_with(DATA) {
                    Self::Pkcs12
                } else {
                    Self::Key
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::certs::testing::fixture;

    #[test]
    fn a_format_is_told_from_the_bytes() {
        let der = |name| pem::blocks(&fixture(name)).unwrap().pop().unwrap().into_der();
        for (bytes, format) in [
            (fixture("ec.sec1.pem"), Format::Pem),
            (
                b"\xef\xbb\xbf\n  text\n-----BEGIN CERTIFICATE-----\n".to_vec(),
                Format::Pem,
            ),
            (
                b"0 s:CN=first of s_client -showcerts\n-----BEGIN CERTIFICATE-----\n".to_vec(),
                Format::Pem,
            ),
            (fixture("ec.p7b"), Format::Pkcs7),
            (fixture("ec.legacy.pfx"), Format::Pkcs12),
            (fixture("ec.modern.pfx"), Format::Pkcs12),
            (der("ec.test.pem"), Format::Certificate),
            (der("ec.pkcs8.pem"), Format::Key),
            (der("ec.sec1.pem"), Format::Key),
            (der("rsa.pkcs1.pem"), Format::Key),
            (der("ec.aes.pem"), Format::EncryptedKey),
            ([der("ec.test.pem"), b"\r\n".to_vec()].concat(), Format::Certificate),
            ([der("ec.test.pem"), der("ca.pem")].concat(), Format::Certificate),
        ] {
            assert_eq!(Format::of(&bytes), Ok(format), "{bytes:02x?}");
        }
    }

    #[test]
    fn a_file_of_no_format_is_told_apart_by_its_reason() {
        let der = pem::blocks(&fixture("ec.test.pem")).unwrap().pop().unwrap().into_der();
        for (bytes, error) in [
            (&b""[..], FormatError::Empty),
            (b" \n", FormatError::Empty),
            (b"\x30\x80\x06\x09\x00\x00", FormatError::IndefiniteLength),
            (
                &der[..100],
                FormatError::Truncated {
                    present: 100,
                    declared: der.len(),
                },
            ),
            (b"\xfe\xed\xfe\xed\x00\x00\x00\x02", FormatError::JavaKeyStore),
            (b"hello", FormatError::Unknown(5)),
        ] {
            assert_eq!(Format::of(bytes), Err(error), "{bytes:02x?}");
        }
        let key = pem::blocks(&fixture("ec.pkcs8.pem")).unwrap().pop().unwrap().into_der();
        assert_eq!(
            Format::of(&[key, b"more".to_vec()].concat()),
            Err(FormatError::TrailingBytes(4))
        );
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_format_or_a_reason(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Format::of(&bytes);
        }
    }
}
