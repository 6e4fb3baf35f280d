//! The signature algorithms by which the links of a chain are verified.

use std::sync::LazyLock;

use aws_lc_rs::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
};
use aws_lc_rs::signature::{RsaParameters, UnparsedPublicKey};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};

/// What rustls clients accept: RSA (PKCS#1 and PSS) from 2048 bits, ECDSA on P-256, P-384 and P-521, Ed25519.
pub fn signature_algorithms() -> &'static [&'static dyn SignatureVerificationAlgorithm] {
    static ALGORITHMS: LazyLock<WebPkiSupportedAlgorithms> =
        LazyLock::new(|| default_provider().signature_verification_algorithms);
    ALGORITHMS.all
}

/// What no client accepts any more: RSA with SHA-1, and RSA keys from 1024 bits. Nothing that they verify is trusted:
/// with them, chain assembly can tell a link that is weak from one that is missing, and say so.
pub static WEAK_ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    &WeakRsa {
        parameters: &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        signature_algorithm: SHA1_WITH_RSA,
    },
    &WeakRsa {
        parameters: &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        signature_algorithm: alg_id::RSA_PKCS1_SHA256,
    },
];

/// sha1WithRSAEncryption with NULL parameters (RFC 3279 section 2.2.1).
const SHA1_WITH_RSA: AlgorithmIdentifier = AlgorithmIdentifier::from_slice(&[
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05, 0x05, 0x00,
]);

#[derive(Debug)]
struct WeakRsa {
    parameters: &'static RsaParameters,
    signature_algorithm: AlgorithmIdentifier,
}

impl SignatureVerificationAlgorithm for WeakRsa {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature_algorithm
    }

    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        UnparsedPublicKey::new(self.parameters, public_key)
            .verify(message, signature)
            .map_err(|_| InvalidSignature)
    }
}
