//! Adds up the key derivation that a PKCS#12 file (RFC 7292) asks for, before p12-keystore does any of it.
//!
//! p12-keystore refuses a single count above a million, but a file may hold ten thousand keys, each with its own
//! count. Those in plain sight are added up first; where they fit the limit, the encrypted safes are opened to see
//! the keys inside those.

use super::der::{
    CONTEXT_0, CONTEXT_0_PRIMITIVE, Element, Elements, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE,
};
use super::password::Password;
use super::pbe::{Scheme, SchemeError};
use super::work::{TooMuchWork, Work};

/// data, 1.2.840.113549.1.7.1
const DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
/// encryptedData, 1.2.840.113549.1.7.6
const ENCRYPTED_DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x06";
/// pkcs8ShroudedKeyBag, 1.2.840.113549.1.12.10.1.2
const SHROUDED_KEY_BAG: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x02";
/// secretBag, 1.2.840.113549.1.12.10.1.5
const SECRET_BAG: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x05";

/// Why a PKCS#12 file is not worth opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unopenable {
    /// It is not the DER of a PFX.
    Malformed,
    /// It asks for too much or for an unknown algorithm.
    Scheme(SchemeError),
    /// A safe does not open with the password.
    WrongPassword,
}

impl From<SchemeError> for Unopenable {
    fn from(error: SchemeError) -> Self {
        Self::Scheme(error)
    }
}

impl From<TooMuchWork> for Unopenable {
    fn from(error: TooMuchWork) -> Self {
        Self::Scheme(error.into())
    }
}

/// Adds to `work` everything that opening `pfx` takes, keys inside encrypted safes included.
pub(super) fn weigh(pfx: &[u8], password: &Password, work: &mut Work) -> Result<(), Unopenable> {
    let (safes, mac) = contents(pfx).ok_or(Unopenable::Malformed)?;
    if let Some(mac) = mac {
        work.add(mac_iterations(mac).ok_or(Unopenable::Malformed)?)?;
    }
    let mut encrypted = Vec::new();
    for safe in Elements::inside(safes, SEQUENCE)
        .and_then(Elements::all)
        .ok_or(Unopenable::Malformed)?
    {
        match safe_contents(safe).ok_or(Unopenable::Malformed)? {
            Safe::Plain(bags) => weigh_bags(bags, work)?,
            Safe::Encrypted { algorithm, ciphertext } => {
                encrypted.push((Scheme::read(algorithm, work)?, ciphertext));
            }
            // p12-keystore refuses it and says so.
            Safe::Other => {}
        }
    }
    for (scheme, ciphertext) in encrypted {
        // Opened here, and again by p12-keystore.
        scheme.weigh(work)?;
        let bags = scheme.decrypt(ciphertext, password).ok_or(Unopenable::WrongPassword)?;
        // One wrong password in 256 leaves a plausible padding.
        if Elements::inside(&bags, SEQUENCE).is_none() {
            return Err(Unopenable::WrongPassword);
        }
        weigh_bags(&bags, work)?;
    }
    Ok(())
}

/// The AuthenticatedSafe and the MacData of a PFX.
fn contents(pfx: &[u8]) -> Option<(&[u8], Option<Element<'_>>)> {
    let mut pfx = Elements::inside(pfx, SEQUENCE)?;
    pfx.expect(INTEGER)?;
    let mut auth_safe = pfx.enter(SEQUENCE)?;
    auth_safe.expect(OBJECT_IDENTIFIER)?;
    let safes = auth_safe.enter(CONTEXT_0)?.expect(OCTET_STRING)?.contents;
    let mac = if pfx.is_empty() {
        None
    } else {
        Some(pfx.expect(SEQUENCE)?)
    };
    pfx.is_empty().then_some((safes, mac))
}

/// The iteration count of a MacData; 1 where it is left out.
fn mac_iterations(mac: Element<'_>) -> Option<u64> {
    let mut mac = Elements::of(mac.contents);
    mac.expect(SEQUENCE)?;
    mac.expect(OCTET_STRING)?;
    if mac.is_empty() {
        Some(1)
    } else {
        unsigned(mac.expect(INTEGER)?)
    }
}

/// The value of a non-negative INTEGER of at most eight octets.
fn unsigned(integer: Element<'_>) -> Option<u64> {
    let octets = integer.contents;
    (octets.len() <= 8 && octets.first()? & 0x80 == 0)
        .then(|| octets.iter().fold(0, |value, octet| value << 8 | u64::from(*octet)))
}

/// One safe of an AuthenticatedSafe.
enum Safe<'a> {
    /// The SafeContents.
    Plain(&'a [u8]),
    /// The SafeContents, encrypted.
    Encrypted { algorithm: &'a [u8], ciphertext: &'a [u8] },
    /// Encrypted for the owner of a key, or something else.
    Other,
}

fn safe_contents(safe: Element<'_>) -> Option<Safe<'_>> {
    let mut safe = Elements::of(safe.contents);
    let content_type = safe.expect(OBJECT_IDENTIFIER)?.contents;
    let mut content = safe.enter(CONTEXT_0)?;
    if content_type == DATA {
        Some(Safe::Plain(content.expect(OCTET_STRING)?.contents))
    } else if content_type == ENCRYPTED_DATA {
        let mut encrypted_data = content.enter(SEQUENCE)?;
        encrypted_data.expect(INTEGER)?;
        let mut info = encrypted_data.enter(SEQUENCE)?;
        info.expect(OBJECT_IDENTIFIER)?;
        let algorithm = info.expect(SEQUENCE)?.encoding;
        let Some(ciphertext) = info.expect(CONTEXT_0_PRIMITIVE) else {
            return info.is_empty().then_some(Safe::Other);
        };
        Some(Safe::Encrypted {
            algorithm,
            ciphertext: ciphertext.contents,
        })
    } else {
        Some(Safe::Other)
    }
}

/// Adds what the keys and secrets among `bags`, a SafeContents, ask for.
fn weigh_bags(bags: &[u8], work: &mut Work) -> Result<(), Unopenable> {
    for bag in Elements::inside(bags, SEQUENCE)
        .and_then(Elements::all)
        .ok_or(Unopenable::Malformed)?
    {
        if let Some(algorithm) = bag_algorithm(bag).ok_or(Unopenable::Malformed)? {
            Scheme::read(algorithm, work)?;
        }
    }
    Ok(())
}

/// The AlgorithmIdentifier that a SafeBag is encrypted with, if it is encrypted on its own.
fn bag_algorithm(bag: Element<'_>) -> Option<Option<&[u8]>> {
    let mut bag = Elements::of(bag.contents);
    let bag_type = bag.expect(OBJECT_IDENTIFIER)?.contents;
    let mut value = bag.enter(CONTEXT_0)?;
    let mut info = if bag_type == SHROUDED_KEY_BAG {
        value.enter(SEQUENCE)?
    } else if bag_type == SECRET_BAG {
        let mut secret = value.enter(SEQUENCE)?;
        secret.expect(OBJECT_IDENTIFIER)?;
        Elements::inside(secret.enter(CONTEXT_0)?.expect(OCTET_STRING)?.contents, SEQUENCE)?
    } else {
        return Some(None);
    };
    Some(Some(info.expect(SEQUENCE)?.encoding))
}
