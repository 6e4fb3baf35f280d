//! From a leaf, a store and anchors to the chain that is served.

use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::UnixTime;

use super::assembly::{Alternative, Assembly, Chain, End, Flaw, Status, Wanted, Warning};
use super::budget::Budget;
use super::graph::{Graph, NodeId};
use super::judge::{counted, refusal_of_place};
use super::search::{self, Path, any_path, best_path, paths_to_other_anchors};
use super::signatures::SignatureCheck;
use super::weigh::weigh;
use super::{Certificate, Context, KeyIdMatch, Refusal, Store, self_check};

/// Finds the best chain for `leaf` by the order of [`Criterion`](super::Criterion), checks it as a client would, and
/// keeps the trail.
///
/// The same leaf, set of certificates and context give the same bytes, in whatever order the certificates were added.
/// There is always a chain, at least the leaf alone; [`Assembly::status`] says what it is worth.
pub fn assemble(leaf: &Arc<Certificate>, store: &Store, context: &Context<'_>) -> Assembly {
    let mut graph = Graph::new(leaf, store, context);
    let is_self_signed = leaf.is_self_issued() && graph.signature(Graph::LEAF, Graph::LEAF) == SignatureCheck::Valid;
    let stands_for_itself = is_self_signed || context.anchors.contains(leaf);
    let mut budget = Budget::to_choose();
    let path = if is_self_signed {
        None
    } else {
        best_chain(&mut graph, context, &mut budget)
    };
    // A leaf that is trusted as it is needs no chain but one that ends at another anchor.
    let path = path.filter(|path| !stands_for_itself || matches!(path.end, search::End::Anchor(_)));
    let (mut trail, alternatives) = match &path {
        Some(path) => weigh(&mut graph, path, context.policy),
        None => Default::default(),
    };
    trail.budget_exhausted = budget.is_exhausted() || graph.has_given_up();
    let alternatives = alternatives
        .iter()
        .map(|(path, criterion)| Alternative {
            chain: chain_of(&graph, path, context),
            criterion: *criterion,
        })
        .collect();
    let chain = match &path {
        Some(path) => chain_of(&graph, path, context),
        None => Chain {
            certificates: vec![leaf.clone()],
            end: if stands_for_itself { End::Leaf } else { End::Open },
        },
    };
    let (mut flaws, mut warnings) = findings(&graph, path.as_ref());
    if flaws.is_empty() {
        self_check(&chain, context, &mut flaws, &mut warnings);
    }
    let status = status(&chain, !flaws.is_empty(), context);
    let to_other_anchors = match &path {
        Some(path) if status == Status::Complete => to_other_anchors(&mut graph, path, context),
        _ => Vec::new(),
    };
    Assembly {
        status,
        wanted: matches!(chain.end, End::Open | End::Cycle)
            .then(|| Wanted::by(chain.certificates.last().unwrap_or(leaf))),
        chain,
        flaws,
        warnings,
        alternatives,
        policy: context.policy,
        to_other_anchors,
        trail,
        until: next_boundary(graph.certificates(), context.at),
        sought: graph.certificates().map(|certificate| certificate.issuer()).collect(),
    }
}

/// The first instant after `at` at which one of `certificates` begins or has ended. Until then every one of them is
/// judged the same, so the same ones are looked at.
fn next_boundary<'c>(certificates: impl Iterator<Item = &'c Arc<Certificate>>, at: UnixTime) -> Option<UnixTime> {
    let boundaries = certificates.flat_map(|certificate| {
        // The last second of validity is part of it (RFC 5280 section 4.1.2.5).
        let ended = certificate.not_after().as_secs().saturating_add(1);
        [certificate.not_before().as_secs(), ended]
    });
    let next = boundaries.filter(|boundary| *boundary > at.as_secs()).min()?;
    Some(UnixTime::since_unix_epoch(Duration::from_secs(next)))
}

/// The best chain to each anchor that `chosen` does not end at; none that any client would stumble over.
fn to_other_anchors(graph: &mut Graph<'_>, chosen: &Path, context: &Context<'_>) -> Vec<Chain> {
    if context.anchors.len() < 2 {
        return Vec::new();
    }
    let served = chain_of(graph, chosen, context).certificates;
    let paths = paths_to_other_anchors(graph, chosen, &mut Budget::to_compare());
    let chains = paths.iter().map(|path| chain_of(graph, path, context));
    let is_sound = |chain: &Chain| match &chain.end {
        End::Anchor(anchor) => self_check::verify(chain, anchor, context).is_ok(),
        End::Cycle | End::Leaf | End::Open | End::SelfSigned(_) => false,
    };
    chains
        .filter(|chain| chain.certificates != served && is_sound(chain))
        .collect()
}

fn best_chain(graph: &mut Graph<'_>, context: &Context<'_>, budget: &mut Budget) -> Option<Path> {
    let mut best = best_path(graph, &[Graph::LEAF], context.policy, budget);
    let is_perfect = best.as_ref().is_some_and(|path| path.demands.are_all());
    if !is_perfect && graph.try_further_keys() {
        let other = best_path(graph, &[Graph::LEAF], context.policy, &mut Budget::to_choose());
        if other.as_ref().map(|path| path.demands) > best.as_ref().map(|path| path.demands) {
            best = other;
        }
    }
    best.or_else(|| any_path(graph))
}

fn chain_of(graph: &Graph<'_>, path: &Path, context: &Context<'_>) -> Chain {
    let mut certificates: Vec<_> = path.nodes.iter().map(|node| graph.certificate(*node).clone()).collect();
    let end = match path.end {
        search::End::Anchor(anchor) => {
            let anchor = graph.certificate(anchor);
            // Somebody's intermediate that is trusted here: other clients trust the root above it.
            if context.send_intermediate_anchor && !anchor.is_self_issued() && !certificates.contains(anchor) {
                certificates.push(anchor.clone());
            }
            End::Anchor(anchor.clone())
        }
        search::End::SelfSigned(root) => End::SelfSigned(graph.certificate(root).clone()),
        search::End::Open => End::Open,
        search::End::Cycle => End::Cycle,
    };
    Chain { certificates, end }
}

fn status(chain: &Chain, has_flaws: bool, context: &Context<'_>) -> Status {
    match &chain.end {
        _ if has_flaws => Status::Invalid,
        End::Anchor(_) => Status::Complete,
        End::Leaf if context.anchors.contains(chain.leaf()) => Status::Complete,
        End::Leaf => Status::SelfSigned,
        // Whether what is missing is the root alone cannot be told from here; with an intermediate above the leaf it
        // mostly is.
        End::SelfSigned(_) => Status::Unanchored,
        End::Cycle => Status::Incomplete,
        End::Open if chain.intermediates().is_empty() => Status::Incomplete,
        End::Open => Status::Unanchored,
    }
}

/// What is wrong with the certificates of a chain, and what is worth a warning.
fn findings(graph: &Graph<'_>, path: Option<&Path>) -> (Vec<Flaw>, Vec<Warning>) {
    let (mut flaws, mut warnings) = (Vec::new(), Vec::new());
    let sent = path.map_or(&[Graph::LEAF][..], |path| &path.nodes);
    let anchor = path.and_then(|path| match path.end {
        search::End::Anchor(anchor) => Some(anchor),
        _ => None,
    });
    let nodes: Vec<NodeId> = sent.iter().copied().chain(anchor).collect();
    for (position, node) in nodes.iter().enumerate() {
        let certificate = graph.certificate(*node);
        let placed = (position > 0)
            .then(|| refusal_of_place(graph, &nodes[..position], *node))
            .flatten();
        for refusal in graph.node(*node).refusals.iter().chain(&placed) {
            match refusal {
                Refusal::ExpiresBeforeLeaf(at) => {
                    warnings.push(Warning::ExpiresBeforeLeaf {
                        certificate: certificate.clone(),
                        at: *at,
                    });
                }
                Refusal::Expired(_) | Refusal::NotYetValid(_) if Some(*node) == anchor => {
                    warnings.push(Warning::AnchorExpired {
                        anchor: certificate.clone(),
                    });
                }
                refusal => flaws.push(Flaw::Certificate {
                    certificate: certificate.clone(),
                    refusal: refusal.clone(),
                }),
            }
        }
    }
    if let Some(anchor) = anchor {
        let certificate = graph.certificate(anchor);
        let allowed = certificate
            .basic_constraints()
            .and_then(|constraints| constraints.path_length);
        if allowed.is_some_and(|allowed| counted(graph, sent) > allowed as usize) {
            warnings.push(Warning::AnchorPathLength {
                anchor: certificate.clone(),
            });
        }
    }
    let issuers = sent.iter().copied().skip(1).chain(path.and_then(Path::end_node));
    for (child, issuer) in sent.iter().copied().zip(issuers) {
        let (child, issuer) = (graph.certificate(child), graph.certificate(issuer));
        if KeyIdMatch::of(child, issuer) == KeyIdMatch::Conflict {
            warnings.push(Warning::KeyIdConflict {
                child: child.clone(),
                issuer: issuer.clone(),
            });
        }
        if !child.issuer().same_encoding(issuer.subject()) {
            warnings.push(Warning::NamesEncodedDifferently {
                child: child.clone(),
                issuer: issuer.clone(),
            });
        }
    }
    (flaws, warnings)
}

/// Lets rustls-webpki judge the chain as it will be sent. One that ends at no anchor is judged as a client would that
/// trusts its top.
fn self_check(chain: &Chain, context: &Context<'_>, flaws: &mut Vec<Flaw>, warnings: &mut Vec<Warning>) {
    let anchor = match &chain.end {
        End::Anchor(anchor) | End::SelfSigned(anchor) => anchor,
        End::Leaf => chain.leaf(),
        End::Open if !chain.intermediates().is_empty() => &chain.certificates[chain.certificates.len() - 1],
        End::Cycle | End::Open => return,
    };
    if let Err(error) = self_check::verify(chain, anchor, context) {
        let is_encoding = |warning: &Warning| matches!(warning, Warning::NamesEncodedDifferently { .. });
        match self_check::stricter_rule(&error, chain, anchor, context) {
            // Said already, link by link.
            None if error == webpki::Error::UnknownIssuer && warnings.iter().any(is_encoding) => {}
            Some(rule) => warnings.push(Warning::StricterThanRfc5280 { error, rule }),
            None => flaws.push(Flaw::SelfCheck(error)),
        }
    }
}
