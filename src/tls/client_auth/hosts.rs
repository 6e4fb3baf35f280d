//! Which policy a host has: by its exact name, else by the longest domain that it is under, however deep, as routes have
//! it. A certificate's wildcard stands for one label; a wildcard that guards a domain must not end there.

use std::collections::HashMap;

use super::{ClientAuthMode, ClientAuthPolicy, Demand};
use crate::chain::Sha256;
use crate::tls::names::{MAX_NAME_BYTES, lower_case};

/// Which policy each host has, by its place, and what it asks.
#[derive(Debug)]
pub(super) struct Hosts {
    exact: HashMap<Box<str>, usize>,
    /// By what follows `*.`.
    under: HashMap<Box<str>, usize>,
    /// The place of the policy for all other hosts; beyond the end where there is none.
    others: usize,
    /// What the policy at each place asks.
    asks: Box<[Asked]>,
}

/// What is asked of a client. Whoever was asked the same is as good for one host as for another. A connection keeps it, so it
/// holds no CA and no CRL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::tls) struct Asked {
    pub(super) mode: ClientAuthMode,
    /// By what its certificate is examined, where it is asked for.
    examined_by: Option<Sha256>,
}

impl Asked {
    fn of(demand: &Demand) -> Self {
        Self {
            mode: demand.mode(),
            examined_by: match demand {
                Demand::Nothing => None,
                Demand::Optional(examiner) | Demand::Required(examiner) => Some(examiner.digest()),
            },
        }
    }
}

impl Hosts {
    /// The hosts of `policies`. Of two for the same host the earlier counts.
    pub(super) fn of(policies: &[ClientAuthPolicy]) -> Self {
        let stands_for_others = |policy: &ClientAuthPolicy| policy.hosts.is_empty();
        let mut hosts = Self {
            exact: HashMap::new(),
            under: HashMap::new(),
            others: policies.iter().position(stands_for_others).unwrap_or(policies.len()),
            asks: policies.iter().map(|policy| Asked::of(&policy.demand)).collect(),
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
    pub(super) fn asked_at(&self, place: usize) -> Asked {
        self.asks.get(place).copied().unwrap_or_default()
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
