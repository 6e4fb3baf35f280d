//! Something for each client, in parts that are locked one by one.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::address::ClientAddress;

/// How many parts there are: with a worker on each of 16 cores two seldom meet in one.
pub(super) const SHARDS: usize = 16;

/// Something for each client.
#[derive(Debug)]
pub(super) struct Shards<V> {
    shards: [Mutex<HashMap<ClientAddress, V>>; SHARDS],
    // Keyed by chance, so that nobody can choose addresses that all fall into one part.
    hasher: RandomState,
}

impl<V> Default for Shards<V> {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
        }
    }
}

impl<V> Shards<V> {
    /// The part that `client` is in.
    pub(super) fn of(&self, client: ClientAddress) -> MutexGuard<'_, HashMap<ClientAddress, V>> {
        let [first, ..] = &self.shards;
        let number = usize::from(self.hasher.hash_one(client).to_ne_bytes()[0]) % SHARDS;
        // Nothing panics while it holds a lock, and what is counted is never halfway.
        let shard = self.shards.get(number).unwrap_or(first);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
