//! The order of preference between chains.

use std::fmt;

use super::Policy;

/// What is asked of a chain, most important first: of two chains, the one that meets the earlier criterion wins,
/// whatever the later ones say. The first six are met or not; the last three compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Criterion {
    /// No certificate breaks a constraint of RFC 5280: name constraints, key usage, path length, critical extensions.
    Constraints,
    /// Every certificate is valid now.
    Validity,
    /// The chain ends at a configured anchor.
    Anchor,
    /// Every link is one that all clients follow: no key identifier conflicts (OpenSSL and Windows refuse those), and
    /// issuer and subject are equal byte for byte (rustls, Firefox and Go ask for that).
    Links,
    /// No weak signature or key.
    Strength,
    /// Every certificate outlives the leaf. Under [`Policy::Compat`] the oldest anchor goes before this: until a
    /// cross-certificate ends, it is kept.
    OutlivesLeaf,
    /// What the policy prefers: fewer certificates, or the oldest anchor.
    Policy,
    /// At the first place where they differ, the certificate that the key identifier names more exactly, and rather
    /// not a self-issued one.
    Fit,
    /// At the first place where they differ, the certificate that became valid later, or ends later.
    Newer,
    /// At the first place where they differ, the smaller fingerprint: arbitrary, and the same every time.
    Fingerprint,
}

impl Criterion {
    /// Why a chain was not chosen that is worse by this criterion, where `policy` decided.
    pub fn reason(self, policy: Policy) -> String {
        match (self, policy) {
            (Self::Policy, Policy::Short) => "policy short prefers fewer certificates".to_owned(),
            (Self::Policy, Policy::Compat) => {
                "policy compat prefers the oldest root, then fewer certificates".to_owned()
            }
            _ => self.to_string(),
        }
    }

    /// The criterion as JSON writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Constraints => "constraints",
            Self::Validity => "validity",
            Self::Anchor => "anchor",
            Self::Links => "links",
            Self::Strength => "strength",
            Self::OutlivesLeaf => "outlives-leaf",
            Self::Policy => "policy",
            Self::Fit => "fit",
            Self::Newer => "newer",
            Self::Fingerprint => "fingerprint",
        }
    }
}

/// The criteria that are met or not, in their order.
const MET_OR_NOT: [Criterion; 6] = [
    Criterion::Constraints,
    Criterion::Validity,
    Criterion::Anchor,
    Criterion::Links,
    Criterion::Strength,
    Criterion::OutlivesLeaf,
];

/// A set of criteria that every link of a chain must meet. The greater of two is the one to be preferred.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Demands(u8);

impl Demands {
    /// Every combination, the most preferred first: to search them in turn is to search in the order of preference.
    pub(super) fn in_order() -> impl Iterator<Item = Self> {
        (0..1 << MET_OR_NOT.len()).rev().map(Self)
    }

    /// Nothing is asked.
    pub(super) const NONE: Self = Self(0);

    /// Everything is asked.
    pub(super) const ALL: Self = Self((1 << MET_OR_NOT.len()) - 1);

    /// Whether nothing more can be asked.
    pub(super) fn are_all(self) -> bool {
        self == Self::ALL
    }

    /// The same, and `criterion` too.
    pub(super) fn with(self, criterion: Criterion) -> Self {
        Self(self.0 | Self::bit(criterion))
    }

    /// The same, and `criterion` no more.
    pub(super) fn without(self, criterion: Criterion) -> Self {
        Self(self.0 & !Self::bit(criterion))
    }

    /// Whether `self` asks for everything that `others` ask for.
    pub(super) fn include_all_of(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Whether `self` does without criteria of `others` alone.
    pub(super) fn lack_only(self, others: Self) -> bool {
        self.0 | others.0 == Self::ALL.0
    }

    pub(super) fn include(self, criterion: Criterion) -> bool {
        self.0 & Self::bit(criterion) != 0
    }

    /// The bit of a criterion that is met or not; none of one that compares.
    fn bit(criterion: Criterion) -> u8 {
        MET_OR_NOT
            .iter()
            .position(|met_or_not| *met_or_not == criterion)
            .map_or(0, |position| 1 << (MET_OR_NOT.len() - 1 - position))
    }

    /// The first criterion that one of the two includes and the other does not.
    pub(super) fn first_difference(self, other: Self) -> Option<Criterion> {
        MET_OR_NOT
            .into_iter()
            .find(|criterion| self.include(*criterion) != other.include(*criterion))
    }
}

impl fmt::Debug for Demands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(MET_OR_NOT.iter().filter(|criterion| self.include(**criterion)))
            .finish()
    }
}

/// Why a chain through another certificate was preferred.
impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Constraints => "breaks a constraint further up",
            Self::Validity => "leads to a certificate that is not valid now",
            Self::Anchor => "leads to no configured root",
            Self::Fit => "another fits the key id more exactly, or is not self-issued",
            Self::Links => "leads to a link that some clients do not follow",
            Self::Strength => "leads to a weak signature or key",
            Self::OutlivesLeaf => "leads to a certificate that expires before the leaf",
            Self::Policy => "another is preferred by policy",
            Self::Newer => "another is newer",
            Self::Fingerprint => "another of the same age comes first by fingerprint",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_criterion_outweighs_all_later_ones_together() {
        let order: Vec<_> = Demands::in_order().collect();
        let place = |wanted: &[Criterion]| {
            order
                .iter()
                .position(|demands| MET_OR_NOT.iter().all(|c| demands.include(*c) == wanted.contains(c)))
                .unwrap()
        };
        assert_eq!(place(&MET_OR_NOT), 0);
        assert_eq!(place(&[]), order.len() - 1);
        assert!(place(&[Criterion::Validity]) < place(&MET_OR_NOT[2..]));
    }
}
