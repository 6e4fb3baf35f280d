//! The public key of a private key: what tells which certificate it fits.

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls_pki_types::PrivateKeyDer;

/// The DER of the SubjectPublicKeyInfo that belongs to `key`.
///
/// # Errors
///
/// Whatever rustls says of a key that is damaged or of a type it cannot sign with: RSA below 2048 bits, other curves
/// than P-256, P-384 and P-521, DSA, Ed448.
pub fn public_key(key: &PrivateKeyDer<'_>) -> Result<Vec<u8>, rustls::Error> {
    let key = any_supported_type(key)?;
    let public_key = key
        .public_key()
        .ok_or_else(|| rustls::Error::General("the key has no public key".to_owned()))?;
    Ok(public_key.to_vec())
}
