//! The search: the best chain through the verified-issuer graph.
//!
//! The criteria that a chain meets or does not are tried as demands in the order of preference; the first set of
//! demands that any chain meets is the best one. Under fixed demands the shortest chain is wanted (under `compat` the
//! shortest to the oldest anchor), so chains are tried by length, at each length the best candidate first, with
//! backtracking. A certificate that did not lead to the end at some depth is not tried again at that depth, which
//! bounds a search by links times depth instead of by paths.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use super::Policy;
use super::Refusal;
use super::budget::{Budget, MOST_INTERMEDIATES, MOST_OTHER_ANCHORS, MOST_OTHER_ANCHORS_TRIED};
use super::criterion::{Criterion, Demands};
use super::graph::{Graph, Link, NodeId, Role};
use super::judge::{counted, is_same_ca, issuers, refusal_in_path, refusal_of_loop};
use super::reachable::{Distances, Reachable, candidates, is_self_signed_end};
use super::signatures::SignatureCheck;

/// A chain as the search sees it.
#[derive(Clone, Debug)]
pub(super) struct Path {
    /// From the leaf up, without the anchor.
    pub(super) nodes: Vec<NodeId>,
    pub(super) end: End,
    /// The demands that it meets.
    pub(super) demands: Demands,
}

/// Where a path ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// At this anchor.
    Anchor(NodeId),
    /// At this self-signed certificate of the store.
    SelfSigned(NodeId),
    /// At a certificate whose issuer is not there.
    Open,
    /// At a certificate all of whose issuers are in the path already.
    Cycle,
}

impl Path {
    /// The certificate that the path ends at, above its last node.
    pub(super) fn end_node(&self) -> Option<NodeId> {
        match self.end {
            End::Anchor(end) | End::SelfSigned(end) => Some(end),
            End::Open | End::Cycle => None,
        }
    }
}

/// The best path that starts with `prefix` (at least the leaf); `None` where `budget` runs out before one is found,
/// and where there are only circles.
pub(super) fn best_path(graph: &mut Graph<'_>, prefix: &[NodeId], policy: Policy, budget: &mut Budget) -> Option<Path> {
    let start = *prefix.last()?;
    let mut questioned = None;
    for demands in Demands::in_order() {
        // Mostly the first demands of all are met, and nothing need be questioned.
        if !demands.are_all() {
            let questioned = *questioned
                .get_or_insert_with(|| Reachable::from(graph, start, Demands::NONE).criteria_in_question(graph));
            if !demands.lack_only(questioned) {
                continue;
            }
        }
        let found = if demands.include(Criterion::Anchor) {
            match policy {
                Policy::Short => to_nearest_anchor(graph, prefix, demands, budget),
                Policy::Compat => to_oldest_anchor(graph, prefix, demands, budget),
            }
        } else {
            let reachable = Reachable::from(graph, start, demands);
            let to_self_signed = reachable.distances_to_self_signed();
            shortest(graph, prefix, demands, Goal::SelfSigned, &to_self_signed, budget).or_else(|| {
                let to_open_end = reachable.distances_to_open_ends(graph);
                shortest(graph, prefix, demands, Goal::Open, &to_open_end, budget)
            })
        };
        if found.is_some() || budget.is_exhausted() {
            return found;
        }
    }
    None
}

/// The best path to each anchor that `chosen` does not end at: the shortest that is valid, breaks no constraint, has no
/// link that some clients do not follow, and is not weak. The oldest anchor comes first.
pub(super) fn paths_to_other_anchors(graph: &mut Graph<'_>, chosen: &Path, budget: &mut Budget) -> Vec<Path> {
    let End::Anchor(anchor) = chosen.end else {
        return Vec::new();
    };
    let demands = Demands::ALL.without(Criterion::OutlivesLeaf);
    // Where the best of all is not good enough, no other is.
    if !chosen.demands.include_all_of(demands) {
        return Vec::new();
    }
    let mut reachable = Reachable::from(graph, Graph::LEAF, demands);
    sort_by_age(graph, &mut reachable.anchors);
    let mut found: Vec<Path> = Vec::new();
    let mut known = vec![anchor];
    for issued in reachable.anchors.chunk_by(|left, right| left.0 == right.0) {
        let other = issued[0].0;
        // Trust lies in subject and key: two certificates of one anchor are one.
        if known.iter().any(|known| is_same_ca(graph, *known, other)) {
            continue;
        }
        let is_enough = found.len() == MOST_OTHER_ANCHORS || known.len() > MOST_OTHER_ANCHORS_TRIED;
        if is_enough || budget.is_exhausted() {
            break;
        }
        known.push(other);
        let distances = reachable.distances(issued);
        let goal = Goal::ThisAnchor(other);
        found.extend(shortest(graph, &[Graph::LEAF], demands, goal, &distances, budget));
    }
    found
}

/// A path found by taking the best candidate at each step, whatever it is worth: better than the leaf alone where CAs
/// certify one another in circles, or so many that the search was given up.
pub(super) fn any_path(graph: &mut Graph<'_>) -> Option<Path> {
    let demands = Demands::NONE;
    let mut nodes = vec![Graph::LEAF];
    while nodes.len() <= MOST_INTERMEDIATES {
        let top = *nodes.last()?;
        let next = candidates(graph, top, demands)
            .into_iter()
            .find(|link| refusal_in_path(graph, &nodes, *link, demands).is_none());
        match next {
            Some(link) if graph.node(link.to).role == Role::Anchor => {
                return Some(Path {
                    nodes,
                    end: End::Anchor(link.to),
                    demands,
                });
            }
            Some(link) => nodes.push(link.to),
            None => break,
        }
    }
    let top = *nodes.last()?;
    let is_in_circle = issuers(graph, top)
        .into_iter()
        .any(|issuer| refusal_of_loop(graph, &nodes, issuer).is_some());
    let end = if is_in_circle { End::Cycle } else { End::Open };
    Some(Path { nodes, end, demands })
}

fn to_nearest_anchor(graph: &mut Graph<'_>, prefix: &[NodeId], demands: Demands, budget: &mut Budget) -> Option<Path> {
    let reachable = Reachable::from(graph, *prefix.last()?, demands);
    let distances = reachable.distances(&reachable.anchors);
    shortest(graph, prefix, demands, Goal::AnyAnchor, &distances, budget)
}

/// The oldest root is the one that old clients have. A way to it counts for more than that nothing on it ends before
/// the leaf: chains are assembled again when something ends, and until then those clients are served.
fn to_oldest_anchor(graph: &mut Graph<'_>, prefix: &[NodeId], demands: Demands, budget: &mut Budget) -> Option<Path> {
    let start = *prefix.last()?;
    let tolerant = demands.without(Criterion::OutlivesLeaf);
    let mut in_reach = Reachable::from(graph, start, tolerant);
    let strictly = (tolerant != demands).then(|| Reachable::from(graph, start, demands));
    sort_by_age(graph, &mut in_reach.anchors);
    let by_anchor = in_reach.anchors.chunk_by(|left, right| left.0 == right.0);
    by_anchor.into_iter().find_map(|issued| {
        let anchor = issued[0].0;
        let goal = Goal::ThisAnchor(anchor);
        let strict = strictly.as_ref().and_then(|reachable| {
            let issued: Vec<_> = reachable
                .anchors
                .iter()
                .copied()
                .filter(|(to, _)| *to == anchor)
                .collect();
            let distances = reachable.distances(&issued);
            shortest(graph, prefix, demands, goal, &distances, budget)
        });
        strict.or_else(|| {
            let distances = in_reach.distances(issued);
            shortest(graph, prefix, tolerant, goal, &distances, budget)
        })
    })
}

/// The oldest anchor first, with all that it issued together.
fn sort_by_age(graph: &Graph<'_>, anchors: &mut [(NodeId, NodeId)]) {
    anchors.sort_by_key(|(anchor, _)| {
        let certificate = graph.certificate(*anchor);
        (certificate.not_before().as_secs(), certificate.fingerprint())
    });
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    AnyAnchor,
    ThisAnchor(NodeId),
    SelfSigned,
    Open,
}

/// What is searched for in one go.
struct Walk<'w> {
    demands: Demands,
    goal: Goal,
    distances: &'w Distances,
    path: Vec<NodeId>,
    /// What is known not to lead to the goal: node, links still to go, intermediates below that count for path length.
    failed: HashSet<(NodeId, usize, usize)>,
    /// How many refusals so far hold for one way only: those for the names of the intermediates below, and under
    /// `exact` those for loops.
    refused_for_path: usize,
    /// Whether a loop was refused.
    met_loop: bool,
    exact: bool,
}

/// The shortest path under `demands`; of several, the one with the best candidate at the lowest place where they
/// differ.
fn shortest(
    graph: &mut Graph<'_>,
    prefix: &[NodeId],
    demands: Demands,
    goal: Goal,
    distances: &Distances,
    budget: &mut Budget,
) -> Option<Path> {
    let least = *distances.get(prefix.last()?)?;
    let most = MOST_INTERMEDIATES.saturating_sub(prefix.len() - 1);
    let mut walk = Walk {
        demands,
        goal,
        distances,
        path: prefix.to_vec(),
        failed: HashSet::new(),
        refused_for_path: 0,
        met_loop: false,
        exact: false,
    };
    // A shortest path never needs a loop, so what failed for a loop on one way mostly fails on every other. It need
    // not where one CA has several certificates and the upper one is refused below where the lower was not: so once
    // more with every loop counted, as far as a small budget goes.
    let mut end = by_length(graph, &mut walk, least..=most, budget);
    if end.is_none() && walk.met_loop && !budget.is_exhausted() {
        walk.exact = true;
        end = budget.retry(|budget| by_length(graph, &mut walk, least..=most, budget));
    }
    let end = end?;
    Some(Path {
        nodes: walk.path,
        end,
        demands,
    })
}

fn by_length(
    graph: &mut Graph<'_>,
    walk: &mut Walk<'_>,
    lengths: RangeInclusive<usize>,
    budget: &mut Budget,
) -> Option<End> {
    for length in lengths {
        walk.failed.clear();
        let end = descend(graph, walk, length, budget);
        if end.is_some() || budget.is_exhausted() {
            return end;
        }
    }
    None
}

/// Extends `walk.path` by `to_go` intermediates so that it ends at the goal, or leaves it as it was.
fn descend(graph: &mut Graph<'_>, walk: &mut Walk<'_>, to_go: usize, budget: &mut Budget) -> Option<End> {
    let top = *walk.path.last()?;
    if to_go == 0 {
        return end_of(graph, walk, top, budget);
    }
    let state = (top, to_go, counted(graph, &walk.path));
    if walk.failed.contains(&state) {
        return None;
    }
    let refused_for_path = walk.refused_for_path;
    for link in candidates(graph, top, walk.demands) {
        let is_within_reach = walk.distances.get(&link.to).is_some_and(|distance| *distance < to_go);
        if graph.node(link.to).role == Role::Anchor || !is_within_reach {
            continue;
        }
        if !budget.visit() {
            return None;
        }
        if let Some(refusal) = refusal_in_path(graph, &walk.path, link, walk.demands) {
            walk.note(graph, link, &refusal);
            continue;
        }
        walk.path.push(link.to);
        let end = descend(graph, walk, to_go - 1, budget);
        if end.is_some() {
            return end;
        }
        walk.path.pop();
    }
    if walk.refused_for_path == refused_for_path {
        walk.failed.insert(state);
    }
    None
}

impl Walk<'_> {
    /// Remembers whether `refusal` holds for this way only.
    fn note(&mut self, graph: &Graph<'_>, link: Link, refusal: &Refusal) {
        let is_loop = *refusal == Refusal::Loop;
        self.met_loop |= is_loop;
        // Names of the leaf are the same on every way, those of the intermediates below are not.
        let is_for_names_below =
            matches!(refusal, Refusal::NameConstraint(_)) && !graph.node(link.to).refusals.contains(refusal);
        self.refused_for_path += usize::from(is_for_names_below || is_loop && self.exact);
    }
}

/// How `walk.path` ends at `top`, if it does.
fn end_of(graph: &mut Graph<'_>, walk: &mut Walk<'_>, top: NodeId, budget: &mut Budget) -> Option<End> {
    if !budget.visit() {
        return None;
    }
    match walk.goal {
        Goal::AnyAnchor | Goal::ThisAnchor(_) => {
            let is_wanted = |link: &Link| walk.goal == Goal::AnyAnchor || walk.goal == Goal::ThisAnchor(link.to);
            let anchors: Vec<Link> = graph.links(top).anchors.iter().copied().filter(is_wanted).collect();
            for link in anchors {
                match refusal_in_path(graph, &walk.path, link, walk.demands) {
                    None => return Some(End::Anchor(link.to)),
                    Some(refusal) => walk.note(graph, link, &refusal),
                }
            }
            None
        }
        Goal::SelfSigned => candidates(graph, top, walk.demands)
            .into_iter()
            .filter(|link| is_self_signed_end(graph, *link, walk.demands))
            .map(|link| link.to)
            .collect::<Vec<_>>()
            .into_iter()
            .find(|root| graph.signature(top, *root) == SignatureCheck::Valid)
            .map(End::SelfSigned),
        Goal::Open => issuers(graph, top).is_empty().then_some(End::Open),
    }
}
