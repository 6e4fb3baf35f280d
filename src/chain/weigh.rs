//! The trail of a chain that was found: what became of every candidate along it, and the best chain through each that
//! was passed over.

use std::sync::Arc;

use super::budget::Budget;
use super::graph::{Graph, Link, NodeId, Role};
use super::search::{End, Path, best_path, refusal_in_path, refusal_of_place};
use super::trail::{Step, Trail, Verdict};
use super::{Certificate, Criterion, KeyIdMatch, Policy, Refusal};

/// Candidates with another key id that a trail lists for one certificate; with a thousand CAs of one name nobody
/// reads more.
const MOST_CONFLICTS_LISTED: usize = 8;

/// Goes along `chosen` once more.
pub(super) fn weigh(graph: &mut Graph<'_>, chosen: &Path, policy: Policy) -> (Trail, Vec<Path>) {
    let mut trail = Trail::default();
    let mut alternatives = Vec::new();
    let mut budget = Budget::to_compare();
    for (position, child) in chosen.nodes.iter().enumerate() {
        let prefix = &chosen.nodes[..=position];
        let next = chosen.nodes.get(position + 1).copied().or_else(|| chosen.end_node());
        let links = graph.links(*child);
        let mut candidates: Vec<Link> = links.anchors.iter().chain(&links.intermediates).copied().collect();
        let conflicts_count = !chosen.demands.include(Criterion::KeyId);
        if conflicts_count {
            candidates.extend(graph.conflicting(*child).iter());
        }
        for link in candidates {
            let verdict = if next == Some(link.to) {
                Verdict::Chosen
            } else if let Some(refusals) = refusals(graph, chosen, prefix, link) {
                Verdict::Refused(refusals)
            } else if let Some(other) = best_through(graph, chosen, prefix, link, policy, &mut budget) {
                let criterion = difference(graph, chosen, &other);
                alternatives.push(other);
                Verdict::Passed(criterion)
            } else if budget.is_exhausted() {
                Verdict::NotCompared
            } else {
                Verdict::Passed(Criterion::Anchor)
            };
            trail.steps.push(Step {
                child: graph.certificate(*child).clone(),
                candidate: graph.certificate(link.to).clone(),
                is_anchor: graph.node(link.to).role == Role::Anchor,
                key_id: link.key_id,
                verdict,
            });
        }
        if !conflicts_count {
            list_conflicts(graph, graph.certificate(*child), &mut trail);
        }
    }
    (trail, alternatives)
}

/// Why `link` is no way to a chain as good as the chosen one; `None` where nothing speaks against it as such.
fn refusals(graph: &mut Graph<'_>, chosen: &Path, prefix: &[NodeId], link: Link) -> Option<Vec<Refusal>> {
    let counts = |refusal: &Refusal| {
        refusal
            .criterion()
            .is_none_or(|criterion| chosen.demands.include(criterion))
    };
    let placed = refusal_of_place(graph, prefix, link.to);
    let mut refusals: Vec<Refusal> = Vec::new();
    for refusal in graph.node(link.to).refusals.iter().chain(&placed) {
        if counts(refusal) && !refusals.contains(refusal) {
            refusals.push(refusal.clone());
        }
    }
    if refusals.is_empty() {
        refusals.extend(refusal_in_path(graph, prefix, link, chosen.demands));
    }
    (!refusals.is_empty()).then_some(refusals)
}

fn best_through(
    graph: &mut Graph<'_>,
    chosen: &Path,
    prefix: &[NodeId],
    link: Link,
    policy: Policy,
    budget: &mut Budget,
) -> Option<Path> {
    if graph.node(link.to).role == Role::Anchor {
        return Some(Path {
            nodes: prefix.to_vec(),
            end: End::Anchor(link.to),
            demands: chosen.demands,
        });
    }
    let longer: Vec<_> = prefix.iter().copied().chain([link.to]).collect();
    best_path(graph, &longer, policy, budget)
}

/// The criterion by which `chosen` is better than `other`.
fn difference(graph: &Graph<'_>, chosen: &Path, other: &Path) -> Criterion {
    if let Some(criterion) = chosen.demands.first_beyond(other.demands) {
        return criterion;
    }
    if chosen.nodes.len() != other.nodes.len() {
        return Criterion::Policy;
    }
    let whole = |path: &Path| path.nodes.iter().copied().chain(path.end_node()).collect::<Vec<_>>();
    let (chosen, other) = (whole(chosen), whole(other));
    let mut child = Graph::LEAF;
    for (left, right) in chosen.into_iter().zip(other) {
        if left != right {
            return difference_of(
                graph.certificate(child),
                graph.certificate(left),
                graph.certificate(right),
            );
        }
        child = left;
    }
    Criterion::Fingerprint
}

fn difference_of(child: &Certificate, left: &Certificate, right: &Certificate) -> Criterion {
    let dates = |certificate: &Certificate| (certificate.not_before().as_secs(), certificate.not_after().as_secs());
    if KeyIdMatch::of(child, left) != KeyIdMatch::of(child, right) {
        Criterion::KeyId
    } else if dates(left) != dates(right) {
        Criterion::Newer
    } else {
        Criterion::Fingerprint
    }
}

/// Candidates with another key id were not needed, so their signatures were not looked at.
fn list_conflicts(graph: &Graph<'_>, child: &Arc<Certificate>, trail: &mut Trail) {
    let mut conflicting: Vec<_> = graph.conflicting_certificates(child).collect();
    conflicting.sort_by_key(|candidate| candidate.fingerprint());
    trail.unlisted += conflicting.len().saturating_sub(MOST_CONFLICTS_LISTED);
    for candidate in conflicting.into_iter().take(MOST_CONFLICTS_LISTED) {
        trail.steps.push(Step {
            child: child.clone(),
            candidate: candidate.clone(),
            is_anchor: false,
            key_id: KeyIdMatch::Conflict,
            verdict: Verdict::Refused(vec![Refusal::KeyIdConflict]),
        });
    }
}
