//! Which policy a host has: by its exact name, else by the longest domain that it is under, however deep, as routes have
//! it. A certificate's wildcard stands for one label; a wildcard that guards a domain must not end there.

use std::collections::HashMap;

use super::{ClientAuthMode, ClientAuthPolicy};
use crate::tls::names::{MAX_NAME_BYTES, lower_case};

/// Which policy each host has, by its place, and what it asks. It holds no CA and no CRL, so that a connection may keep it
/// for as long as it lasts.
#[derive(Debug)]
pub(in crate::tls) struct Hosts {
    exact: HashMap<Box<str>, usize>,
    /// By what follows `*.`.
    under: HashMap<Box<str>, usize>,
    /// The place of the policy for all other hosts; beyond the end where there is none.
    others: usize,
    /// What the policy at each place asks.
    modes: Box<[ClientAuthMode]>,
}

impl Hosts {
    /// The hosts of `policies`. Of two for the same host the earlier counts.
    pub(super) fn of(policies: &[ClientAuthPolicy]) -> Self {
        let stands_for_others = |policy: &ClientAuthPolicy| policy.hosts.is_empty();
        let mut hosts = Self {
            exact: HashMap::new(),
            under: HashMap::new(),
            others: policies.iter().position(stands_for_others).unwrap_or(policies.len()),
            modes: policies.iter().map(|policy| policy.demand.mode()).collect(),
        };
        for (place, policy) in policies.iter().enumerate() {
            policy.hosts.iter().for_each(|host| hosts.add(host, place));
        }
        hosts
    }

    /// Notes that `pattern` has the policy at `place`, unless it has an earlier one.
    fn add(&mut self, pattern: &str, place: usize) {
        let (map, name) = match pattern.strip_prefix("*.") {
            Some(domain) => (&mut self.under, domain),
            None => (&mut self.exact, pattern),
        };
        let mut buffer = [0; MAX_NAME_BYTES];
        if let Some(name) = lower_case(name, &mut buffer) {
            map.entry(name.into()).or_insert(place);
        }
    }

    /// The place of the policy for a client that asks for `server_name`.
    pub(super) fn place_for(&self, server_name: Option<&str>) -> usize {
        let named = server_name.and_then(|name| self.find(name));
        named.unwrap_or(self.others)
    }

    /// What the policy at `place` asks.
    pub(super) fn mode_at(&self, place: usize) -> ClientAuthMode {
        self.modes.get(place).copied().unwrap_or(ClientAuthMode::Off)
    }

    /// Whether what was asked of a client under the policy at `place` is what would be asked of it for `host`. Not for
    /// what is too long to be looked for: whoever cuts it might find another host.
    pub(in crate::tls) fn is_same_for(&self, place: usize, host: &str) -> bool {
        if host.len() > MAX_NAME_BYTES {
            return false;
        }
        let other = self.place_for(Some(host));
        let asks_nothing = |place| self.mode_at(place) == ClientAuthMode::Off;
        place == other || asks_nothing(place) && asks_nothing(other)
    }

    /// The policy of `host`. A hash lookup for each of its labels, no allocation.
    fn find(&self, host: &str) -> Option<usize> {
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
