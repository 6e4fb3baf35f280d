//! The verified-issuer graph: who can have issued what, as far as one assembly looks.
//!
//! Nodes are certificates in a role, links lead from a certificate to a candidate issuer of the same name. Links are
//! found when they are asked for, their signatures checked when they are used, so that the cost lies in the links
//! that matter.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::budget::{MOST_FURTHER_KEYS, MOST_SIGNATURES_ABOVE_LEAF};
use super::name_constraints;
use super::signatures::SignatureCheck;
use super::{Certificate, Context, KeyIdMatch, Refusal, Sha256, Store};

/// The certificates reachable from one leaf.
pub(super) struct Graph<'a> {
    leaf: &'a Arc<Certificate>,
    store: &'a Store,
    context: &'a Context<'a>,
    nodes: Vec<Node>,
    ids: HashMap<(Sha256, Role), NodeId>,
    /// By certificate and key: all certificates of one CA share a check.
    signatures: HashMap<(NodeId, Sha256), SignatureCheck>,
    /// Who signed a certificate, once it is known: the key, and how well its certificate fits.
    signers: HashMap<NodeId, (Sha256, KeyIdMatch)>,
    /// How many more keys may be tried for certificates whose signer is known.
    further_keys: usize,
    /// Whether a key was not tried because the signer was known.
    has_skipped_keys: bool,
    signatures_left: usize,
    has_given_up: bool,
}

/// The index of a node.
pub(super) type NodeId = usize;

/// What a certificate is looked at as: one may be both an intermediate and an anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Role {
    Leaf,
    Intermediate,
    Anchor,
}

pub(super) struct Node {
    pub(super) certificate: Arc<Certificate>,
    pub(super) role: Role,
    /// What speaks against this certificate wherever it stands in a chain of this leaf.
    pub(super) refusals: Vec<Refusal>,
    links: Option<Rc<Links>>,
    conflicting: Option<Rc<[Link]>>,
}

/// The candidate issuers of one certificate, each list best first.
#[derive(Default)]
pub(super) struct Links {
    pub(super) anchors: Vec<Link>,
    /// Without those whose key id conflicts: see [`Graph::conflicting`].
    pub(super) intermediates: Vec<Link>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) to: NodeId,
    pub(super) key_id: KeyIdMatch,
    /// Issuer and subject are the same name in other bytes.
    pub(super) encoded_differently: bool,
}

impl<'a> Graph<'a> {
    /// The node of the leaf.
    pub(super) const LEAF: NodeId = 0;

    pub(super) fn new(leaf: &'a Arc<Certificate>, store: &'a Store, context: &'a Context<'a>) -> Self {
        let mut graph = Self {
            leaf,
            store,
            context,
            nodes: Vec::new(),
            ids: HashMap::new(),
            signatures: HashMap::new(),
            signers: HashMap::new(),
            further_keys: 0,
            has_skipped_keys: false,
            signatures_left: MOST_SIGNATURES_ABOVE_LEAF,
            has_given_up: false,
        };
        graph.node_of(leaf, Role::Leaf);
        graph
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    pub(super) fn certificate(&self, id: NodeId) -> &Arc<Certificate> {
        &self.nodes[id].certificate
    }

    /// Every certificate looked at so far.
    pub(super) fn certificates(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        self.nodes.iter().map(|node| &node.certificate)
    }

    /// The candidate issuers of `child` whose key id does not conflict, and all anchors of the name.
    pub(super) fn links(&mut self, child: NodeId) -> Rc<Links> {
        if let Some(links) = &self.nodes[child].links {
            return links.clone();
        }
        let certificate = self.certificate(child).clone();
        let mut links = Links::default();
        for anchor in self.context.anchors.by_subject(certificate.issuer()) {
            links.anchors.push(self.link(&certificate, anchor, Role::Anchor));
        }
        if let Some(candidates) = self.store.by_subject(certificate.issuer()) {
            let wanted = certificate.authority_key_id().key_id.as_deref();
            let named = wanted
                .and_then(|key_id| candidates.with.get(key_id))
                .into_iter()
                .flatten();
            let unnamed = candidates.with.values().flatten().filter(|_| wanted.is_none());
            for candidate in named.chain(unnamed).chain(&candidates.without) {
                if KeyIdMatch::of(&certificate, candidate) != KeyIdMatch::Conflict {
                    links
                        .intermediates
                        .push(self.link(&certificate, candidate, Role::Intermediate));
                }
            }
        }
        links.anchors.sort_by_key(|link| self.order(link));
        links.intermediates.sort_by_key(|link| self.order(link));
        let links = Rc::new(links);
        self.nodes[child].links = Some(links.clone());
        links
    }

    /// The issuers of `child` whose key id conflicts. With a thousand CAs of one name there are a thousand
    /// candidates, so only those are made nodes of whose key made the signature.
    pub(super) fn conflicting(&mut self, child: NodeId) -> Rc<[Link]> {
        if let Some(links) = &self.nodes[child].conflicting {
            return links.clone();
        }
        let certificate = self.certificate(child).clone();
        // Where one that fits made the signature, none of those need be tried.
        let fitting = self.links(child);
        for link in fitting.anchors.iter().chain(&fitting.intermediates) {
            self.signature(child, link.to);
        }
        let signer = self.signers.get(&child).map(|(key, _)| *key);
        let algorithms = || self.context.algorithms.iter().chain(self.context.weak_algorithms);
        let is_issuer = |candidate: &&Arc<Certificate>| {
            signer.is_none_or(|signer| signer == candidate.key_fingerprint())
                && self.context.signatures.check(&certificate, candidate, algorithms()) == SignatureCheck::Valid
        };
        let issuers: Vec<_> = self
            .conflicting_certificates(&certificate)
            .filter(is_issuer)
            .cloned()
            .collect();
        let mut links: Vec<_> = issuers
            .iter()
            .map(|issuer| self.link(&certificate, issuer, Role::Intermediate))
            .collect();
        links.sort_by_key(|link| self.order(link));
        let links: Rc<[Link]> = links.into();
        self.nodes[child].conflicting = Some(links.clone());
        links
    }

    /// Whether an anchor has the subject and key of `certificate`.
    pub(super) fn is_anchored(&self, certificate: &Certificate) -> bool {
        let anchors = self.context.anchors.by_subject(certificate.subject());
        anchors
            .iter()
            .any(|anchor| anchor.key_fingerprint() == certificate.key_fingerprint())
    }

    /// The certificates of the issuer's name whose key id conflicts, in no particular order.
    pub(super) fn conflicting_certificates(&self, child: &Certificate) -> impl Iterator<Item = &'a Arc<Certificate>> {
        let candidates = self.store.by_subject(child.issuer());
        candidates
            .into_iter()
            .flat_map(|candidates| candidates.with.values().flatten().chain(&candidates.without))
            .filter(move |candidate| KeyIdMatch::of(child, candidate) == KeyIdMatch::Conflict)
    }

    /// Whether the key of `issuer` signed `child`; checked at most once. Where a signer is known no other key is
    /// tried, so that a crowd of CAs of one name costs no more than it must, until [`Graph::try_further_keys`].
    pub(super) fn signature(&mut self, child: NodeId, issuer: NodeId) -> SignatureCheck {
        let key = self.certificate(issuer).key_fingerprint();
        if let Some(check) = self.signatures.get(&(child, key)) {
            return *check;
        }
        let fit = KeyIdMatch::of(self.certificate(child), self.certificate(issuer));
        if let Some((signer, signers_fit)) = self.signers.get(&child)
            && *signer != key
        {
            // One that fits worse is no issuer; one that fits as well may be the real one.
            if fit > *signers_fit {
                return SignatureCheck::Invalid;
            }
            if self.further_keys == 0 {
                self.has_skipped_keys = true;
                return SignatureCheck::Invalid;
            }
            self.further_keys -= 1;
        }
        if !self.may_check(child) {
            return SignatureCheck::Invalid;
        }
        let algorithms = self.context.algorithms.iter().chain(self.context.weak_algorithms);
        let check = self
            .context
            .signatures
            .check(self.certificate(child), self.certificate(issuer), algorithms);
        self.signatures.insert((child, key), check);
        if check == SignatureCheck::Valid {
            let known = self.signers.entry(child).or_insert((key, fit));
            if fit < known.1 {
                *known = (key, fit);
            }
        }
        check
    }

    /// Counts a signature to be checked; the count is the same whether or not an earlier assembly has checked it.
    fn may_check(&mut self, child: NodeId) -> bool {
        if child == Self::LEAF {
            return true;
        }
        match self.signatures_left.checked_sub(1) {
            Some(left) => self.signatures_left = left,
            None => self.has_given_up = true,
        }
        !self.has_given_up
    }

    /// Whether signatures were left unchecked because there were too many.
    pub(super) fn has_given_up(&self) -> bool {
        self.has_given_up
    }

    /// Lets signatures be tried with further keys, and tells whether that can change anything.
    ///
    /// An ECDSA signature can be made to verify under a second key. Whoever brings a certificate for such a key must
    /// not displace the real issuer for good: where the first signer found leads to no perfect chain, the others get
    /// their turn.
    pub(super) fn try_further_keys(&mut self) -> bool {
        self.further_keys = MOST_FURTHER_KEYS;
        self.has_skipped_keys
    }

    fn link(&mut self, child: &Certificate, issuer: &Arc<Certificate>, role: Role) -> Link {
        Link {
            to: self.node_of(issuer, role),
            key_id: KeyIdMatch::of(child, issuer),
            encoded_differently: !child.issuer().same_encoding(issuer.subject()),
        }
    }

    fn node_of(&mut self, certificate: &Arc<Certificate>, role: Role) -> NodeId {
        let key = (certificate.fingerprint(), role);
        if let Some(id) = self.ids.get(&key) {
            return *id;
        }
        let id = self.nodes.len();
        self.nodes.push(Node {
            certificate: certificate.clone(),
            role,
            refusals: Vec::new(),
            links: None,
            conflicting: None,
        });
        self.ids.insert(key, id);
        self.nodes[id].refusals = match role {
            Role::Leaf => self.refusals_of_leaf(),
            Role::Intermediate => self.refusals_of_intermediate(id),
            Role::Anchor => self.refusals_of_anchor(certificate),
        };
        id
    }

    fn refusals_of_leaf(&self) -> Vec<Refusal> {
        let leaf = self.leaf;
        let mut refusals = Vec::new();
        if self.context.disallowed.contains(leaf) {
            refusals.push(Refusal::Disallowed);
        }
        if leaf.is_ca() && !leaf.is_self_issued() && !self.context.allow_ca_leaf {
            refusals.push(Refusal::LeafIsCa);
        }
        refusals.extend(self.refusals_of_content(leaf));
        refusals.extend(self.refusals_of_time(leaf));
        refusals.extend(weaknesses(leaf));
        refusals
    }

    fn refusals_of_intermediate(&mut self, id: NodeId) -> Vec<Refusal> {
        let certificate = self.certificate(id).clone();
        let mut refusals = Vec::new();
        if self.context.disallowed.contains(&certificate) {
            refusals.push(Refusal::Disallowed);
        }
        if !certificate.is_ca() {
            refusals.push(Refusal::NotACa);
        }
        if !certificate.may_sign_certificates() {
            refusals.push(Refusal::MayNotSignCertificates);
        }
        if certificate.is_self_issued() && self.signature(id, id) == SignatureCheck::Valid {
            refusals.push(Refusal::SelfSigned);
        }
        refusals.extend(self.refusals_of_content(&certificate));
        refusals.extend(self.refusals_of_names(&certificate));
        refusals.extend(self.refusals_of_time(&certificate));
        refusals.extend(weaknesses(&certificate));
        refusals
    }

    /// Only subject, key, name constraints and dates of an anchor count; the rest of its certificate is not looked at
    /// (RFC 5280 section 6.1.1 (d), RFC 5937).
    fn refusals_of_anchor(&self, certificate: &Arc<Certificate>) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        if self.context.disallowed.contains(certificate) {
            refusals.push(Refusal::Disallowed);
        }
        refusals.extend(self.refusals_of_names(certificate));
        refusals.extend(self.refusals_of_time(certificate));
        refusals.extend(certificate.key_algorithm().weakness().map(Refusal::WeakKey));
        refusals
    }

    fn refusals_of_content(&self, certificate: &Certificate) -> impl Iterator<Item = Refusal> + use<> {
        let unknown = certificate.unknown_critical_extension().map(str::to_owned);
        let usage = (!certificate.may_serve_tls()).then_some(Refusal::ExtendedKeyUsage);
        unknown.map(Refusal::UnknownCriticalExtension).into_iter().chain(usage)
    }

    fn refusals_of_names(&self, certificate: &Certificate) -> Option<Refusal> {
        let constraints = certificate.name_constraints()?;
        name_constraints::violation(constraints, self.leaf).map(Refusal::NameConstraint)
    }

    fn refusals_of_time(&self, certificate: &Certificate) -> Option<Refusal> {
        let at = self.context.at.as_secs();
        if at < certificate.not_before().as_secs() {
            Some(Refusal::NotYetValid(certificate.not_before()))
        } else if at > certificate.not_after().as_secs() {
            Some(Refusal::Expired(certificate.not_after()))
        } else if certificate.not_after().as_secs() < self.leaf.not_after().as_secs() {
            Some(Refusal::ExpiresBeforeLeaf(certificate.not_after()))
        } else {
            None
        }
    }

    /// Best first: see [`Criterion`](super::Criterion) from `Fit` on.
    fn order(&self, link: &Link) -> impl Ord + use<> {
        let certificate = self.certificate(link.to);
        (
            link.key_id,
            certificate.is_self_issued(),
            Reverse(certificate.not_before().as_secs()),
            Reverse(certificate.not_after().as_secs()),
            certificate.fingerprint(),
        )
    }
}

fn weaknesses(certificate: &Certificate) -> impl Iterator<Item = Refusal> + use<> {
    let signature = certificate.weak_signature().map(Refusal::WeakSignature);
    let key = certificate.key_algorithm().weakness().map(Refusal::WeakKey);
    signature.into_iter().chain(key)
}
