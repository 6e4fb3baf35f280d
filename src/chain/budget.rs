//! How far a search may go, each limit with its origin.

/// Intermediates in one chain. rustls-webpki allows 6 and mozilla::pkix too, Chromium's path builder has no limit of
/// its own, OpenSSL allows 100; nothing seen in the wild has more than 4. A chain longer than 6 is found and warned
/// about.
pub(super) const MOST_INTERMEDIATES: usize = 20;

/// Candidates looked at for one leaf. rustls-webpki and mozilla::pkix allow 200,000 calls of their builders, each of
/// which may verify a signature; here a signature is verified once and a search is bounded by links times depth, so
/// that a quarter is plenty.
const MOST_VISITS: usize = 50_000;

/// Candidates looked at to find the chains that were not chosen. They are only shown: a few hundred links are plenty,
/// and weighing must not cost more than choosing.
const MOST_VISITS_TO_COMPARE: usize = 5_000;

/// Candidates looked at when a search is done once more with every loop counted.
const MOST_VISITS_TO_RETRY: usize = 2_000;

/// Keys tried for signatures whose signer is known already. At 70 µs each they stay below 20 ms, and nobody has more than a handful of
/// certificates made to confuse.
pub(super) const MOST_FURTHER_KEYS: usize = 256;

/// Counts the candidates looked at.
#[derive(Debug)]
pub(super) struct Budget {
    visited: usize,
    most: usize,
}

impl Budget {
    pub(super) fn to_choose() -> Self {
        Self {
            visited: 0,
            most: MOST_VISITS,
        }
    }

    pub(super) fn to_retry() -> Self {
        Self {
            visited: 0,
            most: MOST_VISITS_TO_RETRY,
        }
    }

    pub(super) fn to_compare() -> Self {
        Self {
            visited: 0,
            most: MOST_VISITS_TO_COMPARE,
        }
    }

    /// Counts one more; `false` where no more are allowed.
    pub(super) fn visit(&mut self) -> bool {
        self.visited += 1;
        !self.is_exhausted()
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.visited > self.most
    }
}
