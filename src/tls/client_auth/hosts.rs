//! Which policy a host has: by its exact name, else by the longest domain that it is under, however deep, as routes have
//! it. A certificate's wildcard stands for one label; a wildcard that guards a domain must not end there.

use std::collections::HashMap;

use crate::tls::names::{MAX_NAME_BYTES, lower_case};

/// Policies, by their place, for the hosts they are for.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    exact: HashMap<Box<str>, usize>,
    /// By what follows `*.`.
    under: HashMap<Box<str>, usize>,
}

impl Hosts {
    /// Notes that `pattern` has the policy at `place`, unless it has an earlier one.
    pub(super) fn add(&mut self, pattern: &str, place: usize) {
        let (map, name) = match pattern.strip_prefix("*.") {
            Some(domain) => (&mut self.under, domain),
            None => (&mut self.exact, pattern),
        };
        let mut buffer = [0; MAX_NAME_BYTES];
        if let Some(name) = lower_case(name, &mut buffer) {
            map.entry(name.into()).or_insert(place);
        }
    }

    /// The policy of `host`. A hash lookup for each of its labels, no allocation.
    pub(super) fn find(&self, host: &str) -> Option<usize> {
        if self.exact.is_empty() && self.under.is_empty() {
            return None;
        }
        let mut buffer = [0; MAX_NAME_BYTES];
        let host = lower_case(host, &mut buffer)?;
        let parents = host.match_indices('.').filter_map(|(dot, _)| host.get(dot + 1..));
        let mut under = parents.filter_map(|parent| self.under.get(parent));
        self.exact.get(host).or_else(|| under.next()).copied()
    }
}
