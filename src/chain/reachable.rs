//! What can be reached from a certificate, signatures left out of account: a bound for the search that costs next to
//! nothing.

use std::collections::{HashMap, HashSet, VecDeque};

use super::Refusal;
use super::criterion::{Criterion, Demands};
use super::graph::{Graph, Link, NodeId, Role};
use super::judge::{counts, issuers, refusal_of_link, refusals_of_link};

/// What can be reached under some demands.
pub(super) struct Reachable {
    /// Child and issuer.
    links: Vec<(NodeId, NodeId)>,
    /// Anchor and the certificate it issued; an anchor stands once for each.
    pub(super) anchors: Vec<(NodeId, NodeId)>,
    /// The same for self-signed certificates of the store.
    self_signed: Vec<(NodeId, NodeId)>,
    certificates: HashSet<NodeId>,
}

/// How many intermediates at least lie above a certificate on its way to a goal; one without an entry never gets there.
pub(super) type Distances = HashMap<NodeId, usize>;

impl Reachable {
    pub(super) fn from(graph: &mut Graph<'_>, start: NodeId, demands: Demands) -> Self {
        let mut reachable = Self {
            links: Vec::new(),
            anchors: Vec::new(),
            self_signed: Vec::new(),
            certificates: HashSet::from([start]),
        };
        let mut waiting = VecDeque::from([start]);
        while let Some(child) = waiting.pop_front() {
            for link in candidates(graph, child, demands) {
                if is_self_signed_end(graph, link, demands) {
                    reachable.self_signed.push((link.to, child));
                } else if refusal_of_link(graph, link, demands).is_some() {
                } else if graph.node(link.to).role == Role::Anchor {
                    reachable.anchors.push((link.to, child));
                } else {
                    reachable.links.push((child, link.to));
                    if reachable.certificates.insert(link.to) {
                        waiting.push_back(link.to);
                    }
                }
            }
        }
        reachable
    }

    /// The criteria that anything reached here may fail. Demands that differ only in others lead to the same chain.
    pub(super) fn criteria_in_question(&self, graph: &mut Graph<'_>) -> Demands {
        let mut questioned = Demands::NONE.with(Criterion::Anchor);
        let ends = self.anchors.iter().chain(&self.self_signed).map(|(end, _)| *end);
        for node in self.certificates.iter().copied().chain(ends) {
            let node = graph.node(node);
            for criterion in node.refusals.iter().filter_map(Refusal::criterion) {
                questioned = questioned.with(criterion);
            }
            // They may be broken at one place and not at another.
            let has_path_length = node
                .certificate
                .basic_constraints()
                .is_some_and(|constraints| constraints.path_length.is_some());
            if has_path_length || node.certificate.name_constraints().is_some() {
                questioned = questioned.with(Criterion::Constraints);
            }
        }
        for certificate in &self.certificates {
            let candidates = candidates(graph, *certificate, Demands::NONE);
            if candidates
                .into_iter()
                .any(|link| refusals_of_link(link).next().is_some())
            {
                questioned = questioned.with(Criterion::Links);
            }
        }
        questioned
    }

    /// To any of `ends`, each given with a certificate it issued.
    pub(super) fn distances(&self, ends: &[(NodeId, NodeId)]) -> Distances {
        self.distances_from(ends.iter().map(|(_, child)| *child))
    }

    /// To a self-signed certificate of the store.
    pub(super) fn distances_to_self_signed(&self) -> Distances {
        self.distances(&self.self_signed)
    }

    /// To a certificate whose issuer is not there.
    pub(super) fn distances_to_open_ends(&self, graph: &mut Graph<'_>) -> Distances {
        let open: Vec<NodeId> = self
            .certificates
            .iter()
            .copied()
            .filter(|certificate| issuers(graph, *certificate).is_empty())
            .collect();
        self.distances_from(open.into_iter())
    }

    fn distances_from(&self, tops: impl Iterator<Item = NodeId>) -> Distances {
        let mut below: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
        for (child, issuer) in &self.links {
            below.entry(*issuer).or_default().push(*child);
        }
        let mut distances = Distances::new();
        let mut waiting = VecDeque::new();
        for top in tops {
            if distances.insert(top, 0).is_none() {
                waiting.push_back((top, 0));
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

/// Anchors first, then intermediates, each best first; those whose key id conflicts only where that is allowed.
pub(super) fn candidates(graph: &mut Graph<'_>, child: NodeId, demands: Demands) -> Vec<Link> {
    let links = graph.links(child);
    let mut candidates: Vec<Link> = links.anchors.iter().chain(&links.intermediates).copied().collect();
    if !demands.include(Criterion::Links) {
        candidates.extend(graph.conflicting(child).iter());
    }
    candidates
}

/// Whether `link` leads to a self-signed certificate at which a chain may end. One that carries the subject and key
/// of an anchor is no end of its own: the anchor is.
pub(super) fn is_self_signed_end(graph: &Graph<'_>, link: Link, demands: Demands) -> bool {
    let node = graph.node(link.to);
    let is_self_signed = node.role == Role::Intermediate && node.refusals.contains(&Refusal::SelfSigned);
    is_self_signed
        && !graph.is_anchored(&node.certificate)
        // What keeps it from being an intermediate does not keep it from being somebody's root.
        && !node
            .refusals
            .iter()
            .filter(|refusal| refusal.criterion().is_some() || **refusal == Refusal::Disallowed)
            .any(|refusal| counts(refusal, demands))
}
