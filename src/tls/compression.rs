//! Certificate compression (RFC 8879): each chain is compressed once, however many clients ask for it.
//!
//! rustls' own cache is a list under one lock that is searched by comparing whole messages, and it compresses as hard
//! as it can: brotli takes 4 to 6 ms and 6 MB for a chain of 3 to 5 KB that way, in the middle of a handshake. So that
//! cache is off. At the level rustls calls interactive brotli takes below 0.1 ms for 5 % to 10 % more bytes, zlib the
//! same, and here the result is looked up by the digest of the message (3 µs).
//!
//! rustls takes a compressor only for as long as the process lives, so what they remember is static, the one mutable
//! static there is. It is private to this file, and nothing comes out of it but what compressing once more would give.

use std::collections::HashMap;
use std::fmt;
use std::mem;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use rustls::CertificateCompressionAlgorithm;
use rustls::compress::{BROTLI_COMPRESSOR, CertCompressor, CompressionFailed, CompressionLevel, ZLIB_COMPRESSOR};

use crate::chain::Sha256;

/// What is offered, preferred first: Chrome asks for brotli alone, Safari for zlib, Firefox for either.
pub(super) fn compressors() -> Vec<&'static dyn CertCompressor> {
    static BROTLI: LazyLock<Remembering> = LazyLock::new(|| Remembering::new(BROTLI_COMPRESSOR));
    static ZLIB: LazyLock<Remembering> = LazyLock::new(|| Remembering::new(ZLIB_COMPRESSOR));
    vec![&*BROTLI, &*ZLIB]
}

/// Locks, so that workers rarely meet at one.
const SHARDS: usize = 16;

/// Messages in one generation of one shard: 16,384 in all, which is 10,000 chains and as many with a new OCSP response
/// on the way. At 2.3 KB for each, both generations of both algorithms hold 150 MB at most, and that only where so
/// many different chains were sent.
const MOST_IN_GENERATION: usize = 1_024;

/// A compressor that does everything once.
struct Remembering {
    compressor: &'static dyn CertCompressor,
    shards: [Mutex<Shard>; SHARDS],
}

/// When `young` is full it becomes `old`, and what was old is forgotten. What is used moves back to `young`, so chains
/// that are no longer served go first.
#[derive(Default)]
struct Shard {
    young: HashMap<Sha256, Compressed>,
    old: HashMap<Sha256, Compressed>,
}

/// One message, compressed by whoever asks first; others wait for that. `None` where compressing gains nothing.
type Compressed = Arc<OnceLock<Option<Box<[u8]>>>>;

impl Remembering {
    fn new(compressor: &'static dyn CertCompressor) -> Self {
        Self {
            compressor,
            shards: Default::default(),
        }
    }

    fn remembered(&self, message: &[u8]) -> Compressed {
        let digest = Sha256::of(message);
        let shard = &self.shards[usize::from(digest.0[0]) % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner).find(digest)
    }
}

impl Shard {
    fn find(&mut self, digest: Sha256) -> Compressed {
        if let Some(found) = self.young.get(&digest) {
            return Arc::clone(found);
        }
        let found = self.old.remove(&digest).unwrap_or_default();
        if self.young.len() >= MOST_IN_GENERATION {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(digest, Arc::clone(&found));
        found
    }
}

impl CertCompressor for Remembering {
    fn compress(&self, input: Vec<u8>, _: CompressionLevel) -> Result<Vec<u8>, CompressionFailed> {
        let length = input.len();
        let compressed = self.remembered(&input);
        let compressed = compressed.get_or_init(|| {
            let compressed = self.compressor.compress(input, CompressionLevel::Interactive);
            compressed
                .ok()
                .filter(|compressed| compressed.len() < length)
                .map(Vec::into_boxed_slice)
        });
        // rustls sends the chain as it is where there is none.
        compressed.as_deref().map(<[u8]>::to_vec).ok_or(CompressionFailed)
    }

    fn algorithm(&self) -> CertificateCompressionAlgorithm {
        self.compressor.algorithm()
    }
}

impl fmt::Debug for Remembering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Remembering").field(&self.algorithm()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use rustls::compress::ZLIB_DECOMPRESSOR;

    use super::*;

    /// Counts what it compresses.
    #[derive(Debug, Default)]
    struct Counting(AtomicUsize);

    impl Counting {
        fn count(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    impl CertCompressor for Counting {
        fn compress(&self, input: Vec<u8>, level: CompressionLevel) -> Result<Vec<u8>, CompressionFailed> {
            assert_eq!(level, CompressionLevel::Interactive);
            self.0.fetch_add(1, Ordering::Relaxed);
            ZLIB_COMPRESSOR.compress(input, level)
        }

        fn algorithm(&self) -> CertificateCompressionAlgorithm {
            CertificateCompressionAlgorithm::Zlib
        }
    }

    fn counted() -> (&'static Counting, Remembering) {
        let counting: &'static Counting = Box::leak(Box::default());
        (counting, Remembering::new(counting))
    }

    /// A message that compresses well, unlike that of any other `number`.
    fn message(number: usize) -> Vec<u8> {
        [vec![7; 500], number.to_be_bytes().to_vec()].concat()
    }

    #[test]
    fn a_message_is_compressed_once_however_many_ask_for_it() {
        let (counting, remembering) = counted();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let compressed = remembering.compress(message(1), CompressionLevel::Interactive).unwrap();
                    let mut again = vec![0; message(1).len()];
                    ZLIB_DECOMPRESSOR.decompress(&compressed, &mut again).unwrap();
                    assert_eq!(again, message(1));
                });
            }
        });
        assert_eq!(counting.count(), 1);
        remembering.compress(message(2), CompressionLevel::Interactive).unwrap();
        assert_eq!(counting.count(), 2);
    }

    #[test]
    fn what_grows_by_compressing_is_sent_as_it_is_and_not_tried_again() {
        let (counting, remembering) = counted();
        for _ in 0..2 {
            assert!(
                remembering
                    .compress(vec![1, 2, 3], CompressionLevel::Interactive)
                    .is_err()
            );
        }
        assert_eq!(counting.count(), 1);
    }

    #[test]
    fn what_is_used_stays_and_what_is_not_is_forgotten_in_time() {
        let mut shard = Shard::default();
        let mut find = |number: usize| shard.find(Sha256::of(&number.to_be_bytes()));
        let (unused, used) = (find(0), find(1));
        for number in 2..3 * MOST_IN_GENERATION {
            assert!(Arc::ptr_eq(&find(1), &used));
            find(number);
        }
        assert!(!Arc::ptr_eq(&find(0), &unused));
        assert!(shard.young.len() + shard.old.len() <= 2 * MOST_IN_GENERATION);
    }
}
