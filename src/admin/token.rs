//! The token that whoever asks the admin listener has to show, where there is one.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use sha2::{Digest, Sha256};

/// A secret that opens the admin listener. It is kept for the client commands, which have to show it, and never shown
/// otherwise.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<str>);

/// A file whose first line is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// It could not stand in a header field, or would not survive it.
    #[error("its first line has to consist of ASCII characters without spaces")]
    Characters,
    /// It could be guessed.
    #[error("its first line has to have at least {} characters", Token::SHORTEST)]
    TooShort,
}

impl Token {
    /// Nobody tries 2^64 and more over a network, even where the token is written in hexadecimal digits.
    pub const SHORTEST: usize = 16;

    /// The first line of `file`, without the white space around it.
    ///
    /// # Errors
    ///
    /// [`InvalidToken`] where it cannot be one.
    pub fn first_line(file: &[u8]) -> Result<Self, InvalidToken> {
        let line = file.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = str::from_utf8(line).map_err(|_| InvalidToken::Characters)?.trim();
        if !line.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidToken::Characters);
        }
        match line.len() < Self::SHORTEST {
            true => Err(InvalidToken::TooShort),
            false => Ok(Self(line.into())),
        }
    }

    /// Whether `shown` is this token. How long that takes tells nothing about it, its length included: digests are
    /// compared.
    pub(super) fn is(&self, shown: &[u8]) -> bool {
        let [own, shown] = [self.0.as_bytes(), shown].map(Sha256::digest);
        verify_slices_are_equal(&own, &shown).is_ok()
    }

    /// The value of an Authorization field with it (RFC 6750 section 2.1).
    pub(super) fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_the_first_line() {
        for file in ["0123456789abcdef", "0123456789abcdef\n", " 0123456789abcdef\r\nmore\n"] {
            let token = Token::first_line(file.as_bytes()).unwrap();
            assert_eq!(token.bearer(), "Bearer 0123456789abcdef", "{file:?}");
            assert!(token.is(b"0123456789abcdef"));
            assert!(!token.is(b"0123456789abcdeF") && !token.is(b"0123456789abcde") && !token.is(b""));
        }
    }

    #[test]
    fn what_can_be_guessed_or_cannot_be_sent_is_refused() {
        assert_eq!(Token::first_line(b""), Err(InvalidToken::TooShort));
        assert_eq!(Token::first_line(b"secret\n"), Err(InvalidToken::TooShort));
        for file in [&b"0123456789 abcdef"[..], "0123456789abcdef\u{e9}".as_bytes(), b"\xff"] {
            assert_eq!(Token::first_line(file), Err(InvalidToken::Characters));
        }
    }

    #[test]
    fn a_token_is_never_shown() {
        let token = Token::first_line(b"0123456789abcdef").unwrap();
        assert_eq!(format!("{token:?}"), "Token([redacted])");
    }
}
