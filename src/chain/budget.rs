//! How far a search may go, each limit with its origin.

/// Intermediates in one chain. rustls-webpki allows 6 and mozilla::pkix too, Chromium's path builder has no limit of
/// its own, OpenSSL allows 100; nothing seen in the wild has more than 4. A chain longer than 6 is found and warned
/// about.
pub(super) const MOST_INTERMEDIATES: usize = 20;

/// Candidates looked at for one leaf. rustls-webpki and mozilla::pkix allow 200,000 calls of their builders, each of
/// which may verify a signature; here a signature is verified once and a search is bounded by links times depth, so
/// that a tenth is plenty.
const MOST_VISITS: usize = 20_000;

/// Candidates looked at to find the chains that were not chosen. They are only shown: a few hundred links are plenty,
/// and weighing must not cost more than choosing.
const MOST_VISITS_TO_COMPARE: usize = 5_000;

/// Candidates looked at, in all, when searches are done once more with every loop counted.
const MOST_VISITS_TO_RETRY: usize = 2_000;

/// Anchors to which a chain is kept besides the one that the chosen chain ends at. Nothing seen in the wild leads to
/// more than three; each costs a search, a self-check, and its bytes in memory.
pub(super) const MOST_OTHER_ANCHORS: usize = 8;

/// Anchors to which a chain is looked for besides: each costs a walk through everything in reach, and of a thousand of
/// one name only one made the signature.
pub(super) const MOST_OTHER_ANCHORS_TRIED: usize = 32;

/// Signatures checked above the leaf. rustls-webpki allows 100, and each may be checked many times over; here each is
/// checked once. The leaf's own issuer is looked for among however many there are of its name. At 70 µs each they
/// take 31 ms.
pub(super) const MOST_SIGNATURES_ABOVE_LEAF: usize = 440;

/// Keys tried for signatures whose signer is known already. At 70 µs each they stay below 20 ms, and nobody has more
/// than a handful of certificates made to confuse.
pub(super) const MOST_FURTHER_KEYS: usize = 256;

/// Counts the candidates looked at.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
    left_to_retry: usize,
    is_exhausted: bool,
}

impl Budget {
    pub(super) fn to_choose() -> Self {
        Self::of(MOST_VISITS)
    }

    pub(super) fn to_compare() -> Self {
        Self::of(MOST_VISITS_TO_COMPARE)
    }

    fn of(visits: usize) -> Self {
        Self {
            left: visits,
            left_to_retry: MOST_VISITS_TO_RETRY,
            is_exhausted: false,
        }
    }

    /// Runs `search` on what is left for doing a search once more.
    pub(super) fn retry<T>(&mut self, search: impl FnOnce(&mut Self) -> T) -> T {
        let mut retry = Self::of(self.left_to_retry);
        let found = search(&mut retry);
        self.left_to_retry = retry.left;
        found
    }

    /// Counts one more; `false` where no more are allowed.
    pub(super) fn visit(&mut self) -> bool {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => self.is_exhausted = true,
        }
        !self.is_exhausted
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.is_exhausted
    }
}
