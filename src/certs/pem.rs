//! PEM (RFC 7468) as it is found: text around the blocks, any line ends, blocks glued together, OpenSSL's own labels.
//!
//! A scanner of our own finds the blocks, because rustls-pemfile wants each BEGIN on a line of its own, knows only
//! some labels and skips what it does not know; it then decodes each block under the label it knows for that kind of
//! contents. rustls-pemfile is unmaintained (RUSTSEC-2025-0134), a thin wrapper over `rustls_pki_types::pem`:
//! accepted, and kept to this file, so that swapping it for what it wraps is a change of `decode` alone.

use rustls_pemfile::Item;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::der;
use super::key::PrivateKey;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// One block that matters here.
#[derive(Debug)]
pub(super) enum Block {
    /// CERTIFICATE, X509 CERTIFICATE or TRUSTED CERTIFICATE.
    Certificate(CertificateDer<'static>),
    /// ENCRYPTED PRIVATE KEY: the DER of an EncryptedPrivateKeyInfo.
    EncryptedKey(Vec<u8>),
    /// PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY.
    Key(PrivateKey),
    /// X509 CRL.
    RevocationList(Vec<u8>),
    /// Any other block, by its label.
    Other(String),
    /// PKCS7 or CMS: the DER of a ContentInfo.
    Pkcs7(Vec<u8>),
    /// CERTIFICATE PROPERTIES (draft-ietf-tls-trust-anchor-ids): what it says of the chain that follows, unread.
    Properties(Vec<u8>),
    /// A key in OpenSSL's traditional encryption (RFC 1421 headers), which is not read.
    TraditionalKey,
}

/// Why a PEM file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// The last block has no end.
    #[error(
        "PEM that ends inside a block: block {position} ({label}) has no END line; the file may still be being written"
    )]
    EndsInside {
        /// Which block, counted from 1.
        position: usize,
        /// The label of its BEGIN line.
        label: String,
    },
    /// What is between BEGIN and END is not base64.
    #[error("PEM whose block {position} ({label}) is not valid base64")]
    NotBase64 {
        /// Which block, counted from 1.
        position: usize,
        /// The label of its BEGIN line.
        label: String,
    },
    /// The END line names another label, or another block begins first.
    #[error("PEM whose block {position} ({label}) is not ended by its own END line")]
    WrongEnd {
        /// Which block, counted from 1.
        position: usize,
        /// The label of its BEGIN line.
        label: String,
    },
}

/// Whether there is the start of a PEM block in `bytes`.
pub(super) fn is_pem(bytes: &[u8]) -> bool {
    match utf_16(bytes) {
        Some(text) => find(&text, BEGIN).is_some(),
        None => find(bytes, BEGIN).is_some(),
    }
}

/// Every block of `bytes`, in order. Certificates and keys are decoded from base64, not yet read.
pub(super) fn blocks(bytes: &[u8]) -> Result<Vec<Block>, PemError> {
    match utf_16(bytes) {
        Some(text) => scan(&text),
        None => scan(bytes),
    }
}

/// `bytes` in UTF-8 where they are UTF-16, which is what Windows PowerShell writes where a command's output goes to a
/// file.
fn utf_16(bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let unit: fn([u8; 2]) -> u16 = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => return None,
    };
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let text = char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect::<String>();
    Some(Zeroizing::new(text.into_bytes()))
}

fn scan(mut text: &[u8]) -> Result<Vec<Block>, PemError> {
    let mut blocks = Vec::new();
    while let Some(begin) = find(text, BEGIN) {
        text = &text[begin + BEGIN.len()..];
        let position = blocks.len() + 1;
        let line = text
            .split(|byte| matches!(byte, b'\n' | b'\r'))
            .next()
            .unwrap_or_default();
        let Some(label) = find(line, DASHES).map(|end| &line[..end]) else {
            if line.len() == text.len() {
                let label = "cut off".to_owned();
                return Err(PemError::EndsInside { position, label });
            }
            // Text that mentions a BEGIN line and is none.
            continue;
        };
        if !is_label(label) {
            continue;
        }
        let (body, rest) = enclosed(&text[label.len() + DASHES.len()..], label);
        let label = String::from_utf8_lossy(label).into_owned();
        let body = match body {
            Body::Whole(body) => body,
            Body::CutOff => return Err(PemError::EndsInside { position, label }),
            Body::EndedByAnother => return Err(PemError::WrongEnd { position, label }),
        };
        text = rest;
        blocks.push(block(&label, body).ok_or(PemError::NotBase64 { position, label })?);
    }
    Ok(blocks)
}

/// Whether `label` may stand in a BEGIN line (RFC 7468, section 3: printable ASCII) and so in a message.
fn is_label(label: &[u8]) -> bool {
    label.len() <= MAX_LABEL_BYTES && label.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

/// RFC 7468 sets no limit; the longest labels in use have a third of this.
const MAX_LABEL_BYTES: usize = 64;

/// What follows a BEGIN line.
enum Body<'a> {
    /// Up to the END line of the same label.
    Whole(&'a [u8]),
    /// The file ends first.
    CutOff,
    /// Another block begins or ends first.
    EndedByAnother,
}

/// The body of the block with `label` that `text` is inside of, and what follows the block.
fn enclosed<'a>(text: &'a [u8], label: &[u8]) -> (Body<'a>, &'a [u8]) {
    let Some(end) = find(text, END) else {
        let body = if find(text, BEGIN).is_some() {
            Body::EndedByAnother
        } else {
            Body::CutOff
        };
        return (body, &[]);
    };
    let (body, end_line) = (&text[..end], &text[end + END.len()..]);
    let marker = [label, DASHES].concat();
    if find(body, BEGIN).is_some() {
        (Body::EndedByAnother, &[])
    } else if let Some(rest) = end_line.strip_prefix(marker.as_slice()) {
        (Body::Whole(body), rest)
    } else if marker.starts_with(end_line) {
        (Body::CutOff, &[])
    } else {
        (Body::EndedByAnother, &[])
    }
}

/// The block with `label` around `body`; `None` where the body is not base64.
fn block(label: &str, body: &[u8]) -> Option<Block> {
    match label {
        "CERTIFICATE" | "X509 CERTIFICATE" => decode("CERTIFICATE", body).and_then(certificate),
        // OpenSSL appends trust settings to the certificate (openssl-x509(1), -trustout).
        "TRUSTED CERTIFICATE" => decode("CERTIFICATE", body)
            .and_then(certificate)
            .map(|block| match block {
                Block::Certificate(der) => match der::first(&der) {
                    Some((element, _)) => Block::Certificate(CertificateDer::from(element.encoding.to_vec())),
                    None => Block::Certificate(der),
                },
                other => other,
            }),
        "PKCS7" | "CMS" | "PKCS #7 SIGNED DATA" => match decode("CERTIFICATE", body)? {
            Item::X509Certificate(der) => Some(Block::Pkcs7(der.to_vec())),
            _ => None,
        },
        "X509 CRL" => match decode(label, body)? {
            Item::Crl(der) => Some(Block::RevocationList(der.to_vec())),
            _ => None,
        },
        "EC PRIVATE KEY" | "PRIVATE KEY" | "RSA PRIVATE KEY" if is_traditionally_encrypted(body) => {
            Some(Block::TraditionalKey)
        }
        "EC PRIVATE KEY" | "PRIVATE KEY" | "RSA PRIVATE KEY" => decode(label, body).and_then(key).map(Block::Key),
        // Under this label the decoder runs in constant time.
        "ENCRYPTED PRIVATE KEY" => match decode("PRIVATE KEY", body)? {
            Item::Pkcs8Key(key) => Some(Block::EncryptedKey(key.secret_pkcs8_der().to_vec())),
            _ => None,
        },
        PROPERTIES => Some(properties(body).unwrap_or_else(|| Block::Other(PROPERTIES.to_owned()))),
        other => Some(Block::Other(other.to_owned())),
    }
}

/// The label of certificate properties.
pub(super) const PROPERTIES: &str = "CERTIFICATE PROPERTIES";

/// A list of at most 65,535 bytes after its length (draft-ietf-tls-trust-anchor-ids, CertificatePropertyList).
const MAX_PROPERTIES_BYTES: usize = 2 + 65_535;

/// Properties, which nobody here reads: whatever is wrong with them makes no file unreadable.
fn properties(body: &[u8]) -> Option<Block> {
    match decode("CERTIFICATE", body)? {
        Item::X509Certificate(list) if list.len() <= MAX_PROPERTIES_BYTES => Some(Block::Properties(list.to_vec())),
        _ => None,
    }
}

/// Decodes `body` as the one block of a file, under a label that rustls-pemfile knows.
fn decode(label: &str, body: &[u8]) -> Option<Item> {
    let mut pem = Zeroizing::new(Vec::with_capacity(body.len() + 2 * label.len() + 40));
    pem.extend([BEGIN, label.as_bytes(), DASHES, b"\n"].concat());
    // No colon occurs in base64: a line with one is an RFC 1421 header.
    for line in body
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .filter(|line| !line.contains(&b':'))
    {
        pem.extend_from_slice(line);
    }
    pem.extend([b"\n", END, label.as_bytes(), DASHES, b"\n"].concat());
    match rustls_pemfile::read_one_from_slice(&pem) {
        Ok(Some((item, _))) => Some(item),
        Ok(None) | Err(_) => None,
    }
}

fn certificate(item: Item) -> Option<Block> {
    match item {
        Item::X509Certificate(der) => Some(Block::Certificate(der)),
        _ => None,
    }
}

fn key(item: Item) -> Option<PrivateKey> {
    let key = match item {
        Item::Pkcs1Key(key) => PrivateKeyDer::from(key),
        Item::Pkcs8Key(key) => PrivateKeyDer::from(key),
        Item::Sec1Key(key) => PrivateKeyDer::from(key),
        _ => return None,
    };
    Some(PrivateKey::from(key))
}

/// Whether the RFC 1421 headers say that the block is encrypted.
fn is_traditionally_encrypted(body: &[u8]) -> bool {
    find(body, b"Proc-Type:").is_some() && find(body, b"ENCRYPTED").is_some()
}

/// Where `needle` first occurs in `haystack`.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    loop {
        let candidate = from + haystack.get(from..)?.iter().position(|byte| *byte == first)?;
        if haystack[candidate..].starts_with(needle) {
            return Some(candidate);
        }
        from = candidate + 1;
    }
}

#[cfg(test)]
impl Block {
    /// The DER inside, for tests of other files.
    pub(super) fn into_der(self) -> Vec<u8> {
        match self {
            Self::Certificate(der) => der.to_vec(),
            Self::EncryptedKey(der) | Self::Pkcs7(der) | Self::Properties(der) | Self::RevocationList(der) => der,
            Self::Key(key) => key.der().secret_der().to_vec(),
            Self::Other(_) | Self::TraditionalKey => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::certs::testing::fixture;

    /// The kinds of the blocks of `pem`.
    fn kinds(pem: &[u8]) -> Vec<String> {
        let kind = |block| match block {
            Block::Certificate(_) => "certificate".to_owned(),
            Block::EncryptedKey(_) => "encrypted key".to_owned(),
            Block::Key(_) => "key".to_owned(),
            Block::Other(label) => label,
            Block::Pkcs7(_) => "pkcs7".to_owned(),
            Block::Properties(_) => "properties".to_owned(),
            Block::RevocationList(_) => "CRL".to_owned(),
            Block::TraditionalKey => "traditional key".to_owned(),
        };
        blocks(pem).unwrap().into_iter().map(kind).collect()
    }

    fn text(name: &str) -> String {
        String::from_utf8(fixture(name)).unwrap()
    }

    #[test]
    fn every_block_is_told_by_its_label() {
        assert_eq!(kinds(&fixture("ec.test.pem")), ["certificate"]);
        assert_eq!(kinds(&fixture("ec.trusted.pem")), ["certificate"]);
        assert_eq!(kinds(&fixture("ec.p7b.pem")), ["pkcs7"]);
        assert_eq!(kinds(&fixture("ec.sec1.pem")), ["EC PARAMETERS", "key"]);
        assert_eq!(kinds(&fixture("rsa.pkcs1.pem")), ["key"]);
        assert_eq!(kinds(&fixture("ec.pkcs8.pem")), ["key"]);
        assert_eq!(kinds(&fixture("ec.aes.pem")), ["encrypted key"]);
        assert_eq!(kinds(&fixture("ec.traditional.pem")), ["traditional key"]);
        assert_eq!(
            kinds(b"-----BEGIN DH PARAMETERS-----\nMAA=\n-----END DH PARAMETERS-----\n"),
            ["DH PARAMETERS"]
        );
    }

    #[test]
    fn the_settings_behind_a_trusted_certificate_are_cut_off() {
        let der = |name| blocks(&fixture(name)).unwrap().pop().unwrap().into_der();
        assert_eq!(der("ec.trusted.pem"), der("ec.test.pem"));
    }

    #[test]
    fn text_around_line_ends_indentation_and_glue_do_not_matter() {
        let (leaf, ca) = (text("ec.test.pem"), text("ca.pem"));
        let der: Vec<_> = [&leaf, &ca]
            .map(|pem| blocks(pem.as_bytes()).unwrap().pop().unwrap().into_der())
            .into();
        let utf_16 = |text: &str| -> Vec<u8> {
            [0xfeff]
                .into_iter()
                .chain(text.encode_utf16())
                .flat_map(u16::to_le_bytes)
                .collect()
        };
        for pem in [
            format!("{leaf}{ca}"),
            format!("{}{}", leaf.trim_end(), ca),
            format!("\u{feff}\n\n  {leaf}{ca}"),
            format!("subject=/CN=x\nissuer: y\n{leaf}-- \ntext: more - text\n{ca}\ntrailer"),
            format!("{leaf}{ca}").replace('\n', "\r\n"),
            format!("{leaf}{ca}").replace('\n', "\r"),
            format!("{leaf}{ca}").replace('\n', "\n    "),
            format!("{leaf}{ca}").trim_end().to_owned(),
            format!("{leaf}{ca}")
                .replace("BEGIN CERTIFICATE", "BEGIN X509 CERTIFICATE")
                .replace("END CERT", "END X509 CERT"),
            leaf.replacen("-----\n", "-----\nComment: by hand\n\n", 1) + &ca,
        ] {
            for bytes in [pem.clone().into_bytes(), utf_16(&pem)] {
                let found: Vec<_> = blocks(&bytes).unwrap().into_iter().map(Block::into_der).collect();
                assert_eq!(found, der, "{pem}");
            }
        }
    }

    #[test]
    fn a_file_cut_off_anywhere_inside_its_last_block_is_torn() {
        let (leaf, ca) = (text("ec.test.pem"), text("ca.pem"));
        let whole = format!("{leaf}{}", ca.trim_end());
        for end in leaf.len() + BEGIN.len()..whole.len() {
            let error = blocks(&whole.as_bytes()[..end]).unwrap_err();
            assert!(
                matches!(error, PemError::EndsInside { position: 2, .. }),
                "{error} at {end}"
            );
        }
        assert_eq!(kinds(whole.as_bytes()), ["certificate"; 2]);
    }

    #[test]
    fn a_block_without_its_own_end_is_refused() {
        let ca = text("ca.pem");
        let torn = format!("{}\n{ca}", &ca[..200]);
        assert_eq!(
            blocks(torn.as_bytes()).unwrap_err(),
            PemError::WrongEnd {
                position: 1,
                label: "CERTIFICATE".into()
            }
        );
        let other = ca.replace("END CERTIFICATE", "END X509 CRL");
        assert_eq!(
            blocks(other.as_bytes()).unwrap_err(),
            PemError::WrongEnd {
                position: 1,
                label: "CERTIFICATE".into()
            }
        );
    }

    #[test]
    fn what_is_not_base64_is_refused_without_showing_it() {
        let key = text("ec.pkcs8.pem");
        let broken = key.replacen("MI", "M!", 1);
        let error = blocks(broken.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "PEM whose block 1 (PRIVATE KEY) is not valid base64");
    }

    #[test]
    fn certificate_properties_are_kept_as_they_are_and_never_an_error() {
        let block = |body: &str| format!("-----BEGIN {PROPERTIES}-----\n{body}\n-----END {PROPERTIES}-----\n");
        let found = |body: &str| {
            let mut found = blocks((block(body) + &text("ca.pem")).as_bytes()).unwrap();
            assert!(matches!(found.pop(), Some(Block::Certificate(_))));
            found.pop().unwrap()
        };
        assert_eq!(found("AAQAAAAA").into_der(), [0, 4, 0, 0, 0, 0]);
        assert_eq!(found("bm90aGluZyBrbm93bg==").into_der(), b"nothing known");
        let too_long = "AAAA".repeat(MAX_PROPERTIES_BYTES / 3 + 1);
        for body in ["no base64 at all!", &too_long] {
            assert!(
                matches!(found(body), Block::Other(label) if label == PROPERTIES),
                "{body:.20}"
            );
        }
    }

    #[test]
    fn text_without_blocks_has_none() {
        assert!(blocks(b"").unwrap().is_empty());
        assert!(blocks(b"the line -----BEGIN so and so\nis none").unwrap().is_empty());
    }

    #[test]
    fn a_label_that_is_no_short_printable_ascii_makes_no_block() {
        let block = |label: &str| format!("-----BEGIN {label}-----\nMAA=\n-----END {label}-----\n");
        let longest = "X".repeat(MAX_LABEL_BYTES);
        for label in ["\x1b[2J", "a\tb", "\u{202e}", "\u{9b}", &format!("{longest}X")] {
            let pem = block(label) + &text("ca.pem");
            assert_eq!(kinds(pem.as_bytes()), ["certificate"], "{label:?}");
        }
        assert_eq!(kinds(block(&longest).as_bytes()), [longest]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = blocks(&bytes);
        }

        #[test]
        fn a_damaged_file_is_read_without_a_panic(at in 0_usize..1200, byte: u8, cut in 0_usize..1200) {
            let mut bytes = [fixture("ec.sec1.pem"), fixture("ec.trusted.pem")].concat();
            let length = bytes.len();
            bytes[at % length] = byte;
            let _ = blocks(&bytes);
            let _ = blocks(&bytes[..cut % length]);
        }
    }
}
