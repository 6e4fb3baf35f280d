//! What time alone will do to a chain: the same certificates, assembled again at each instant that may matter.

use std::sync::Arc;

use rustls_pki_types::UnixTime;

use super::review::is_same_ca;
use super::{Assembly, Certificate, Context, End, Status, Store, Warning, assemble};

/// The chain of a leaf turns into another one, or into one that is worth more or less, because a certificate begins or
/// has ended.
#[derive(Clone, Debug)]
pub struct Change {
    /// The first instant at which it holds.
    pub at: UnixTime,
    /// Whether clients notice.
    pub effect: Effect,
    /// The certificates that begin at that instant or have ended. Not empty.
    pub causes: Vec<Cause>,
    /// What the chain was worth until then.
    pub before: Status,
    /// The anchor that the chain led to until then, where clients that know no other lose their way: nothing leads
    /// there any more.
    pub lost_anchor: Option<Arc<Certificate>>,
    /// The chain from then on.
    pub after: Assembly,
}

/// What a change means for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Some or all refuse the server that did not before. An anchor that has ended counts: OpenSSL looks at it.
    Breaks,
    /// Fewer refuse it than before.
    Mends,
    /// The chain is another one, and as good.
    Switches,
}

/// A certificate that makes a change, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The certificate.
    pub certificate: Arc<Certificate>,
    /// Where it stands in the chain that it changes.
    pub place: Place,
    /// Whether it has ended; otherwise it begins.
    pub has_ended: bool,
}

/// The place of a certificate in a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The certificate of the server.
    Leaf,
    /// Between leaf and end.
    Intermediate,
    /// Where the chain ends: an anchor, or a self-signed certificate of the store.
    Root,
}

impl Place {
    /// The place as messages and JSON write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leaf => "leaf",
            Self::Intermediate => "intermediate",
            Self::Root => "root",
        }
    }
}

/// Follows the chain `now`, which was assembled with the same arguments, until `end` (inclusive), soonest change first.
///
/// The answer cannot change before [`Assembly::until`], so only these instants are looked at.
pub fn forecast(now: &Assembly, store: &Store, context: &Context<'_>, end: UnixTime) -> Vec<Change> {
    let leaf = now.chain.leaf();
    let mut changes = Vec::new();
    let mut before = now.clone();
    while let Some(at) = before.until.filter(|at| at.as_secs() <= end.as_secs()) {
        let after = assemble(leaf, store, &Context { at, ..*context });
        if let Some((effect, causes)) = change(&before, &after, at) {
            changes.push(Change {
                at,
                effect,
                causes,
                before: before.status,
                lost_anchor: lost_anchor(&before, &after),
                after: after.clone(),
            });
        }
        before = after;
    }
    changes
}

/// What happens at the instant `at`, if anything that matters does.
fn change(before: &Assembly, after: &Assembly, at: UnixTime) -> Option<(Effect, Vec<Cause>)> {
    let ended = |(_, certificate): &(Place, &Arc<Certificate>)| certificate.not_after().as_secs() + 1 == at.as_secs();
    let begun = |(_, certificate): &(Place, &Arc<Certificate>)| certificate.not_before() == at;
    let ends: Vec<_> = certificates(before).filter(ended).collect();
    let begins: Vec<_> = certificates(after).filter(begun).collect();
    // Whether one that has ended is still in the chain, for want of another: one more that must be renewed, even where
    // the chain was broken already.
    let stays = ends
        .iter()
        .any(|(_, ended)| certificates(after).any(|(_, certificate)| certificate == *ended));
    let effect = match worth(after).cmp(&worth(before)) {
        std::cmp::Ordering::Less => Effect::Breaks,
        _ if stays => Effect::Breaks,
        std::cmp::Ordering::Greater => Effect::Mends,
        std::cmp::Ordering::Equal if before.chain != after.chain => Effect::Switches,
        std::cmp::Ordering::Equal => return None,
    };
    let causes = |found: &[(Place, &Arc<Certificate>)], has_ended| -> Vec<Cause> {
        let cause = |(place, certificate): &(Place, &Arc<Certificate>)| Cause {
            certificate: (*certificate).clone(),
            place: *place,
            has_ended,
        };
        found.iter().map(cause).collect()
    };
    Some((effect, [causes(&ends, true), causes(&begins, false)].concat()))
}

/// The anchor that only the chain `before` leads to. One whose key the chain `after` still certifies is not lost: a
/// client that has it as a root stops there.
fn lost_anchor(before: &Assembly, after: &Assembly) -> Option<Arc<Certificate>> {
    let (End::Anchor(anchor), End::Anchor(_)) = (&before.chain.end, &after.chain.end) else {
        return None;
    };
    let is_there = certificates(after).any(|(_, certificate)| is_same_ca(certificate, anchor));
    (!is_there).then(|| anchor.clone())
}

/// The certificates of a chain and what it ends at, with their places.
fn certificates(assembly: &Assembly) -> impl Iterator<Item = (Place, &Arc<Certificate>)> {
    let sent = &assembly.chain.certificates;
    let end = match &assembly.chain.end {
        End::Anchor(end) | End::SelfSigned(end) => Some(end),
        End::Cycle | End::Leaf | End::Open => None,
    };
    let below = sent.iter().filter(move |certificate| Some(*certificate) != end);
    let places = below.enumerate().map(|(position, certificate)| match position {
        0 => (Place::Leaf, certificate),
        _ => (Place::Intermediate, certificate),
    });
    places.chain(end.map(|end| (Place::Root, end)))
}

/// The more, the better: the status, then whether the root is valid (OpenSSL asks), then whether no client stumbles.
fn worth(assembly: &Assembly) -> (Status, bool, bool) {
    let mut is_anchor_valid = true;
    let mut is_free_of_doubt = true;
    for warning in &assembly.warnings {
        match warning {
            Warning::AnchorExpired { .. } => is_anchor_valid = false,
            // It tells of the time to come, which is what is looked at here.
            Warning::ExpiresBeforeLeaf { .. } => {}
            Warning::AnchorPathLength { .. }
            | Warning::KeyIdConflict { .. }
            | Warning::NamesEncodedDifferently { .. }
            | Warning::StricterThanRfc5280 { .. } => is_free_of_doubt = false,
        }
    }
    (assembly.status, is_anchor_valid, is_free_of_doubt)
}
