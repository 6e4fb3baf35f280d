//! How much key derivation one file may ask for.
//!
//! Iteration counts come from the file: two billion of them keep OpenSSL busy for an hour. So they are added up
//! before any of the work is done, over the whole file, and one that asks for too much is refused at once.

/// The most iterations one file may ask for: five of the largest counts in use (PBKDF2 with 1,000,000; OWASP recommends
/// 600,000 for HMAC-SHA-256, Windows writes 2,000, OpenSSL 2,048, Java 10,000), about two seconds of one core.
const LIMIT: u64 = 5_000_000;

/// What is left of the work one file may ask for.
#[derive(Debug)]
pub(super) struct Work {
    asked: u64,
}

/// The file asks for more key derivation than is done for one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it asks for {asked} or more iterations of key derivation, the most done for one file is {LIMIT}")]
pub struct TooMuchWork {
    asked: u64,
}

impl Work {
    /// Nothing asked yet.
    pub(super) fn new() -> Self {
        Self { asked: 0 }
    }

    /// Takes note of `iterations` more.
    pub(super) fn add(&mut self, iterations: u64) -> Result<(), TooMuchWork> {
        self.asked = self.asked.saturating_add(iterations);
        if self.asked > LIMIT {
            Err(TooMuchWork { asked: self.asked })
        } else {
            Ok(())
        }
    }

    /// Takes note of one scrypt (RFC 7914) more: it computes 4 · N · r · p Salsa20/8 blocks, each about as dear as an
    /// iteration of PBKDF2. The same limit keeps its memory, 128 · N · r bytes, below 160 MB.
    pub(super) fn add_scrypt(&mut self, n: u64, r: u16, p: u16) -> Result<(), TooMuchWork> {
        self.add(n.saturating_mul(4).saturating_mul(r.into()).saturating_mul(p.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_adds_up_over_the_whole_file() {
        let mut work = Work::new();
        for _ in 0..5 {
            assert_eq!(work.add(1_000_000), Ok(()));
        }
        assert_eq!(work.add(1), Err(TooMuchWork { asked: 5_000_001 }));
    }

    #[test]
    fn what_openssl_writes_by_default_is_done_and_numbers_that_overflow_are_not() {
        assert_eq!(Work::new().add_scrypt(16_384, 8, 1), Ok(()));
        assert!(Work::new().add_scrypt(1 << 20, 8, 1).is_err());
        assert!(Work::new().add_scrypt(u64::MAX, u16::MAX, u16::MAX).is_err());
    }
}
