//! SHA-256 digests: how certificates and keys are told apart and named.

use std::fmt;
use std::str::FromStr;

use sha2::Digest;

/// A SHA-256 digest, shown as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256(pub [u8; 32]);

impl Sha256 {
    /// The digest of `data`.
    pub fn of(data: &[u8]) -> Self {
        Self(sha2::Sha256::digest(data).into())
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What is wrong with the text of a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 digest is 64 hexadecimal digits, with or without colons")]
pub struct ParseSha256Error;

impl FromStr for Sha256 {
    type Err = ParseSha256Error;

    /// Reads 64 hexadecimal digits of either case; colons between them, as `openssl x509 -fingerprint` prints, are
    /// skipped.
    fn from_str(text: &str) -> Result<Self, ParseSha256Error> {
        let mut digits = text.chars().filter(|c| *c != ':');
        let mut bytes = [0; 32];
        for byte in &mut bytes {
            let mut digit = || digits.next().and_then(|c| c.to_digit(16)).ok_or(ParseSha256Error);
            // Two hexadecimal digits never exceed a byte.
            *byte = (digit()? * 16 + digit()?) as u8;
        }
        match digits.next() {
            None => Ok(Self(bytes)),
            Some(_) => Err(ParseSha256Error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_from_its_own_text_and_from_openssl_text() {
        let digest = Sha256::of(b"fullchain");
        let plain = digest.to_string();
        let colons = plain
            .to_uppercase()
            .as_bytes()
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).unwrap())
            .collect::<Vec<_>>()
            .join(":");
        assert_eq!(plain.parse(), Ok(digest));
        assert_eq!(colons.parse(), Ok(digest));
    }

    #[test]
    fn text_of_another_length_or_alphabet_is_refused() {
        for text in ["", "ab", &"g".repeat(64), &"a".repeat(65)] {
            assert_eq!(text.parse::<Sha256>(), Err(ParseSha256Error), "{text}");
        }
    }
}
