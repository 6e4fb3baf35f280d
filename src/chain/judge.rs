//! What speaks against a candidate: wherever it stands, and at its place in a path.

use super::criterion::{Criterion, Demands};
use super::graph::{Graph, Link, NodeId, Role};
use super::name_constraints;
use super::signatures::SignatureCheck;
use super::{KeyIdMatch, Refusal};

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
pub(super) fn refusal_of_link(graph: &Graph<'_>, link: Link, demands: Demands) -> Option<Refusal> {
    let of_certificate = &graph.node(link.to).refusals;
    let of_certificate = of_certificate.iter().find(|refusal| counts(refusal, demands)).cloned();
    of_certificate.or_else(|| refusals_of_link(link).find(|refusal| counts(refusal, demands)))
}

/// What some clients refuse about the link itself.
pub(super) fn refusals_of_link(link: Link) -> impl Iterator<Item = Refusal> {
    let conflict = (link.key_id == KeyIdMatch::Conflict).then_some(Refusal::KeyIdConflict);
    let encoding = link.encoded_differently.then_some(Refusal::NameEncoding);
    conflict.into_iter().chain(encoding)
}

/// Whether a chain with this refusal in it fails `demands`.
pub(super) fn counts(refusal: &Refusal, demands: Demands) -> bool {
    refusal.criterion().is_none_or(|criterion| demands.include(criterion))
}

pub(super) fn refusal_of_loop(graph: &Graph<'_>, path: &[NodeId], issuer: NodeId) -> Option<Refusal> {
    if graph.node(issuer).role == Role::Anchor {
        return None;
    }
    let is_loop = path.iter().any(|node| is_same_ca(graph, *node, issuer));
    is_loop.then_some(Refusal::Loop)
}

/// Whether two certificates have one subject and one key.
pub(super) fn is_same_ca(graph: &Graph<'_>, one: NodeId, other: NodeId) -> bool {
    let (one, other) = (graph.certificate(one), graph.certificate(other));
    one.subject() == other.subject() && one.key_fingerprint() == other.key_fingerprint()
}

/// What speaks against `issuer` because of the intermediates below it: path length and the names they bear.
pub(super) fn refusal_of_place(graph: &Graph<'_>, path: &[NodeId], issuer: NodeId) -> Option<Refusal> {
    let node = graph.node(issuer);
    if let Some(allowed) = node.certificate.basic_constraints().and_then(|constraints| constraints.path_length)
        // An anchor's path length binds nobody (RFC 5280 section 6.1.1 (d)); it is warned about.
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
pub(super) fn counted(graph: &Graph<'_>, path: &[NodeId]) -> usize {
    path.iter()
        .skip(1)
        .filter(|node| !graph.certificate(**node).is_self_issued())
        .count()
}

/// The certificates that really issued `child`, whether or not a chain through them would be any good.
pub(super) fn issuers(graph: &mut Graph<'_>, child: NodeId) -> Vec<NodeId> {
    let links = graph.links(child);
    let mut issuers = Vec::new();
    for link in links.anchors.iter().chain(&links.intermediates) {
        if is_usable(graph, link.to) && graph.signature(child, link.to) == SignatureCheck::Valid {
            issuers.push(link.to);
        }
    }
    let conflicting = graph.conflicting(child);
    issuers.extend(
        conflicting
            .iter()
            .map(|link| link.to)
            .filter(|issuer| is_usable(graph, *issuer)),
    );
    issuers
}

fn is_usable(graph: &Graph<'_>, issuer: NodeId) -> bool {
    let refusals = &graph.node(issuer).refusals;
    refusals
        .iter()
        .all(|refusal| refusal.criterion().is_some() || *refusal == Refusal::SelfSigned)
}
