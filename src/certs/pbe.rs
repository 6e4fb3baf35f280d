//! Password-based encryption as PKCS#8 and PKCS#12 files use it: PBES2 (RFC 8018), and the two older schemes of
//! PKCS#12 (RFC 7292 appendix C) that Windows wrote for twenty years.
//!
//! What a scheme costs is told before it is run, see [`Work`].

use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use pkcs8::der::Decode;
use pkcs8::der::asn1::{AnyRef, OctetStringRef};
use pkcs8::pkcs5::pbes2;
use pkcs8::{AlgorithmIdentifierRef, ObjectIdentifier};
use pkcs12::kdf::{Pkcs12KeyType, derive_key_utf8};
use sha1::Sha1;
use zeroize::Zeroizing;

use super::password::Password;
use super::work::{TooMuchWork, Work};

const PBE_SHA1_3DES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.3");
const PBE_SHA1_RC2_40: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.6");

/// An encryption scheme with its parameters.
pub(super) enum Scheme {
    /// PBES2 with PBKDF2 or scrypt.
    Pbes2(Box<pbes2::Parameters>),
    /// pbeWithSHAAnd3-KeyTripleDES-CBC and pbeWithSHAAnd40BitRC2-CBC.
    Pkcs12 {
        cipher: Cipher,
        salt: Vec<u8>,
        iterations: u32,
    },
}

/// The ciphers of the older schemes, in CBC mode.
#[derive(Clone, Copy)]
pub(super) enum Cipher {
    Rc2With40Bits,
    TripleDes,
}

/// Why an encryption scheme cannot be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemeError {
    /// Its parameters are none.
    #[error("encryption parameters that cannot be read")]
    Malformed,
    /// It asks for too much.
    #[error(transparent)]
    TooMuchWork(#[from] TooMuchWork),
    /// It is none of the schemes known here.
    #[error("encryption with the algorithm {0}, which is not supported")]
    Unsupported(ObjectIdentifier),
}

impl Scheme {
    /// Reads the DER of an AlgorithmIdentifier and adds to `work` what running the scheme costs.
    pub(super) fn read(algorithm: &[u8], work: &mut Work) -> Result<Self, SchemeError> {
        let algorithm = AlgorithmIdentifierRef::from_der(algorithm).map_err(|_| SchemeError::Malformed)?;
        let parameters = algorithm.parameters.ok_or(SchemeError::Malformed);
        let scheme = match algorithm.oid {
            pbes2::PBES2_OID => {
                let parameters = pbes2::Parameters::try_from(parameters?).map_err(|_| SchemeError::Malformed)?;
                Self::Pbes2(Box::new(parameters))
            }
            PBE_SHA1_3DES => Self::pkcs12(Cipher::TripleDes, parameters?)?,
            PBE_SHA1_RC2_40 => Self::pkcs12(Cipher::Rc2With40Bits, parameters?)?,
            other => return Err(SchemeError::Unsupported(other)),
        };
        scheme.weigh(work)?;
        Ok(scheme)
    }

    /// Reads pkcs-12PbeParams.
    fn pkcs12(cipher: Cipher, parameters: AnyRef<'_>) -> Result<Self, SchemeError> {
        let (salt, iterations) = parameters
            .sequence(|reader| -> pkcs8::der::Result<_> {
                let salt = <&OctetStringRef>::decode(reader)?;
                Ok((salt.as_bytes().to_vec(), u32::decode(reader)?))
            })
            .map_err(|_| SchemeError::Malformed)?;
        Ok(Self::Pkcs12 {
            cipher,
            salt,
            iterations,
        })
    }

    /// Adds the cost of running the scheme once to `work`.
    pub(super) fn weigh(&self, work: &mut Work) -> Result<(), SchemeError> {
        match self {
            Self::Pkcs12 { iterations, .. } => work.add((*iterations).into())?,
            Self::Pbes2(parameters) => match &parameters.kdf {
                pbes2::Kdf::Pbkdf2(pbkdf2) => work.add(pbkdf2.iteration_count.into())?,
                // RFC 7914 section 2: N is above 1, r and p are above 0. pkcs5 0.8.1 panics where N is 0.
                pbes2::Kdf::Scrypt(scrypt)
                    if scrypt.cost_parameter < 2 || scrypt.block_size == 0 || scrypt.parallelization == 0 =>
                {
                    return Err(SchemeError::Malformed);
                }
                pbes2::Kdf::Scrypt(scrypt) => {
                    work.add_scrypt(scrypt.cost_parameter, scrypt.block_size, scrypt.parallelization)?;
                }
                // The enum is open for functions yet to come: they cannot be weighed.
                _ => return Err(SchemeError::Malformed),
            },
        }
        Ok(())
    }

    /// Decrypts `ciphertext`; `None` where the password is another one or the ciphertext is damaged.
    pub(super) fn decrypt(&self, ciphertext: &[u8], password: &Password) -> Option<Zeroizing<Vec<u8>>> {
        let plaintext = match self {
            Self::Pbes2(parameters) => parameters.decrypt(password.as_str(), ciphertext).ok(),
            Self::Pkcs12 {
                cipher,
                salt,
                iterations,
            } => {
                let derive = |kind, length| {
                    let iterations = i32::try_from(*iterations).ok()?;
                    derive_key_utf8::<Sha1>(password.as_str(), salt, kind, iterations, length)
                        .ok()
                        .map(Zeroizing::new)
                };
                let key_length = match cipher {
                    Cipher::Rc2With40Bits => 5,
                    Cipher::TripleDes => 24,
                };
                let (key, iv) = (
                    derive(Pkcs12KeyType::EncryptionKey, key_length)?,
                    derive(Pkcs12KeyType::Iv, 8)?,
                );
                match cipher {
                    Cipher::Rc2With40Bits => cbc::Decryptor::<rc2::Rc2>::new_from_slices(&key, &iv)
                        .ok()
                        .and_then(|decryptor| decryptor.decrypt_padded_vec::<Pkcs7>(ciphertext).ok()),
                    Cipher::TripleDes => cbc::Decryptor::<des::TdesEde3>::new_from_slices(&key, &iv)
                        .ok()
                        .and_then(|decryptor| decryptor.decrypt_padded_vec::<Pkcs7>(ciphertext).ok()),
                }
            }
        };
        plaintext.map(Zeroizing::new)
    }
}
