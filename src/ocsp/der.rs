//! The little DER (X.690) that OCSP takes: elements read one after the other, and written.

use x509_parser::asn1_rs::{Any, FromDer};

use super::Error;

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;

/// `[number]`, constructed: an explicit tag, or an implicit one around a SEQUENCE.
pub(super) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// `[number] IMPLICIT` around something primitive.
pub(super) const fn context_primitive(number: u8) -> u8 {
    0x80 | number
}

/// One tag, length and value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    /// The value.
    pub(super) content: &'a [u8],
    /// Tag, length and value.
    pub(super) whole: &'a [u8],
}

/// Elements one after the other, as in a SEQUENCE. Each is asked for by its tag and a name for the error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    /// The elements that `bytes` consist of.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next element, which has `tag`.
    pub(super) fn expect(&mut self, tag: u8, name: &'static str) -> Result<Element<'a>, Error> {
        self.optional(tag, name)?.ok_or(Error::Malformed(name))
    }

    /// The octets of the next element, a BIT STRING of whole octets such as a signature.
    pub(super) fn octets(&mut self, name: &'static str) -> Result<&'a [u8], Error> {
        match self.expect(BIT_STRING, name)?.content {
            // How many bits of the last octet are unused.
            [0, octets @ ..] => Ok(octets),
            _ => Err(Error::Malformed(name)),
        }
    }

    /// The elements inside the next element, which has `tag`.
    pub(super) fn enter(&mut self, tag: u8, name: &'static str) -> Result<Self, Error> {
        self.expect(tag, name).map(|element| Self::of(element.content))
    }

    /// The next element, if it has `tag`.
    pub(super) fn optional(&mut self, tag: u8, name: &'static str) -> Result<Option<Element<'a>>, Error> {
        if self.rest.first() != Some(&tag) {
            return Ok(None);
        }
        let (rest, any) = Any::from_der(self.rest).map_err(|_| Error::Malformed(name))?;
        // X.690 section 10.1: the length in the fewest octets.
        let length = header_length(any.data.len()) + any.data.len();
        let whole = self.rest.get(..length).ok_or(Error::Malformed(name))?;
        if length + rest.len() != self.rest.len() {
            return Err(Error::Malformed(name));
        }
        self.rest = rest;
        Ok(Some(Element {
            content: any.data,
            whole,
        }))
    }

    /// The one element inside the next one, if that has the explicit tag `tag`.
    pub(super) fn optional_inside(
        &mut self,
        tag: u8,
        inner: u8,
        name: &'static str,
    ) -> Result<Option<Element<'a>>, Error> {
        let Some(outer) = self.optional(tag, name)? else {
            return Ok(None);
        };
        let mut elements = Self::of(outer.content);
        let element = elements.expect(inner, name)?;
        elements.end(name)?;
        Ok(Some(element))
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// That nothing is left.
    pub(super) fn end(&self, name: &'static str) -> Result<(), Error> {
        match self.is_empty() {
            true => Ok(()),
            false => Err(Error::Malformed(name)),
        }
    }
}

/// How many octets tag and length take before `length` octets of value.
fn header_length(length: usize) -> usize {
    match length {
        0..=0x7f => 2,
        _ => 2 + length_octets(length).len(),
    }
}

/// `length` big-endian, without leading zeros.
fn length_octets(length: usize) -> Vec<u8> {
    let octets = length.to_be_bytes();
    octets.into_iter().skip_while(|octet| *octet == 0).collect()
}

/// One element around `parts`.
pub(super) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length = parts.iter().map(|part| part.len()).sum();
    let mut der = vec![tag];
    match u8::try_from(length) {
        Ok(short @ 0..=0x7f) => der.push(short),
        _ => {
            let octets = length_octets(length);
            // At most eight octets.
            der.push(0x80 | octets.len() as u8);
            der.extend(octets);
        }
    }
    for part in parts {
        der.extend_from_slice(part);
    }
    der
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_whatever_its_length() {
        for length in [0, 127, 128, 255, 256, 70_000] {
            let content = vec![7; length];
            let der = element(OCTET_STRING, &[&content]);
            let mut elements = Elements::of(&der);
            let read = elements.expect(OCTET_STRING, "x").unwrap();
            assert_eq!((read.content, read.whole), (&content[..], &der[..]));
            elements.end("x").unwrap();
        }
    }

    #[test]
    fn a_length_in_more_octets_than_it_needs_is_refused() {
        for der in [
            &b"\x04\x81\x01\x07"[..],
            b"\x04\x82\x00\x01\x07",
            b"\x04\x80\x07\x00\x00",
        ] {
            assert!(Elements::of(der).expect(OCTET_STRING, "x").is_err(), "{der:02x?}");
        }
    }

    #[test]
    fn another_tag_is_left_for_whoever_wants_it() {
        let mut elements = Elements::of(b"\x02\x01\x07");
        assert!(elements.optional(OCTET_STRING, "x").unwrap().is_none());
        assert!(elements.expect(OCTET_STRING, "x").is_err());
        assert_eq!(elements.expect(INTEGER, "x").unwrap().content, [7]);
        assert!(elements.expect(INTEGER, "x").is_err());
    }
}
