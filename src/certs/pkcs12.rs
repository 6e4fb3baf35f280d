//! PKCS#12 (RFC 7292): leaf, key and intermediates in one file, as Windows and Java export them; read by p12-keystore.

use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error as ArchiveError;
use rustls_pki_types::CertificateDer;

use super::key::PrivateKey;
use super::password::Password;
use super::pbe::SchemeError;
use super::safes::{self, Unopenable};
use super::work::Work;

/// Why a PKCS#12 file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Pkcs12Error {
    /// It is not the DER of what it should be.
    #[error("PKCS#12 whose structure is not the DER of a PFX (RFC 7292 section 4): {0}")]
    Malformed(String),
    /// The empty password does not open it, and there is no other.
    #[error("PKCS#12 with a password, and no password file is configured for it")]
    PasswordMissing,
    /// Its encryption cannot be undone.
    #[error("PKCS#12 with {0}")]
    Scheme(#[from] SchemeError),
    /// It uses something else that is not known here.
    #[error("PKCS#12 that is not supported: {0}")]
    Unsupported(String),
    /// The password is another one.
    #[error("PKCS#12 that the password in the password file does not open (or that was damaged after it was written)")]
    WrongPassword,
}

/// What a PKCS#12 file holds.
#[derive(Debug, Default)]
pub(super) struct Archive {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) keys: Vec<PrivateKey>,
}

impl Archive {
    /// Reads the DER of a PFX. Without a `password` the empty one is tried.
    pub(super) fn read(pfx: &[u8], password: Option<&Password>) -> Result<Self, Pkcs12Error> {
        let empty = Password::empty();
        let opened_with = password.unwrap_or(&empty);
        let wrong_password = match password {
            Some(_) => Pkcs12Error::WrongPassword,
            None => Pkcs12Error::PasswordMissing,
        };
        safes::weigh(pfx, opened_with, &mut Work::new()).map_err(|error| match error {
            Unopenable::Malformed => Pkcs12Error::Malformed("an element is missing or out of place".to_owned()),
            Unopenable::Scheme(error) => Pkcs12Error::Scheme(error),
            Unopenable::WrongPassword => wrong_password.clone(),
        })?;
        let archive = Pkcs12Archive::from_pkcs12(pfx, opened_with.as_str()).map_err(|error| match error {
            // The MAC, the padding, the decrypted structure: the three places where a wrong password shows.
            ArchiveError::MacError(_) | ArchiveError::UnpadError | ArchiveError::Pkcs5Error(_) => wrong_password,
            ArchiveError::UnsupportedCertificateType
            | ArchiveError::UnsupportedContentType
            | ArchiveError::UnsupportedEncryptionScheme
            | ArchiveError::UnsupportedMacAlgorithm => Pkcs12Error::Unsupported(error.to_string()),
            ArchiveError::InvalidParameters => Pkcs12Error::Unsupported(
                "more than a million iterations in one key derivation, or parameters that cannot be read".to_owned(),
            ),
            error => Pkcs12Error::Malformed(error.to_string()),
        })?;
        let keys = archive.keys.iter().map(|bag| PrivateKey::from_der(bag.key.as_der()));
        Ok(Self {
            certificates: archive
                .certs
                .iter()
                .map(|bag| bag.cert.as_der().to_vec().into())
                .collect(),
            keys: keys
                .collect::<Result<_, _>>()
                .map_err(|error| Pkcs12Error::Malformed(error.to_string()))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use p12_keystore::{Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, PrivateKeyChain};
    use proptest::prelude::*;

    use super::*;
    use crate::certs::der::{CONTEXT_0, INTEGER, OCTET_STRING, SEQUENCE};
    use crate::certs::pem;
    use crate::certs::testing::{der, fixture, password, public_key, with_iterations};

    fn der_of(name: &str) -> Vec<u8> {
        pem::blocks(&fixture(name)).unwrap().pop().unwrap().into_der()
    }

    /// A PFX of p12-keystore's own making with the key, its certificate and the CA.
    fn written(encryption: EncryptionAlgorithm, mac: MacAlgorithm, iterations: u32) -> Vec<u8> {
        let certificates = ["ec.test.pem", "ca.pem"].map(|name| Certificate::from_der(&der_of(name)).unwrap());
        let key = p12_keystore::PrivateKey::from_der(&der_of("ec.pkcs8.pem")).unwrap();
        let mut store = KeyStore::new();
        store.add_entry(
            "x",
            KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new("1", key, certificates)),
        );
        store
            .writer("fixture")
            .encryption_algorithm(encryption)
            .encryption_iterations(iterations)
            .mac_algorithm(mac)
            .mac_iterations(iterations)
            .write()
            .unwrap()
    }

    fn assert_holds_leaf_ca_and_key(archive: &Archive) {
        let mut certificates = archive.certificates.clone();
        certificates.sort_by_key(|der| der.to_vec());
        let mut expected = [der_of("ec.test.pem"), der_of("ca.pem")].map(CertificateDer::from);
        expected.sort_by_key(|der| der.to_vec());
        assert_eq!(certificates, expected);
        let [key] = archive.keys.as_slice() else {
            panic!("{archive:?}")
        };
        let expected = PrivateKey::from_der(&der_of("ec.pkcs8.pem")).unwrap();
        assert_eq!(public_key(key.der()), public_key(expected.der()));
    }

    #[test]
    fn modern_and_legacy_files_are_read() {
        for name in ["ec.legacy.pfx", "ec.modern.pfx", "ec.no-mac.pfx"] {
            let archive = Archive::read(&fixture(name), Some(&password("fixture"))).unwrap();
            assert_holds_leaf_ca_and_key(&archive);
        }
        for (encryption, mac) in [
            (
                EncryptionAlgorithm::PbeWithHmacSha256AndAes256,
                MacAlgorithm::HmacSha256,
            ),
            (
                EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc,
                MacAlgorithm::HmacSha1,
            ),
            (EncryptionAlgorithm::PbeWithShaAnd40BitRc4Cbc, MacAlgorithm::HmacSha1),
        ] {
            let archive = Archive::read(&written(encryption, mac, 2_000), Some(&password("fixture"))).unwrap();
            assert_holds_leaf_ca_and_key(&archive);
        }
    }

    #[test]
    fn a_file_without_a_password_needs_none() {
        for password in [None, Some(&password(""))] {
            assert_holds_leaf_ca_and_key(&Archive::read(&fixture("ec.no-password.pfx"), password).unwrap());
        }
    }

    #[test]
    fn a_wrong_password_is_told_from_a_missing_one_and_from_a_broken_file() {
        for name in ["ec.legacy.pfx", "ec.modern.pfx", "ec.no-mac.pfx"] {
            let error = |password: Option<&Password>| Archive::read(&fixture(name), password).unwrap_err();
            assert_eq!(error(Some(&password("other"))), Pkcs12Error::WrongPassword, "{name}");
            assert_eq!(
                error(Some(&password("\u{1f511}"))),
                Pkcs12Error::WrongPassword,
                "{name}"
            );
            assert_eq!(error(None), Pkcs12Error::PasswordMissing, "{name}");
            let cut = &fixture(name)[..600];
            let error = Archive::read(cut, Some(&password("fixture"))).unwrap_err();
            assert!(matches!(error, Pkcs12Error::Malformed(_)), "{error:?}");
        }
    }

    fn assert_refused_at_once(bomb: &[u8]) {
        let start = Instant::now();
        let error = Archive::read(bomb, Some(&password("fixture"))).unwrap_err();
        assert!(
            matches!(error, Pkcs12Error::Scheme(SchemeError::TooMuchWork(_))),
            "{error:?}"
        );
        assert!(start.elapsed() < Duration::from_millis(100), "{:?}", start.elapsed());
    }

    #[test]
    fn two_billion_iterations_are_refused_at_once() {
        for name in ["ec.legacy.pfx", "ec.modern.pfx"] {
            assert_refused_at_once(&with_iterations(&fixture(name), 2_048, 2_000_000_000));
        }
    }

    #[test]
    fn many_keys_that_ask_for_a_million_iterations_each_are_refused_at_once() {
        let key = shrouded_key(1_000_000);
        let keys: Vec<&[u8]> = vec![&key; 6];
        assert_refused_at_once(&pfx(&[&plain_safe(&der(SEQUENCE, &keys))]));
    }

    #[test]
    fn keys_inside_an_encrypted_safe_count_as_well() {
        let key = shrouded_key(1_000_000);
        let keys: Vec<&[u8]> = vec![&key; 6];
        assert_refused_at_once(&pfx(&[&encrypted_safe(&der(SEQUENCE, &keys))]));
    }

    const DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";

    fn pbes2(iterations: u32) -> pkcs8::pkcs5::pbes2::Parameters {
        pkcs8::pkcs5::pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(iterations, b"saltsalt", [7; 16]).unwrap()
    }

    fn algorithm(parameters: &pkcs8::pkcs5::pbes2::Parameters) -> Vec<u8> {
        use pkcs8::der::Encode;
        der(
            SEQUENCE,
            &[
                b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d",
                &parameters.to_der().unwrap(),
            ],
        )
    }

    fn shrouded_key(iterations: u32) -> Vec<u8> {
        let info = der(
            SEQUENCE,
            &[&algorithm(&pbes2(iterations)), &der(OCTET_STRING, &[&[0; 32]])],
        );
        der(
            SEQUENCE,
            &[
                b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x02",
                &der(CONTEXT_0, &[&info]),
            ],
        )
    }

    fn plain_safe(bags: &[u8]) -> Vec<u8> {
        der(SEQUENCE, &[DATA, &der(CONTEXT_0, &[&der(OCTET_STRING, &[bags])])])
    }

    fn encrypted_safe(bags: &[u8]) -> Vec<u8> {
        let parameters = pbes2(1);
        let ciphertext = parameters.encrypt("fixture", bags).unwrap();
        let info = der(SEQUENCE, &[DATA, &algorithm(&parameters), &der(0x80, &[&ciphertext])]);
        let encrypted_data = der(SEQUENCE, &[&der(INTEGER, &[&[0]]), &info]);
        der(
            SEQUENCE,
            &[
                b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x06",
                &der(CONTEXT_0, &[&encrypted_data]),
            ],
        )
    }

    fn pfx(safes: &[&[u8]]) -> Vec<u8> {
        let safes = der(OCTET_STRING, &[&der(SEQUENCE, safes)]);
        der(
            SEQUENCE,
            &[
                &der(INTEGER, &[&[3]]),
                &der(SEQUENCE, &[DATA, &der(CONTEXT_0, &[&safes])]),
            ],
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_damaged_file_is_read_without_a_panic(at in 0_usize..2000, byte: u8, cut in 0_usize..2000) {
            let bags = der(SEQUENCE, &[&shrouded_key(2)]);
            for mut pfx in [fixture("ec.legacy.pfx"), pfx(&[&plain_safe(&bags), &encrypted_safe(&bags)])] {
                let length = pfx.len();
                pfx[at % length] = byte;
                let _ = Archive::read(&pfx, Some(&password("fixture")));
                let _ = Archive::read(&pfx[..cut % length], None);
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Archive::read(&bytes, None);
        }
    }
}
