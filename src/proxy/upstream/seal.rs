//! Text that only those who share a secret can make and read.

use std::fmt::Write as _;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::{hkdf, rand};

use super::settings::Secret;

/// Keeps keys made of the same secret for something else apart from these.
const PURPOSE: &[u8] = b"fullchain sticky cookie 1";

/// Bytes of a random secret: as many as the key has.
const RANDOM_SECRET: usize = 32;

/// Seals and opens short messages. A repeated nonce would only tell that two messages are the same (RFC 8452), so random
/// ones do, however many replicas seal with one secret.
#[derive(Debug)]
pub(super) struct Seal {
    key: LessSafeKey,
}

impl Seal {
    /// A seal made of `secret`, or of one that nobody else has; for `backend` alone, so that what was sealed for another
    /// does not open.
    ///
    /// # Errors
    ///
    /// [`Unspecified`] where the operating system gives no randomness.
    pub(super) fn new(secret: Option<&Secret>, backend: &str) -> Result<Self, Unspecified> {
        let mut random = [0; RANDOM_SECRET];
        let secret = match secret {
            Some(secret) => secret.as_bytes(),
            None => {
                rand::fill(&mut random)?;
                &random
            }
        };
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, PURPOSE);
        let key = salt
            .extract(secret)
            .expand(&[backend.as_bytes()], &AES_256_GCM_SIV)
            .map(UnboundKey::from)?;
        Ok(Self {
            key: LessSafeKey::new(key),
        })
    }

    /// `message` sealed, in hexadecimal digits. `None` where the operating system gives no randomness.
    pub(super) fn seal(&self, message: &[u8]) -> Option<String> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).ok()?;
        let mut sealed = message.to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
            .ok()?;
        let mut text = String::with_capacity(2 * (nonce.len() + sealed.len()));
        for byte in nonce.iter().chain(&sealed) {
            let _ = write!(text, "{byte:02x}");
        }
        Some(text)
    }

    /// The message of `length` bytes that was sealed as `text`, if this seal is on it.
    pub(super) fn open(&self, text: &[u8], length: usize) -> Option<Vec<u8>> {
        if text.len() != 2 * (NONCE_LEN + length + MAX_TAG_LEN) {
            return None;
        }
        let bytes: Option<Vec<u8>> = text.chunks_exact(2).map(byte).collect();
        let bytes = bytes?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let message = self
            .key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), &mut sealed)
            .ok()?;
        Some(message.to_vec())
    }
}

fn byte(digits: &[u8]) -> Option<u8> {
    let digit = |digit: &u8| char::from(*digit).to_digit(16);
    let [high, low] = digits else { return None };
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"server";

    fn shared() -> Option<Secret> {
        Secret::new(b"a secret of all replicas")
    }

    #[test]
    fn what_one_replica_seals_another_opens() {
        let (one, other) = (
            Seal::new(shared().as_ref(), "app").unwrap(),
            Seal::new(shared().as_ref(), "app").unwrap(),
        );
        let text = one.seal(MESSAGE).unwrap();
        assert_eq!(other.open(text.as_bytes(), MESSAGE.len()).as_deref(), Some(MESSAGE));
        assert_ne!(one.seal(MESSAGE).unwrap(), text);
    }

    #[test]
    fn what_was_sealed_for_or_by_others_does_not_open() {
        let seal = Seal::new(shared().as_ref(), "app").unwrap();
        let text = seal.seal(MESSAGE).unwrap();
        for other in [
            Seal::new(shared().as_ref(), "other").unwrap(),
            Seal::new(Secret::new(b"another secret of others").as_ref(), "app").unwrap(),
            Seal::new(None, "app").unwrap(),
        ] {
            assert_eq!(other.open(text.as_bytes(), MESSAGE.len()), None);
        }
    }

    #[test]
    fn a_single_changed_digit_breaks_the_seal() {
        let seal = Seal::new(None, "app").unwrap();
        let text = seal.seal(MESSAGE).unwrap();
        assert!(seal.open(text.as_bytes(), MESSAGE.len()).is_some());
        for place in 0..text.len() {
            let mut forged = text.clone().into_bytes();
            forged[place] = if forged[place] == b'0' { b'1' } else { b'0' };
            assert_eq!(seal.open(&forged, MESSAGE.len()), None, "{place}");
        }
        for forged in ["", "zz", &text[2..], &format!("{text}00"), &"é".repeat(text.len() / 2)] {
            assert_eq!(seal.open(forged.as_bytes(), MESSAGE.len()), None, "{forged}");
        }
    }
}
