//! The password of a key or a PKCS#12 file: never shown, wiped from memory when done with.

use std::fmt;

use zeroize::Zeroizing;

/// A password read from a file.
pub struct Password(Zeroizing<String>);

/// The first line of a password file is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the first line is not UTF-8 text")]
pub struct NotUtf8;

impl Password {
    /// The first line of `file` without its line end (LF or CRLF); an empty file holds the empty password.
    ///
    /// # Errors
    ///
    /// [`NotUtf8`] where that line is not UTF-8: PKCS#12 passwords are text (RFC 7292 appendix B.1).
    pub fn first_line(file: &[u8]) -> Result<Self, NotUtf8> {
        let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
        let line = file.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line).map_err(|_| NotUtf8)?;
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The empty password, which is what a PKCS#12 file exported without one has.
    pub(super) fn empty() -> Self {
        Self(Zeroizing::default())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_the_first_line_without_its_end() {
        for file in ["secret", "secret\n", "secret\r\n", "secret\nmore\n", "\u{feff}secret\n"] {
            assert_eq!(
                Password::first_line(file.as_bytes()).unwrap().as_str(),
                "secret",
                "{file:?}"
            );
        }
        for file in ["", "\n", "\r\n"] {
            assert_eq!(Password::first_line(file.as_bytes()).unwrap().as_str(), "", "{file:?}");
        }
        assert_eq!(Password::first_line(b" two words \n").unwrap().as_str(), " two words ");
    }

    #[test]
    fn a_password_that_is_not_text_is_refused() {
        assert_eq!(Password::first_line(b"\xff\n").unwrap_err(), NotUtf8);
    }

    #[test]
    fn a_password_is_never_shown() {
        let password = Password::first_line(b"hunter2").unwrap();
        assert!(!format!("{password:?}").contains("hunter2"));
    }
}
