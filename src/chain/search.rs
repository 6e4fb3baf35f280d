//! The search: the best chain through the verified-issuer graph.
//!
//! The criteria that a chain meets or does not are tried as demands in the order of preference; the first set of
//! demands that any chain meets is the best one. Under fixed demands the shortest chain is wanted (under `compat` the
//! shortest to the oldest anchor), so chains are tried by length, at each length the best candidate first, with
//! backtracking. A certificate that did not lead to the end at some depth is not tried again at that depth, which
//! bounds a search by links times depth instead of by paths: a shortest chain never needs a loop, so what failed on
//! one way there fails on every other.

use std::collections::{HashMap, HashSet, VecDeque};

use super::budget::{Budget, MOST_INTERMEDIATES};
use super::criterion::{Criterion, Demands};
use super::graph::{Graph, Link, NodeId, Role};
use super::name_constraints;
use super::signatures::SignatureCheck;
use super::{KeyIdMatch, Policy, Refusal};

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

/// What is searched for in one go.
struct Walk<'w> {
    demands: Demands,
    goal: Goal,
    /// How many links at least lie between a node and the goal, where that is known; a node without an entry never
    /// gets there.
    distances: Option<&'w HashMap<NodeId, usize>>,
    path: Vec<NodeId>,
    /// What is known not to lead to the goal: node, links still to go, intermediates below that count for path length.
    failed: HashSet<(NodeId, usize, usize)>,
    /// How many refusals so far had to do with the names of the intermediates below, and so hold for one way only.
    refused_for_path: usize,
    /// Whether any path of the length tried exists at all.
    reached: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    AnyAnchor,
    ThisAnchor(NodeId),
    SelfSigned,
    Open,
    Cycle,
}

/// The best path that starts with `prefix` (at least the leaf); `None` where `budget` runs out before one is found.
pub(super) fn best_path(graph: &mut Graph<'_>, prefix: &[NodeId], policy: Policy, budget: &mut Budget) -> Option<Path> {
    for demands in Demands::in_order() {
        let found = if demands.include(Criterion::Anchor) {
            to_anchor(graph, prefix, policy, demands, budget)
        } else {
            to_self_signed(graph, prefix, demands, budget)
                .or_else(|| shortest(graph, prefix, demands, Goal::Open, None, budget))
        };
        if found.is_some() || budget.is_exhausted() {
            return found;
        }
    }
    let nothing = Demands::in_order().last()?;
    shortest(graph, prefix, nothing, Goal::Cycle, None, budget)
}

fn to_anchor(
    graph: &mut Graph<'_>,
    prefix: &[NodeId],
    policy: Policy,
    demands: Demands,
    budget: &mut Budget,
) -> Option<Path> {
    let start = *prefix.last()?;
    let mut reachable = reachable(graph, start, demands);
    if policy == Policy::Short {
        let distances = reachable.distances(&reachable.anchors);
        return shortest(graph, prefix, demands, Goal::AnyAnchor, Some(&distances), budget);
    }
    // The oldest root is the one that old clients have.
    reachable.anchors.sort_by_key(|(anchor, _)| {
        let certificate = graph.certificate(*anchor);
        (certificate.not_before().as_secs(), certificate.fingerprint())
    });
    reachable
        .anchors
        .chunk_by(|left, right| left.0 == right.0)
        .find_map(|issued_by_one| {
            let distances = reachable.distances(issued_by_one);
            shortest(
                graph,
                prefix,
                demands,
                Goal::ThisAnchor(issued_by_one[0].0),
                Some(&distances),
                budget,
            )
        })
}

fn to_self_signed(graph: &mut Graph<'_>, prefix: &[NodeId], demands: Demands, budget: &mut Budget) -> Option<Path> {
    let reachable = reachable(graph, *prefix.last()?, demands);
    let distances = reachable.distances(&reachable.self_signed);
    shortest(graph, prefix, demands, Goal::SelfSigned, Some(&distances), budget)
}

/// What can be reached from a node, signatures left out of account: a bound that costs nothing.
struct Reachable {
    /// Child and issuer.
    links: Vec<(NodeId, NodeId)>,
    /// Anchor and the certificate it issued; an anchor stands once for each.
    anchors: Vec<(NodeId, NodeId)>,
    /// The same for self-signed certificates of the store.
    self_signed: Vec<(NodeId, NodeId)>,
}

fn reachable(graph: &mut Graph<'_>, start: NodeId, demands: Demands) -> Reachable {
    let mut reachable = Reachable {
        links: Vec::new(),
        anchors: Vec::new(),
        self_signed: Vec::new(),
    };
    let mut seen = HashSet::from([start]);
    let mut waiting = VecDeque::from([start]);
    while let Some(child) = waiting.pop_front() {
        for link in candidates(graph, child, demands) {
            if graph.node(link.to).refusals.contains(&Refusal::SelfSigned) {
                reachable.self_signed.push((link.to, child));
                continue;
            }
            if refusal_of_link(graph, link, demands).is_some() {
                continue;
            }
            if graph.node(link.to).role == Role::Anchor {
                reachable.anchors.push((link.to, child));
            } else {
                reachable.links.push((child, link.to));
                if seen.insert(link.to) {
                    waiting.push_back(link.to);
                }
            }
        }
    }
    reachable
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

impl Reachable {
    /// How many intermediates at least lie above each certificate on its way to one of `ends`, given with what they
    /// issued.
    fn distances(&self, ends: &[(NodeId, NodeId)]) -> HashMap<NodeId, usize> {
        let mut below: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
        for (child, issuer) in &self.links {
            below.entry(*issuer).or_default().push(*child);
        }
        let mut distances = HashMap::new();
        let mut waiting = VecDeque::new();
        for (_, child) in ends {
            if distances.insert(*child, 0).is_none() {
                waiting.push_back((*child, 0));
            }
        }
        while let Some((issuer, distance)) = waiting.pop_front() {
            for child in below.get(&issuer).into_iter().flatten() {
                if !distances.contains_key(child) {
                    distances.insert(*child, distance + 1);
                    waiting.push_back((*child, distance + 1));
                }
            }
        }
        distances
    }
}

/// The shortest path under `demands`; of several, the one with the best candidate at the lowest place where they
/// differ.
fn shortest(
    graph: &mut Graph<'_>,
    prefix: &[NodeId],
    demands: Demands,
    goal: Goal,
    distances: Option<&HashMap<NodeId, usize>>,
    budget: &mut Budget,
) -> Option<Path> {
    let start = *prefix.last()?;
    let least = match distances {
        Some(distances) => *distances.get(&start)?,
        None => 0,
    };
    let most = MOST_INTERMEDIATES.saturating_sub(prefix.len() - 1);
    let mut walk = Walk {
        demands,
        goal,
        distances,
        path: prefix.to_vec(),
        failed: HashSet::new(),
        refused_for_path: 0,
        reached: false,
    };
    for length in least..=most {
        walk.failed.clear();
        walk.reached = false;
        if let Some(end) = descend(graph, &mut walk, length, budget) {
            return Some(Path {
                nodes: walk.path,
                end,
                demands,
            });
        }
        // Where no path is that long, none is longer; distances cut paths short of the goal, so there it tells nothing.
        let no_longer = !walk.reached && distances.is_none();
        if no_longer || budget.is_exhausted() {
            break;
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
        if graph.node(link.to).role == Role::Anchor || !within_reach(walk.distances, link.to, to_go - 1) {
            continue;
        }
        if !budget.visit() {
            return None;
        }
        if let Some(refusal) = refusal_in_path(graph, &walk.path, link, walk.demands) {
            walk.refused_for_path += usize::from(matches!(refusal, Refusal::NameConstraint(_)));
            continue;
        }
        walk.path.push(link.to);
        let end = descend(graph, walk, to_go - 1, budget);
        if end.is_some() {
            return end;
        }
        walk.path.pop();
    }
    if walk.refused_for_path == refused_for_path && walk.goal != Goal::Cycle {
        walk.failed.insert(state);
    }
    None
}

fn within_reach(distances: Option<&HashMap<NodeId, usize>>, node: NodeId, to_go: usize) -> bool {
    distances.is_none_or(|distances| distances.get(&node).is_some_and(|distance| *distance <= to_go))
}

/// How `walk.path` ends at `top`, if it does.
fn end_of(graph: &mut Graph<'_>, walk: &mut Walk<'_>, top: NodeId, budget: &mut Budget) -> Option<End> {
    walk.reached = true;
    if !budget.visit() {
        return None;
    }
    let links = graph.links(top);
    match walk.goal {
        Goal::AnyAnchor | Goal::ThisAnchor(_) => links
            .anchors
            .iter()
            .filter(|link| walk.goal == Goal::AnyAnchor || walk.goal == Goal::ThisAnchor(link.to))
            .find(|link| refusal_in_path(graph, &walk.path, **link, walk.demands).is_none())
            .map(|link| End::Anchor(link.to)),
        Goal::SelfSigned => links
            .intermediates
            .iter()
            .find(|link| {
                let refusals = &graph.node(link.to).refusals;
                refusals.contains(&Refusal::SelfSigned)
                    && !refusals.contains(&Refusal::Disallowed)
                    && graph.signature(top, link.to) == SignatureCheck::Valid
            })
            .map(|link| End::SelfSigned(link.to)),
        Goal::Open => issuers(graph, top).is_empty().then_some(End::Open),
        Goal::Cycle => {
            let issuers = issuers(graph, top);
            let in_path = |issuer: &NodeId| refusal_of_loop(graph, &walk.path, *issuer).is_some();
            issuers.iter().all(in_path).then_some(End::Cycle)
        }
    }
}

/// The certificates that really issued `child`, whether or not a chain through them would be any good.
fn issuers(graph: &mut Graph<'_>, child: NodeId) -> Vec<NodeId> {
    let links = graph.links(child);
    let mut issuers = Vec::new();
    for link in links.anchors.iter().chain(&links.intermediates) {
        if is_issuer(graph, child, *link) {
            issuers.push(link.to);
        }
    }
    // An issuer whose key id conflicts is still one; it is looked for last, since there may be thousands to try.
    if issuers.is_empty() {
        for link in graph.conflicting(child).iter() {
            if is_issuer(graph, child, *link) {
                issuers.push(link.to);
            }
        }
    }
    issuers
}

fn is_issuer(graph: &mut Graph<'_>, child: NodeId, link: Link) -> bool {
    let refusals = &graph.node(link.to).refusals;
    let usable = refusals
        .iter()
        .all(|refusal| refusal.criterion().is_some() || *refusal == Refusal::SelfSigned);
    usable && graph.signature(child, link.to) == SignatureCheck::Valid
}

/// Anchors first, then intermediates, each best first.
fn candidates(graph: &mut Graph<'_>, child: NodeId, demands: Demands) -> Vec<Link> {
    let links = graph.links(child);
    let mut candidates: Vec<Link> = links.anchors.iter().chain(&links.intermediates).copied().collect();
    if !demands.include(Criterion::KeyId) {
        candidates.extend(graph.conflicting(child).iter());
    }
    candidates
}

/// Why `link` cannot extend `path` under `demands`; the signature is checked last, being dear.
pub(super) fn refusal_in_path(graph: &mut Graph<'_>, path: &[NodeId], link: Link, demands: Demands) -> Option<Refusal> {
    let top = *path.last()?;
    refusal_of_link(graph, link, demands)
        .or_else(|| refusal_of_loop(graph, path, link.to))
        .or_else(|| refusal_of_place(graph, path, link.to).filter(|_| demands.include(Criterion::Constraints)))
        .or_else(|| match graph.signature(top, link.to) {
            SignatureCheck::Valid => None,
            SignatureCheck::Invalid => Some(Refusal::SignatureInvalid),
            SignatureCheck::Unsupported => Some(Refusal::SignatureUnsupported),
        })
}

/// What speaks against `link` wherever it stands.
fn refusal_of_link(graph: &Graph<'_>, link: Link, demands: Demands) -> Option<Refusal> {
    let counts = |refusal: &Refusal| refusal.criterion().is_none_or(|criterion| demands.include(criterion));
    let conflict =
        (link.key_id == KeyIdMatch::Conflict && demands.include(Criterion::KeyId)).then_some(Refusal::KeyIdConflict);
    let node = graph.node(link.to);
    node.refusals
        .iter()
        .find(|refusal| counts(refusal))
        .cloned()
        .or(conflict)
}

fn refusal_of_loop(graph: &Graph<'_>, path: &[NodeId], issuer: NodeId) -> Option<Refusal> {
    let issuer = graph.node(issuer);
    if issuer.role == Role::Anchor {
        return None;
    }
    path.iter()
        .map(|node| graph.certificate(*node))
        .any(|earlier| {
            earlier.subject() == issuer.certificate.subject()
                && earlier.key_fingerprint() == issuer.certificate.key_fingerprint()
        })
        .then_some(Refusal::Loop)
}

/// What speaks against `issuer` because of the intermediates below it: path length and the names they bear.
pub(super) fn refusal_of_place(graph: &Graph<'_>, path: &[NodeId], issuer: NodeId) -> Option<Refusal> {
    let node = graph.node(issuer);
    if let Some(allowed) = node.certificate.basic_constraints().and_then(|constraints| constraints.path_length)
        // An anchor's path length binds nobody (RFC 5280 section 6.1.1 (d)).
        && node.role == Role::Intermediate
        && counted(graph, path) > allowed as usize
    {
        return Some(Refusal::PathLength { allowed });
    }
    let constraints = node.certificate.name_constraints()?;
    path.iter()
        .skip(1)
        .map(|below| graph.certificate(*below))
        // "Name constraints are not applied to self-issued certificates (unless the certificate is the final
        // certificate in the path)."
        .filter(|below| !below.is_self_issued())
        .find_map(|below| name_constraints::violation(constraints, below))
        .map(Refusal::NameConstraint)
}

/// The intermediates of `path` that count for path length: self-issued ones do not (RFC 5280 section 4.2.1.9).
fn counted(graph: &Graph<'_>, path: &[NodeId]) -> usize {
    path.iter()
        .skip(1)
        .filter(|node| !graph.certificate(**node).is_self_issued())
        .count()
}
