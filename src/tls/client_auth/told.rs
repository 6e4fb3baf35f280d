//! What the CRLs have said of chains that were asked about, so that they need not be asked again.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustls::pki_types::{CertificateDer, UnixTime};

use crate::chain::Sha256;

/// What the CRLs have said of chains. Verification hashes a whole CRL to check its signature, some milliseconds where it
/// has megabytes; and whoever has seen a client's certificate can have that done before any key is proved.
pub(super) struct Told {
    chains: Mutex<Generations>,
    /// When lists end, in order: what they say may be another thing then.
    ends: Box<[UnixTime]>,
}

/// What was asked lately, and what before that: who comes no more is forgotten in time.
#[derive(Default)]
struct Generations {
    young: HashMap<Sha256, Answer>,
    old: HashMap<Sha256, Answer>,
}

#[derive(Clone)]
struct Answer {
    at: UnixTime,
    outcome: Result<(), webpki::Error>,
}

/// Chains in a generation: some 3 MB. A CA has rarely more clients at a time.
const MOST_CHAINS: usize = 1 << 15;

impl Told {
    /// Nothing has been asked yet of lists that end at `ends`.
    pub(super) fn nothing(ends: impl IntoIterator<Item = UnixTime>) -> Self {
        let mut ends: Vec<_> = ends.into_iter().collect();
        ends.sort_unstable_by_key(UnixTime::as_secs);
        Self {
            chains: Mutex::default(),
            ends: ends.into(),
        }
    }

    /// What is known of `leaf` with its issuers `path` at the instant `now`, else what `ask` says.
    pub(super) fn of(
        &self,
        leaf: &CertificateDer<'_>,
        path: &[CertificateDer<'_>],
        now: UnixTime,
        ask: impl FnOnce() -> Result<(), webpki::Error>,
    ) -> Result<(), webpki::Error> {
        // DER says where it ends, so that nothing else has the same bytes in a row.
        let bytes: Vec<&[u8]> = std::iter::once(leaf).chain(path).map(AsRef::as_ref).collect();
        let chain = Sha256::of(&bytes.concat());
        let known = self
            .chains()
            .find(chain)
            .filter(|answer| self.says_the_same(answer.at, now));
        if let Some(answer) = known {
            return answer.outcome;
        }
        let outcome = ask();
        let answer = Answer {
            at: now,
            outcome: outcome.clone(),
        };
        self.chains().keep(chain, answer);
        outcome
    }

    fn chains(&self) -> MutexGuard<'_, Generations> {
        // No method leaves it half changed.
        self.chains.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the same lists are up to date at both instants. A clock that was wrong may go back.
    fn says_the_same(&self, then: UnixTime, now: UnixTime) -> bool {
        let ended = |at: UnixTime| self.ends.partition_point(|end| end.as_secs() <= at.as_secs());
        ended(then) == ended(now)
    }
}

#[cfg(test)]
impl Told {
    /// Of how many chains it is known what the CRLs say.
    pub(super) fn chains_known(&self) -> usize {
        self.chains().young.len()
    }
}

impl Generations {
    fn find(&mut self, chain: Sha256) -> Option<Answer> {
        if let Some(answer) = self.young.get(&chain) {
            return Some(answer.clone());
        }
        let answer = self.old.remove(&chain)?;
        self.keep(chain, answer.clone());
        Some(answer)
    }

    fn keep(&mut self, chain: Sha256, answer: Answer) {
        if self.young.len() >= MOST_CHAINS {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(chain, answer);
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Told").field("ends", &self.ends).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn the_lists_are_asked_once_of_each_chain_while_the_same_of_them_are_up_to_date() {
        let told = Told::nothing([at(200), at(100)]);
        let asked = Cell::new(0);
        let ask = |leaf: &'static [u8], path: &[&'static [u8]], now| {
            let path: Vec<CertificateDer<'_>> = path.iter().map(|&der| der.into()).collect();
            let outcome = told.of(&leaf.into(), &path, at(now), || {
                asked.set(asked.get() + 1);
                Err(webpki::Error::CertRevoked)
            });
            assert_eq!(outcome, Err(webpki::Error::CertRevoked));
            asked.get()
        };
        assert_eq!([ask(b"a", &[], 50), ask(b"a", &[], 99)], [1, 1]);
        assert_eq!([ask(b"b", &[], 99), ask(b"b", &[b"i"], 99)], [2, 3]);
        // The earlier has ended; both have; and a clock that was wrong has been set back.
        assert_eq!([ask(b"a", &[], 100), ask(b"a", &[], 199)], [4, 4]);
        assert_eq!([ask(b"a", &[], 200), ask(b"a", &[], 99)], [5, 6]);
    }

    #[test]
    fn of_many_chains_those_that_come_again_are_remembered() {
        let told = Told::nothing([]);
        let asked = Cell::new(0);
        let ask = |number: usize| {
            let leaf = number.to_be_bytes().to_vec();
            let outcome = told.of(&leaf.into(), &[], at(1), || {
                asked.set(asked.get() + 1);
                Ok(())
            });
            assert_eq!(outcome, Ok(()));
        };
        for number in 0..3 * MOST_CHAINS {
            ask(number);
            if number % 1000 == 0 {
                ask(0);
            }
        }
        assert_eq!(asked.get(), 3 * MOST_CHAINS);
        ask(1);
        assert_eq!(asked.get(), 3 * MOST_CHAINS + 1);
        let chains = told.chains();
        assert!(chains.young.len() + chains.old.len() <= 2 * MOST_CHAINS);
    }
}
