//! One key of session tickets.
//!
//! A ticket is the name of its key (16 bytes), a random salt (32), and what is sealed under the key that HKDF-SHA256 makes
//! of both, by AES-256-GCM with its tag (16): the second at which it was sealed (8, big-endian), and the session. No two
//! tickets share a key, so there is no limit to how many replicas seal how often, as random nonces under one key would
//! have (2^32, SP 800-38D section 8.3). Whatever is in a ticket and how it is laid out belongs to the purposes below: one
//! of another version has a name that nobody knows.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use rustls::pki_types::UnixTime;
use zeroize::Zeroizing;

use crate::chain::hexadecimal;
use crate::tls::Error;

/// Keeps keys made of the same bytes for something else apart from these.
const PURPOSE: &[u8] = b"fullchain session ticket key file 1";

/// As long as RFC 5077 section 4 recommends, and as other servers have it.
const NAME: usize = 16;
pub(super) const SALT: usize = 32;
const TAG: usize = 16;

/// A key of session tickets.
#[derive(Clone)]
pub struct TicketKey {
    name: [u8; NAME],
    root: Prk,
}

/// What a ticket held.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) sealed_at: UnixTime,
    pub(super) session: Vec<u8>,
}

impl TicketKey {
    /// The key that `bytes`, all of a key file, stand for: the same on every replica that has the file.
    ///
    /// # Errors
    ///
    /// [`Error::TicketKey`] where the cryptographic library fails.
    pub fn of_file(bytes: &[u8]) -> Result<Self, Error> {
        Self::of(extract(PURPOSE, bytes)?)
    }

    /// The key that `root` stands for.
    pub(super) fn of(root: Prk) -> Result<Self, Error> {
        let mut name = [0; NAME];
        let named = root
            .expand(&[b"name"], Length(NAME))
            .and_then(|okm| okm.fill(&mut name));
        named.map_err(|_| Error::TicketKey)?;
        Ok(Self { name, root })
    }

    /// What tells it from others, in hexadecimal: the first 16 bytes of each of its tickets. It tells nothing of the key.
    pub fn id(&self) -> String {
        hexadecimal(&self.name)
    }

    /// `session` as a ticket; `salt` is random.
    pub(super) fn seal(&self, session: &[u8], salt: &[u8; SALT], at: UnixTime) -> Option<Vec<u8>> {
        let mut ticket = Vec::with_capacity(NAME + SALT + 8 + session.len() + TAG);
        ticket.extend(self.name);
        ticket.extend(salt);
        ticket.extend(at.as_secs().to_be_bytes());
        ticket.extend(session);
        let message = ticket.get_mut(NAME + SALT..)?;
        let tag = self
            .once(salt)?
            .seal_in_place_separate_tag(nonce(), Aad::from(self.name), message)
            .ok()?;
        ticket.extend(tag.as_ref());
        Some(ticket)
    }

    /// Whether `ticket` says that it is one of this key. Names are public: nothing is learnt of how long it takes.
    pub(super) fn is_named_by(&self, ticket: &[u8]) -> bool {
        ticket.starts_with(&self.name)
    }

    /// What is in `ticket`, if this key sealed it.
    pub(super) fn open(&self, ticket: &[u8]) -> Option<Opened> {
        let (salt, sealed) = ticket.strip_prefix(&self.name)?.split_first_chunk()?;
        let mut message = Zeroizing::new(sealed.to_vec());
        let message = self
            .once(salt)?
            .open_in_place(nonce(), Aad::from(self.name), &mut message)
            .ok()?;
        let (seconds, session) = message.split_first_chunk()?;
        Some(Opened {
            sealed_at: UnixTime::since_unix_epoch(Duration::from_secs(u64::from_be_bytes(*seconds))),
            session: session.to_vec(),
        })
    }

    /// The key of the one ticket with this salt.
    fn once(&self, salt: &[u8; SALT]) -> Option<LessSafeKey> {
        let key = self.root.expand(&[b"ticket", salt], &AES_256_GCM).map(UnboundKey::from);
        key.ok().map(LessSafeKey::new)
    }
}

/// Every key seals once.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// What keys for `purpose` come from that are made of `material`.
pub(super) fn extract(purpose: &[u8], material: &[u8]) -> Result<Prk, Error> {
    let extracted = Salt::new(HKDF_SHA256, purpose).extract(material);
    // Expanded at once: aws-lc-rs keeps the material itself until then.
    let root = extracted.expand(&[b"root"], HKDF_SHA256).map(Prk::from);
    root.map_err(|_| Error::TicketKey)
}

/// So many bytes of output.
pub(super) struct Length(pub(super) usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// Shows its name alone.
impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TicketKey").field(&self.id()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_780_272_000));

    fn key(byte: u8) -> TicketKey {
        TicketKey::of_file(&[[byte; 40], [!byte; 40]].concat()).unwrap()
    }

    #[test]
    fn what_one_replica_seals_another_opens_that_has_the_same_file() {
        let ticket = key(1).seal(b"session", &[7; SALT], AT).unwrap();
        let expected = Opened {
            sealed_at: AT,
            session: b"session".to_vec(),
        };
        assert_eq!(key(1).open(&ticket), Some(expected));
        assert_eq!(key(2).open(&ticket), None);
        assert_eq!(hexadecimal(&ticket[..NAME]), key(1).id());
        assert_ne!(key(1).id(), key(2).id());
    }

    #[test]
    fn a_ticket_of_another_key_does_not_open_under_this_ones_name() {
        let mut ticket = key(2).seal(b"session", &[7; SALT], AT).unwrap();
        ticket[..NAME].copy_from_slice(&key(1).name);
        assert_eq!(key(1).open(&ticket), None);
    }

    #[test]
    fn the_same_bytes_for_something_else_make_another_key() {
        let bytes = [1; 48];
        let other = TicketKey::of(extract(b"something else", &bytes).unwrap()).unwrap();
        assert_ne!(other.id(), TicketKey::of_file(&bytes).unwrap().id());
    }

    /// Replicas of several versions share tickets: what changes this changes the purpose too.
    #[test]
    fn the_layout_is_the_one_that_other_versions_know() {
        let ticket = key(1).seal(b"session", &[7; SALT], AT).unwrap();
        let expected = [
            "44386eef0053686f0d25ffaba0a2ab72",
            "0707070707070707070707070707070707070707070707070707070707070707",
            "17f982cbd165f325dc3a0dee347106",
            "7c211dfe01d0c67bcb1a152410101311",
        ];
        assert_eq!(hexadecimal(&ticket), expected.concat());
    }

    proptest! {
        #[test]
        fn whatever_else_comes_does_not_open(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let key = key(1);
            prop_assert_eq!(key.open(&bytes), None);
            prop_assert_eq!(key.open(&[&key.name[..], &bytes].concat()), None);
        }

        #[test]
        fn a_ticket_with_another_byte_anywhere_or_cut_anywhere_does_not_open(
            session in prop::collection::vec(any::<u8>(), 0..200),
            place in any::<prop::sample::Index>(),
            change in 1_u8..,
        ) {
            let ticket = key(1).seal(&session, &[7; SALT], AT).unwrap();
            let place = place.index(ticket.len());
            prop_assert_eq!(key(1).open(&ticket[..place]), None);
            let mut changed = ticket;
            changed[place] ^= change;
            prop_assert_eq!(key(1).open(&changed), None);
        }
    }
}
