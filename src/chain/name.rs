//! Distinguished names: compared as RFC 5280 section 7.1 asks, shown as RFC 4514 asks.
//!
//! Most clients compare names byte for byte; [`Name::same_encoding`] tells whether they will see two equal names as
//! equal.

use std::fmt;
use std::hash::{Hash, Hasher};

use x509_parser::asn1_rs::{Any, FromDer, Tag};
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::x509::{AttributeTypeAndValue, RelativeDistinguishedName, X509Name};

use super::Sha256;

/// A distinguished name. Equality ignores case, outer and repeated inner white space and the string type of attribute
/// values.
///
/// Unicode normalisation (NFKC, RFC 4518 section 2.3) is left out: no public CA issues names that differ only in it,
/// and a name that needs it is merely not found, never confused with another.
#[derive(Clone)]
pub struct Name {
    der: Box<[u8]>,
    /// One digest for each relative distinguished name, the same for those that RFC 5280 section 7.1 calls equal.
    parts: Box<[Sha256]>,
    /// The digest of all parts.
    whole: Sha256,
}

impl Name {
    /// Takes the name apart once, so that comparing it later is comparing two digests.
    pub(crate) fn new(name: &X509Name<'_>) -> Self {
        let parts: Box<[Sha256]> = name.iter_rdn().map(comparable_part).collect();
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.0).collect();
        Self {
            der: name.as_raw().into(),
            whole: Sha256::of(&bytes),
            parts,
        }
    }

    /// The DER of the `Name`.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// A digest that equal names share.
    pub(super) fn digest(&self) -> Sha256 {
        self.whole
    }

    /// Whether clients that compare names byte for byte see the two as equal.
    pub fn same_encoding(&self, other: &Self) -> bool {
        self.der == other.der
    }

    /// The common name alone, as `Display` writes it; the whole name where there is none.
    pub fn brief(&self) -> String {
        let name = X509Name::from_der(&self.der).ok();
        let common_name =
            name.and_then(|(_, name)| name.iter_common_name().last().map(|one| Attribute(one).to_string()));
        common_name.unwrap_or_else(|| self.to_string())
    }

    /// Whether the name is an empty sequence.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether `self` equals `base` or lies below it: the directoryName constraint of RFC 5280 section 4.2.1.10.
    pub(super) fn is_within(&self, base: &Self) -> bool {
        self.parts.starts_with(&base.parts)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.whole == other.whole
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.whole.hash(state);
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// RFC 4514: the most specific part first, special and control characters escaped, so that a name never breaks a log
/// line.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok((_, name)) = X509Name::from_der(&self.der) else {
            return f.write_str("(unreadable name)");
        };
        let parts: Vec<_> = name.iter_rdn().collect();
        if parts.is_empty() {
            return f.write_str("(empty name)");
        }
        for (position, part) in parts.iter().rev().enumerate() {
            if position > 0 {
                f.write_str(",")?;
            }
            for (position, attribute) in part.iter().enumerate() {
                if position > 0 {
                    f.write_str("+")?;
                }
                write!(f, "{}", Attribute(attribute))?;
            }
        }
        Ok(())
    }
}

struct Attribute<'a>(&'a AttributeTypeAndValue<'a>);

impl fmt::Display for Attribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_attribute(self.0, f)
    }
}

fn show_attribute(attribute: &AttributeTypeAndValue<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match oid2abbrev(attribute.attr_type(), oid_registry()) {
        Ok(abbreviation) => write!(f, "{abbreviation}=")?,
        Err(_) => write!(f, "{}=", attribute.attr_type())?,
    }
    let Some(text) = text_of(attribute.attr_value()) else {
        f.write_str("#")?;
        return attribute
            .attr_value()
            .data
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"));
    };
    let last = text.chars().count().saturating_sub(1);
    for (position, character) in text.chars().enumerate() {
        let at_an_end = position == 0 || position == last;
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => write!(f, "\\{character}")?,
            ' ' if at_an_end => f.write_str("\\ ")?,
            '#' if position == 0 => f.write_str("\\#")?,
            c if c.is_control() => {
                let mut bytes = [0; 4];
                c.encode_utf8(&mut bytes)
                    .bytes()
                    .try_for_each(|byte| write!(f, "\\{byte:02X}"))?;
            }
            c => write!(f, "{c}")?,
        }
    }
    Ok(())
}

fn comparable_part(part: &RelativeDistinguishedName<'_>) -> Sha256 {
    let mut attributes: Vec<Vec<u8>> = part.iter().map(comparable_attribute).collect();
    attributes.sort_unstable();
    Sha256::of(&attributes.concat())
}

/// Type and comparable value, each with its length before it, so that no two attributes run into one another.
fn comparable_attribute(attribute: &AttributeTypeAndValue<'_>) -> Vec<u8> {
    let value = match text_of(attribute.attr_value()) {
        Some(text) => {
            let folded = text.to_lowercase();
            let words: Vec<_> = folded.split_whitespace().collect();
            words.join(" ").into_bytes()
        }
        None => attribute.attr_value().data.to_vec(),
    };
    let oid = attribute.attr_type().as_bytes();
    let mut comparable = Vec::with_capacity(oid.len() + value.len() + 8);
    for part in [oid, &value] {
        comparable.extend_from_slice(&(part.len() as u64).to_be_bytes());
        comparable.extend_from_slice(part);
    }
    comparable
}

/// The characters of a directory string; `None` for any other type and for bytes that are not of the type they claim.
fn text_of(value: &Any<'_>) -> Option<String> {
    let bytes = value.data;
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::VisibleString | Tag::NumericString => {
            std::str::from_utf8(bytes).ok().map(str::to_owned)
        }
        // CAs that wrote TeletexString meant Latin-1, as OpenSSL reads it too.
        Tag::TeletexString => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
        Tag::BmpString => {
            let units = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            bytes
                .len()
                .is_multiple_of(2)
                .then(|| char::decode_utf16(units).collect::<Result<_, _>>().ok())?
        }
        Tag::UniversalString => {
            let units = bytes
                .chunks_exact(4)
                .map(|four| char::from_u32(u32::from_be_bytes([four[0], four[1], four[2], four[3]])));
            bytes.len().is_multiple_of(4).then(|| units.collect())?
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name of one common name, whose value has the string type `tag`.
    fn common_name(tag: u8, value: &[u8]) -> Name {
        name(&[(3, tag, value)])
    }

    /// A name of these attributes: the last number of the type (2.5.4.x), the string type, the value.
    fn name(attributes: &[(u8, u8, &[u8])]) -> Name {
        let tlv = |tag: u8, content: &[u8]| [&[tag, content.len() as u8], content].concat();
        let part = |(kind, tag, value): &(u8, u8, &[u8])| {
            let attribute = [tlv(6, &[0x55, 4, *kind]), tlv(*tag, value)].concat();
            tlv(0x31, &tlv(0x30, &attribute))
        };
        let der = tlv(0x30, &attributes.iter().flat_map(part).collect::<Vec<_>>());
        let (_, name) = X509Name::from_der(&der).unwrap();
        Name::new(&name)
    }

    const UTF8: u8 = 12;
    const PRINTABLE: u8 = 19;
    const BMP: u8 = 30;

    #[test]
    fn case_spaces_and_string_types_do_not_tell_names_apart() {
        let plain = common_name(PRINTABLE, b"Example CA");
        for other in [
            common_name(UTF8, b"Example CA"),
            common_name(PRINTABLE, b"EXAMPLE ca"),
            common_name(UTF8, b"  Example   CA "),
            common_name(
                BMP,
                &"Example CA".bytes().flat_map(|byte| [0, byte]).collect::<Vec<_>>(),
            ),
        ] {
            assert_eq!(plain, other);
            assert!(!plain.same_encoding(&other));
        }
        assert!(plain.same_encoding(&plain.clone()));
    }

    #[test]
    fn other_text_and_unreadable_text_are_other_names() {
        let plain = common_name(UTF8, b"Example CA");
        assert_ne!(plain, common_name(UTF8, b"Example CA 2"));
        assert_ne!(plain, common_name(UTF8, b"Example\xff"));
        assert_ne!(common_name(BMP, b"\x00"), common_name(UTF8, b""));
    }

    #[test]
    fn a_name_shows_as_rfc_4514_text_without_control_characters() {
        assert_eq!(
            common_name(UTF8, b" a,b\n\x1b[31m").to_string(),
            "CN=\\ a\\,b\\0A\\1B[31m"
        );
        assert_eq!(common_name(UTF8, b"\xff").to_string(), "CN=#ff");
    }

    #[test]
    fn a_brief_name_is_the_common_name_or_all_there_is() {
        let organization = (10, UTF8, &b"Example"[..]);
        let whole = name(&[(6, PRINTABLE, b"GB"), organization, (3, UTF8, b"CA 1")]);
        assert_eq!(whole.to_string(), "CN=CA 1,O=Example,C=GB");
        assert_eq!(whole.brief(), "CN=CA 1");
        assert_eq!(name(&[(6, PRINTABLE, b"GB"), organization]).brief(), "O=Example,C=GB");
    }
}
