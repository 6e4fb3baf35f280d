//! The names under which an assembly looked for issuers.

use super::{Name, Sha256};

/// A set of names. Kept with each chain that is served, so it holds digests only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sought {
    /// Sorted, each once.
    digests: Box<[Sha256]>,
}

impl Sought {
    /// Whether issuers of this name were looked for. Only then can a certificate with `subject`, added to the store or
    /// taken from it, change the chain.
    pub fn contains(&self, subject: &Name) -> bool {
        self.digests.binary_search(&subject.digest()).is_ok()
    }

    /// The names of both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self::of(self.digests.iter().chain(&*other.digests).copied().collect())
    }

    fn of(mut digests: Vec<Sha256>) -> Self {
        digests.sort_unstable();
        digests.dedup();
        Self {
            digests: digests.into(),
        }
    }
}

impl<'n> FromIterator<&'n Name> for Sought {
    fn from_iter<I: IntoIterator<Item = &'n Name>>(names: I) -> Self {
        Self::of(names.into_iter().map(Name::digest).collect())
    }
}
