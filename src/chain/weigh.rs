//! The trail of a chain that was found: what became of every candidate along it, and the best chain through each that
//! was passed over, or refused for what other chains may have to put up with.

use std::sync::Arc;

use super::budget::Budget;
use super::criterion::Demands;
use super::graph::{Graph, Link, NodeId, Role};
use super::judge::{counts, refusal_in_path, refusal_of_place, refusals_of_link};
use super::reachable::candidates;
use super::search::{End, Path, best_path};
use super::trail::{Step, Trail, Verdict};
use super::{Certificate, Criterion, KeyIdMatch, Policy, Refusal};

/// Candidates with another key id that a trail lists for one certificate; with a thousand CAs of one name nobody
/// reads more.
const MOST_CONFLICTS_LISTED: usize = 8;

/// Refused candidates whose chains are looked for: of a CA that was renewed a dozen times, nobody compares them all.
const MOST_REFUSED_COMPARED: usize = 8;

/// Goes along `chosen` once more: the trail, and the best chain through each candidate that could be used, with the
/// criterion by which it is not the best.
pub(super) fn weigh(graph: &mut Graph<'_>, chosen: &Path, policy: Policy) -> (Trail, Vec<(Path, Criterion)>) {
    let mut trail = Trail::default();
    let mut alternatives = Vec::new();
    let mut refused = Vec::new();
    let mut budget = Budget::to_compare();
    for (position, child) in chosen.nodes.iter().enumerate() {
        let prefix = &chosen.nodes[..=position];
        let next = chosen.nodes.get(position + 1).copied().or_else(|| chosen.end_node());
        let candidates = candidates(graph, *child, chosen.demands);
        let listed: Vec<NodeId> = candidates.iter().map(|link| link.to).collect();
        for link in candidates {
            let verdict = if next == Some(link.to) {
                Verdict::Chosen
            } else if let Some(refusals) = refusals(graph, chosen, prefix, link) {
                if refusals.iter().all(|refusal| refusal.criterion().is_some()) {
                    refused.push((position, link));
                }
                Verdict::Refused(refusals)
            } else if let Some(other) = best_through(graph, chosen, prefix, link, policy, &mut budget) {
                let criterion = difference(graph, chosen, &other, policy);
                alternatives.push((other, criterion));
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
        list_conflicts(graph, *child, &listed, &mut trail);
    }
    // Last, with what is left of the budget: what is as good as the chosen one is compared before what is not.
    for (position, link) in refused.into_iter().take(MOST_REFUSED_COMPARED) {
        let prefix = &chosen.nodes[..=position];
        // Whoever did not make the signature is no way at all.
        if refusal_in_path(graph, prefix, link, Demands::NONE).is_none()
            && let Some(other) = best_through(graph, chosen, prefix, link, policy, &mut budget)
        {
            let criterion = difference(graph, chosen, &other, policy);
            alternatives.push((other, criterion));
        }
    }
    (trail, alternatives)
}

/// Why `link` is no way to a chain as good as the chosen one; `None` where nothing speaks against it as such.
fn refusals(graph: &mut Graph<'_>, chosen: &Path, prefix: &[NodeId], link: Link) -> Option<Vec<Refusal>> {
    let placed = refusal_of_place(graph, prefix, link.to);
    let mut refusals: Vec<Refusal> = Vec::new();
    let of_certificate = graph.node(link.to).refusals.iter().cloned();
    for refusal in of_certificate.chain(placed).chain(refusals_of_link(link)) {
        if counts(&refusal, chosen.demands) && !refusals.contains(&refusal) {
            refusals.push(refusal);
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
    let failed = criteria_failed(graph, chosen, prefix, link);
    let found = if graph.node(link.to).role == Role::Anchor {
        Path {
            nodes: prefix.to_vec(),
            end: End::Anchor(link.to),
            demands: Demands::ALL,
        }
    } else {
        let longer: Vec<_> = prefix.iter().copied().chain([link.to]).collect();
        best_path(graph, &longer, policy, budget)?
    };
    // A search tells of what lies above its beginning alone.
    Some(Path {
        demands: failed.into_iter().fold(found.demands, Demands::without),
        ..found
    })
}

/// What `prefix`, the beginning of `chosen`, and `link` above it fail. What speaks against the leaf does so on every way,
/// and no search asks for it.
fn criteria_failed(graph: &mut Graph<'_>, chosen: &Path, prefix: &[NodeId], link: Link) -> Vec<Criterion> {
    let mut failed: Vec<Refusal> = graph.node(link.to).refusals.clone();
    failed.extend(refusals_of_link(link));
    failed.extend(refusal_of_place(graph, prefix, link.to));
    for (position, pair) in prefix.windows(2).enumerate() {
        let &[child, issuer] = pair else { continue };
        failed.extend(graph.node(issuer).refusals.iter().cloned());
        failed.extend(refusal_of_place(graph, &prefix[..=position], issuer));
        let links = candidates(graph, child, chosen.demands);
        let taken = links.into_iter().find(|link| link.to == issuer);
        failed.extend(taken.into_iter().flat_map(refusals_of_link));
    }
    failed.iter().filter_map(Refusal::criterion).collect()
}

/// The criterion by which `chosen` is better than `other`.
fn difference(graph: &Graph<'_>, chosen: &Path, other: &Path, policy: Policy) -> Criterion {
    let is_older_anchor = policy == Policy::Compat && matches!(chosen.end, End::Anchor(_)) && chosen.end != other.end;
    match chosen.demands.first_difference(other.demands) {
        // Under `compat` the older root goes before that.
        Some(Criterion::OutlivesLeaf) if is_older_anchor => return Criterion::Policy,
        Some(criterion) => return criterion,
        None if is_older_anchor || chosen.nodes.len() != other.nodes.len() => return Criterion::Policy,
        None => {}
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
    let fit = |issuer: &Certificate| (KeyIdMatch::of(child, issuer), issuer.is_self_issued());
    if fit(left) != fit(right) {
        Criterion::Fit
    } else if dates(left) != dates(right) {
        Criterion::Newer
    } else {
        Criterion::Fingerprint
    }
}

/// Candidates with another key id that were not needed, so that their signatures were not looked at.
fn list_conflicts(graph: &Graph<'_>, child: NodeId, listed: &[NodeId], trail: &mut Trail) {
    let child = graph.certificate(child);
    let is_listed = |candidate: &Arc<Certificate>| listed.iter().any(|node| graph.certificate(*node) == candidate);
    let mut conflicting: Vec<_> = graph
        .conflicting_certificates(child)
        .filter(|candidate| !is_listed(candidate))
        .collect();
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
