//! Private keys: PKCS#8 (RFC 5958), PKCS#1 (RFC 8017) and SEC1 (RFC 5915), plain or encrypted as PKCS#8 has it.
//!
//! Deriving the public key takes curve arithmetic where a SEC1 key leaves it out, so it is the caller's: see
//! [`KeyReader`].

use std::fmt;

use rustls_pki_types::PrivateKeyDer;
use zeroize::Zeroize;

use super::der::{Elements, OCTET_STRING, SEQUENCE};
use super::password::Password;
use super::pbe::{Scheme, SchemeError};
use super::work::Work;

/// Derives the public key of a private key: the DER of its SubjectPublicKeyInfo, or `None` where the key is damaged
/// or of a type that cannot be served with.
pub type KeyReader<'a> = dyn Fn(&PrivateKeyDer<'_>) -> Option<Vec<u8>> + 'a;

/// A private key, never shown, wiped from memory when dropped.
pub struct PrivateKey(PrivateKeyDer<'static>);

/// Why a private key cannot be had from what is in a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not the DER of a key.
    #[error("something that is not the DER of a PKCS#8, PKCS#1 or SEC1 private key")]
    Malformed,
    /// It is encrypted, and there is no password.
    #[error("an encrypted key, and no password file is configured for it")]
    PasswordMissing,
    /// Its encryption cannot be undone.
    #[error("{0}")]
    Scheme(#[from] SchemeError),
    /// It is encrypted in OpenSSL's own way, which stretches the password with one round of MD5.
    #[error(
        "a key in OpenSSL's traditional encryption (Proc-Type: 4,ENCRYPTED); \
         `openssl pkcs8 -topk8 -in FILE -out FILE.new` converts it to encrypted PKCS#8"
    )]
    TraditionalEncryption,
    /// The password is another one.
    #[error("an encrypted key that the password in the password file does not open")]
    WrongPassword,
}

impl PrivateKey {
    /// The key as rustls takes it.
    pub fn der(&self) -> &PrivateKeyDer<'static> {
        &self.0
    }

    /// Reads the DER of a plain key, telling its format from its first elements.
    pub(super) fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        PrivateKeyDer::try_from(der.to_vec())
            .map(Self)
            .map_err(|_| KeyError::Malformed)
    }

    /// Decrypts the DER of an EncryptedPrivateKeyInfo (RFC 5958 section 3); what that costs counts against `work`.
    pub(super) fn decrypt(der: &[u8], password: Option<&Password>, work: &mut Work) -> Result<Self, KeyError> {
        let password = password.ok_or(KeyError::PasswordMissing)?;
        let mut info = Elements::inside(der, SEQUENCE).ok_or(KeyError::Malformed)?;
        let algorithm = info.expect(SEQUENCE).ok_or(KeyError::Malformed)?;
        let ciphertext = info.expect(OCTET_STRING).ok_or(KeyError::Malformed)?;
        let scheme = Scheme::read(algorithm.encoding, work)?;
        let plaintext = scheme
            .decrypt(ciphertext.contents, password)
            .ok_or(KeyError::WrongPassword)?;
        // One wrong password in 256 leaves a plausible padding.
        if Elements::inside(&plaintext, SEQUENCE).is_none() {
            return Err(KeyError::WrongPassword);
        }
        Self::from_der(&plaintext)
    }
}

impl From<PrivateKeyDer<'static>> for PrivateKey {
    fn from(der: PrivateKeyDer<'static>) -> Self {
        Self(der)
    }
}

impl Drop for PrivateKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::certs::pem::{self, Block};
    use crate::certs::testing::{fixture, password, public_key};

    fn encrypted(name: &str) -> Vec<u8> {
        match pem::blocks(&fixture(name)).unwrap().pop() {
            Some(Block::EncryptedKey(der)) => der,
            other => panic!("{other:?}"),
        }
    }

    fn plain(name: &str) -> PrivateKey {
        match pem::blocks(&fixture(name)).unwrap().pop() {
            Some(Block::Key(key)) => key,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_key_is_the_same_key_in_every_dress() {
        let expected = public_key(plain("ec.pkcs8.pem").der()).unwrap();
        for name in ["ec.sec1.pem", "ec.sec1-without-public-key.pem"] {
            assert_eq!(public_key(plain(name).der()).unwrap(), expected, "{name}");
        }
        for name in ["ec.aes.pem", "ec.3des.pem", "ec.scrypt.pem", "ec.pbe-sha1-3des.pem"] {
            let key = PrivateKey::decrypt(&encrypted(name), Some(&password("fixture")), &mut Work::new()).unwrap();
            assert_eq!(public_key(key.der()).unwrap(), expected, "{name}");
        }
        assert!(public_key(plain("rsa.pkcs1.pem").der()).is_some());
    }

    #[test]
    fn the_format_of_a_bare_key_is_told_from_its_der() {
        for (name, pkcs8, pkcs1) in [
            ("ec.pkcs8.pem", true, false),
            ("rsa.pkcs1.pem", false, true),
            ("ec.sec1.pem", false, false),
        ] {
            let key = PrivateKey::from_der(plain(name).der().secret_der()).unwrap();
            assert_eq!(matches!(key.der(), PrivateKeyDer::Pkcs8(_)), pkcs8, "{name}");
            assert_eq!(matches!(key.der(), PrivateKeyDer::Pkcs1(_)), pkcs1, "{name}");
        }
        assert_eq!(PrivateKey::from_der(b"\x30\x00").unwrap_err(), KeyError::Malformed);
    }

    #[test]
    fn a_missing_and_a_wrong_password_are_told_apart() {
        let der = encrypted("ec.aes.pem");
        assert_eq!(
            PrivateKey::decrypt(&der, None, &mut Work::new()).unwrap_err(),
            KeyError::PasswordMissing
        );
        assert_eq!(
            PrivateKey::decrypt(&der, Some(&password("other")), &mut Work::new()).unwrap_err(),
            KeyError::WrongPassword
        );
        assert_eq!(
            PrivateKey::decrypt(&der, Some(&password("")), &mut Work::new()).unwrap_err(),
            KeyError::WrongPassword
        );
    }

    #[test]
    fn a_key_that_asks_for_two_billion_iterations_is_refused_at_once() {
        let der = encrypted("ec.aes.pem");
        let bomb = crate::certs::testing::with_iterations(&der, 2_048, 2_000_000_000);
        let start = std::time::Instant::now();
        let error = PrivateKey::decrypt(&bomb, Some(&password("fixture")), &mut Work::new()).unwrap_err();
        assert!(
            matches!(error, KeyError::Scheme(SchemeError::TooMuchWork(_))),
            "{error:?}"
        );
        assert!(start.elapsed() < std::time::Duration::from_millis(100));
    }

    #[test]
    fn several_keys_in_one_file_share_its_allowance() {
        let der = crate::certs::testing::with_iterations(&encrypted("ec.aes.pem"), 2_048, 4_000_000);
        let mut work = Work::new();
        work.add(2_000_000).unwrap();
        let error = PrivateKey::decrypt(&der, Some(&password("fixture")), &mut work).unwrap_err();
        assert!(
            matches!(error, KeyError::Scheme(SchemeError::TooMuchWork(_))),
            "{error:?}"
        );
    }

    #[test]
    fn scrypt_with_a_cost_of_zero_is_refused_and_does_not_panic() {
        let bomb = crate::certs::testing::with_iterations(&encrypted("ec.scrypt.pem"), 1_024, 0);
        let error = PrivateKey::decrypt(&bomb, Some(&password("fixture")), &mut Work::new()).unwrap_err();
        assert_eq!(error, KeyError::Scheme(SchemeError::Malformed));
    }

    #[test]
    fn a_key_is_never_shown() {
        assert_eq!(format!("{:?}", plain("ec.pkcs8.pem")), "PrivateKey([redacted])");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_damaged_encrypted_key_is_read_without_a_panic(at in 0_usize..400, byte: u8) {
            for name in ["ec.aes.pem", "ec.3des.pem", "ec.pbe-sha1-3des.pem"] {
                let mut der = encrypted(name);
                let length = der.len();
                der[at % length] = byte;
                let _ = PrivateKey::decrypt(&der, Some(&password("fixture")), &mut Work::new());
            }
        }

        #[test]
        fn any_bytes_are_a_key_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = PrivateKey::from_der(&bytes);
            let _ = PrivateKey::decrypt(&bytes, Some(&password("fixture")), &mut Work::new());
        }
    }
}
