//! Which certificates stand for the same names: of an RSA and an ECDSA certificate for one host, neither may turn into
//! the other.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::guard::{self, Worse};
use super::judge::Candidate;
use super::served::Served;
use crate::chain::Certificate;

/// The leaves that are served, and those that would be served next, by name.
pub(super) struct Akin<'a> {
    candidates: &'a [Candidate<'a>],
    served: HashMap<String, Vec<&'a Arc<Served>>>,
    /// As places among the candidates.
    next: HashMap<String, Vec<usize>>,
}

impl<'a> Akin<'a> {
    pub(super) fn of(candidates: &'a [Candidate<'a>], previous: &'a [Arc<Served>]) -> Self {
        let mut served = HashMap::<_, Vec<_>>::new();
        for other in previous {
            for name in guard::names(&other.bundle.leaf) {
                served.entry(name).or_default().push(other);
            }
        }
        let mut next = HashMap::<_, Vec<_>>::new();
        for (place, candidate) in candidates.iter().enumerate() {
            for name in next_leaf(candidate).map(guard::names).into_iter().flatten() {
                next.entry(name).or_default().push(place);
            }
        }
        Self {
            candidates,
            served,
            next,
        }
    }

    /// Which kind of key the names of what is served at `place` would lose.
    pub(super) fn lost_key_type(&self, place: usize) -> Option<Worse> {
        let (_, Ok(prospect), Some(before)) = self.candidates.get(place)? else {
            return None;
        };
        let names = guard::names(&before.bundle.leaf);
        let of_names = |name: &String| self.served.get(name).into_iter().flatten();
        let others_served = names
            .iter()
            .flat_map(of_names)
            .filter(|other| !Arc::ptr_eq(other, before));
        let of_names = |name: &String| self.next.get(name).into_iter().flatten().copied();
        let others: BTreeSet<usize> = names
            .iter()
            .flat_map(of_names)
            .filter(|other| *other != place)
            .collect();
        let others_next = others
            .iter()
            .filter_map(|other| next_leaf(self.candidates.get(*other)?));
        guard::lost_key_type(
            &before.bundle.leaf,
            &prospect.bundle.leaf,
            others_served.map(|other| &*other.bundle.leaf),
            others_next,
        )
    }
}

/// The leaf on disk; the one served where there is none.
fn next_leaf<'c>((_, prospect, before): &'c Candidate<'_>) -> Option<&'c Certificate> {
    match (prospect, before) {
        (Ok(prospect), _) => Some(&prospect.bundle.leaf),
        (Err(_), Some(before)) => Some(&before.bundle.leaf),
        (Err(_), None) => None,
    }
}
