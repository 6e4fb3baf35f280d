//! Walks through DER element by element. The reader is the one p12-keystore reads with, so both see the same file.

use pkcs8::der::{Decode, Reader, SliceReader, asn1::AnyRef};

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
/// `[0]`, constructed: an explicit tag, or an implicit one around a SET or SEQUENCE.
pub(super) const CONTEXT_0: u8 = 0xa0;
/// `[0] IMPLICIT OCTET STRING`.
pub(super) const CONTEXT_0_PRIMITIVE: u8 = 0x80;

/// One tag, length and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element<'a> {
    /// The identifier octet; multi-byte tags do not occur in the formats read here.
    pub(super) tag: u8,
    /// The value.
    pub(super) contents: &'a [u8],
    /// Tag, length and value.
    pub(super) encoding: &'a [u8],
}

/// Elements one after the other, as in a SEQUENCE.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    /// The elements that `bytes` consist of.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The elements inside the one element `bytes`, which has `tag`; `None` for anything else.
    pub(super) fn inside(bytes: &'a [u8], tag: u8) -> Option<Self> {
        let mut outer = Self::of(bytes);
        let element = outer.expect(tag)?;
        outer.is_empty().then_some(Self::of(element.contents))
    }

    /// The next element, if it has `tag`.
    pub(super) fn expect(&mut self, tag: u8) -> Option<Element<'a>> {
        let (element, rest) = first(self.rest)?;
        (element.tag == tag).then(|| {
            self.rest = rest;
            element
        })
    }

    /// The elements inside the next element, if it has `tag`.
    pub(super) fn enter(&mut self, tag: u8) -> Option<Self> {
        self.expect(tag).map(|element| Self::of(element.contents))
    }

    /// Every element that is left; `None` where the bytes are no whole elements.
    pub(super) fn all(mut self) -> Option<Vec<Element<'a>>> {
        let mut elements = Vec::new();
        while !self.is_empty() {
            let (element, rest) = first(self.rest)?;
            elements.push(element);
            self.rest = rest;
        }
        Some(elements)
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

/// The first element of `bytes` and what follows it.
pub(super) fn first(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let encoding = SliceReader::new(bytes).ok()?.tlv_bytes().ok()?;
    let contents = AnyRef::from_der(encoding).ok()?.value();
    let (tag, rest) = (*encoding.first()?, bytes.get(encoding.len()..)?);
    Some((
        Element {
            tag,
            contents,
            encoding,
        },
        rest,
    ))
}

/// The first element of `bytes` without what follows it; `bytes` where they do not start with one.
pub(super) fn value(bytes: &[u8]) -> &[u8] {
    first(bytes).map_or(bytes, |(element, _)| element.encoding)
}

/// How long the element at the start of `bytes` says it is, header included; `None` where that cannot be told.
pub(super) fn declared_length(bytes: &[u8]) -> Option<usize> {
    match *bytes.get(1)? {
        short @ ..=0x7f => Some(2 + usize::from(short)),
        long @ 0x81..=0x84 => {
            let octets = bytes.get(2..2 + usize::from(long - 0x80))?;
            let length = octets
                .iter()
                .fold(0_usize, |length, octet| length << 8 | usize::from(*octet));
            length.checked_add(2 + octets.len())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_walked_in_order() {
        let bytes = [SEQUENCE, 6, INTEGER, 1, 7, OCTET_STRING, 1, 9];
        let mut elements = Elements::inside(&bytes, SEQUENCE).unwrap();
        assert_eq!(elements.expect(OCTET_STRING), None);
        assert_eq!(elements.expect(INTEGER).unwrap().contents, [7]);
        assert_eq!(elements.expect(OCTET_STRING).unwrap().encoding, [OCTET_STRING, 1, 9]);
        assert!(elements.is_empty());
    }

    #[test]
    fn what_is_cut_off_or_not_der_is_no_element() {
        for bytes in [
            &[][..],
            &[SEQUENCE],
            &[SEQUENCE, 2, INTEGER],
            &[SEQUENCE, 0x80, 0, 0],
            &[SEQUENCE, 0x81, 1, 0],
        ] {
            assert_eq!(first(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn an_element_tells_its_length_before_it_is_all_there() {
        assert_eq!(declared_length(&[SEQUENCE, 5]), Some(7));
        assert_eq!(declared_length(&[SEQUENCE, 0x82, 1, 0]), Some(260));
        assert_eq!(declared_length(&[SEQUENCE, 0x80]), None);
        assert_eq!(declared_length(&[SEQUENCE, 0x82, 1]), None);
    }
}
