//! What a server sends, held against what it should send.
//!
//! A server is judged by what it sends alone, as clients judge it that know nothing else; what the store knows
//! besides is what it could have sent.

use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, ServerName};
use webpki::EndEntityCert;

use super::assembly::message_size;
use super::signatures::SignatureCheck;
use super::{Assembly, Certificate, Context, End, Finding, KeyIdMatch, ParseError, Severity, Status, Store, assemble};

/// What there is to say of the certificates that a server sends.
#[derive(Clone, Debug)]
pub struct Review {
    /// The worst first.
    pub findings: Vec<Finding>,
    /// Every certificate in the order sent, without what is none.
    pub sent: Vec<Sent>,
    /// Bytes of the Certificate message of TLS 1.3 that carries what is sent, counted as by
    /// [`Chain::size`](super::Chain::size).
    pub size: usize,
    /// The chain that a client makes of what is sent.
    pub alone: Assembly,
    /// The chain that the server should send, as far as is known here.
    pub best: Assembly,
}

/// One certificate that is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its place, counted from 1.
    pub position: usize,
    /// The certificate.
    pub certificate: Arc<Certificate>,
    /// What it is there for.
    pub purpose: Purpose,
}

/// What a certificate that is sent is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// It is part of the chain.
    Chain,
    /// It leads to another root: clients may need it that lack the one at which the chain ends.
    OtherRoot,
    /// It would lead to another root, but has expired.
    Expired,
    /// It stands further ahead already.
    Duplicate,
    /// It is a root.
    Root,
    /// It has nothing to do with the leaf.
    Superfluous,
    /// A CA's, and there is no telling what it is there for while an issuer is missing.
    Unplaced,
}

/// What a server is expected to live up to, beside the chain.
#[derive(Clone, Debug)]
pub struct Expectations<'a> {
    /// The name that the leaf must be for.
    pub name: Option<&'a ServerName<'a>>,
    /// Whether the order was sent in a version of TLS that asks for it: 1.2 does (RFC 5246 section 7.4.2), 1.3 wants
    /// clients to put up with any (RFC 8446 section 4.4.2).
    pub strict_order: bool,
    /// Whether a chain must end at an anchor; otherwise one that ends at no known root is as good.
    pub anchored: bool,
    /// Certificates that expire within this time are told of.
    pub within: Duration,
    /// Whether that is a fault.
    pub strict_within: bool,
}

/// Why there is nothing to review.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReviewError {
    /// No certificate is sent.
    #[error("the server sends no certificate")]
    NoLeaf,
    /// What comes first is no certificate.
    #[error("the first certificate that the server sends cannot be read")]
    Leaf(#[source] ParseError),
}

impl Review {
    /// Reviews `sent`, the certificates of a handshake in their order; `store` is what else is known.
    ///
    /// # Errors
    ///
    /// [`ReviewError`] where there is no leaf. What is unreadable behind it is a [`Finding`].
    pub fn of(
        sent: &[CertificateDer<'static>],
        store: &Store,
        expectations: &Expectations<'_>,
        context: &Context<'_>,
    ) -> Result<Self, ReviewError> {
        let mut findings = Vec::new();
        let size = message_size(sent.iter().map(AsRef::as_ref));
        let mut certificates = Vec::with_capacity(sent.len());
        for (index, der) in sent.iter().enumerate() {
            match Certificate::from_der(der.clone()) {
                Ok(certificate) => certificates.push((index + 1, Arc::new(certificate))),
                Err(error) if index == 0 => return Err(ReviewError::Leaf(error)),
                Err(error) => findings.push(Finding::Unreadable {
                    position: index + 1,
                    error,
                }),
            }
        }
        let Some((_, leaf)) = certificates.first() else {
            return Err(ReviewError::NoLeaf);
        };
        let mut known: Store = certificates
            .iter()
            .map(|(_, certificate)| certificate.clone())
            .collect();
        // Clients have no more than is sent: not even an anchor that a server might send.
        let as_clients = Context {
            send_intermediate_anchor: false,
            ..*context
        };
        let alone = assemble(leaf, &known, &as_clients);
        known.extend(store.iter().cloned());
        let best = assemble(leaf, &known, context);
        let sent = placed(&certificates, &alone, &best, context);
        let mut review = Self {
            findings,
            sent,
            size,
            alone,
            best,
        };
        review.look_at_the_chain(expectations, context);
        review.look_at_the_leaf(expectations);
        review.look_at_the_order(expectations);
        review.look_at_the_dates(expectations, context);
        review.look_at_what_is_beside();
        review.findings.sort_by_key(Finding::severity);
        Ok(review)
    }

    /// How bad the worst finding is.
    pub fn severity(&self) -> Option<Severity> {
        self.findings.first().map(Finding::severity)
    }

    /// What should be sent and is not, in the order in which it belongs into the chain.
    pub fn add(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        let wanted = self.best.chain.certificates.iter();
        wanted.filter(|certificate| !self.is_sent(certificate))
    }

    /// What is sent and should not be. Duplicates are those behind the first.
    pub fn remove(&self) -> impl Iterator<Item = &Sent> {
        self.sent.iter().filter(|sent| match sent.purpose {
            Purpose::Chain => !self.best.chain.certificates.contains(&sent.certificate),
            Purpose::OtherRoot | Purpose::Unplaced => false,
            Purpose::Duplicate | Purpose::Expired | Purpose::Root | Purpose::Superfluous => true,
        })
    }

    fn is_sent(&self, certificate: &Certificate) -> bool {
        self.sent.iter().any(|sent| *sent.certificate == *certificate)
    }

    /// Whether anything is missing, flawed or to be had better.
    fn look_at_the_chain(&mut self, expectations: &Expectations<'_>, context: &Context<'_>) {
        let missing: Vec<_> = self.add().cloned().collect();
        let (alone, best) = (&self.alone, &self.best);
        let wanted = |assembly: &Assembly| assembly.wanted.clone();
        let is_leaf_alone = |assembly: &Assembly| assembly.chain.intermediates().is_empty();
        let mut findings = Vec::new();
        if !missing.is_empty() && reaches_further(best, alone) {
            findings.push(Finding::Incomplete {
                missing,
                wanted: wanted(best).filter(|_| best.status == Status::Incomplete),
            });
        } else if alone.wanted.is_some() && is_leaf_alone(alone) && is_leaf_alone(best) {
            findings.push(Finding::Incomplete {
                missing,
                wanted: wanted(alone),
            });
        } else if !missing.is_empty() {
            let instead_of = self.remove().filter(|sent| sent.purpose == Purpose::Chain);
            findings.push(Finding::BetterChain {
                with: missing,
                instead_of: instead_of.map(|sent| sent.certificate.clone()).collect(),
            });
        }
        findings.extend(alone.flaws.iter().cloned().map(Finding::Flawed));
        findings.extend(alone.warnings.iter().cloned().map(Finding::Warned));
        let leaf = best.chain.leaf();
        match &best.chain.end {
            End::Leaf if !context.anchors.contains(leaf) && expectations.anchored => {
                findings.push(Finding::SelfSigned);
            }
            End::SelfSigned(root) if expectations.anchored => findings.push(Finding::Untrusted {
                root: Some(root.clone()),
                wanted: None,
            }),
            // With the leaf alone it has been said already.
            End::Open | End::Cycle if expectations.anchored && !is_leaf_alone(best) => {
                findings.push(Finding::Untrusted {
                    root: None,
                    wanted: wanted(best),
                });
            }
            End::Anchor(_) | End::Cycle | End::Leaf | End::Open | End::SelfSigned(_) => {}
        }
        self.findings.extend(findings);
    }

    fn look_at_the_leaf(&mut self, expectations: &Expectations<'_>) {
        let leaf = self.alone.chain.leaf();
        let Some(name) = expectations.name else { return };
        let is_for = |leaf: EndEntityCert<'_>| leaf.verify_is_valid_for_subject_name(name).is_ok();
        // Asked as clients ask. What they cannot even read, the self-check has found.
        if EndEntityCert::try_from(leaf.der()).is_ok_and(|leaf| !is_for(leaf)) {
            let names = leaf.dns_names().map(|name| name.escape_default().to_string());
            let finding = Finding::NameMismatch {
                name: name.to_str().into_owned(),
                names: names
                    .chain(leaf.ip_addresses().map(|address| address.to_string()))
                    .collect(),
            };
            self.findings.push(finding);
        }
    }

    fn look_at_the_order(&mut self, expectations: &Expectations<'_>) {
        // Around a gap, only the whole chain tells the order.
        let chain = match self.alone.chain.end {
            End::Open | End::Cycle => &self.best.chain,
            End::Anchor(_) | End::Leaf | End::SelfSigned(_) => &self.alone.chain,
        };
        let expected = chain
            .certificates
            .iter()
            .filter(|certificate| self.is_sent(certificate));
        let sent = self.sent.iter().map(|sent| &sent.certificate);
        // Of a CA's certificates that are sent side by side one is as good as the other here.
        let is_ordered = expected.zip(sent).all(|(expected, sent)| is_same_ca(expected, sent));
        if !is_ordered {
            self.findings.push(Finding::WrongOrder {
                is_strict: expectations.strict_order,
            });
        }
    }

    fn look_at_the_dates(&mut self, expectations: &Expectations<'_>, context: &Context<'_>) {
        let left = |certificate: &Certificate| {
            let left = certificate.not_after().as_secs().checked_sub(context.at.as_secs());
            left.map(Duration::from_secs)
                .filter(|left| *left <= expectations.within)
        };
        // OpenSSL looks at the dates of a root too.
        let root = match &self.alone.chain.end {
            End::Anchor(root) if !self.alone.chain.certificates.contains(root) => Some(root),
            _ => None,
        };
        let chain = self.alone.chain.certificates.iter().chain(root);
        let mut soon: Vec<_> = chain
            .filter_map(|certificate| Some((left(certificate)?, certificate.clone())))
            .collect();
        soon.sort_by_key(|(left, _)| *left);
        let soon = soon.into_iter().map(|(left, certificate)| Finding::ExpiresSoon {
            certificate,
            left,
            is_fault: expectations.strict_within,
        });
        self.findings.extend(soon);
    }

    fn look_at_what_is_beside(&mut self) {
        let beside = self.sent.iter().filter_map(|sent| {
            let certificate = sent.certificate.clone();
            match sent.purpose {
                Purpose::Chain | Purpose::OtherRoot | Purpose::Unplaced => None,
                Purpose::Expired => Some(Finding::ExpiredBeside(certificate)),
                Purpose::Duplicate => Some(Finding::Duplicate(certificate)),
                Purpose::Root => Some(Finding::SuperfluousRoot(certificate)),
                Purpose::Superfluous => Some(Finding::Superfluous(certificate)),
            }
        });
        let mut beside: Vec<_> = beside.collect();
        // Three times the same is no more to be said than twice.
        beside.dedup();
        self.findings.extend(beside);
    }
}

/// Whether `best` comes nearer to a root than `alone` does, rather than being as near and better.
fn reaches_further(best: &Assembly, alone: &Assembly) -> bool {
    let reach = |assembly: &Assembly| match assembly.chain.end {
        End::Anchor(_) => 2,
        End::Leaf | End::SelfSigned(_) => 1,
        End::Cycle | End::Open => 0,
    };
    let length = |assembly: &Assembly| assembly.chain.certificates.len();
    reach(best) > reach(alone) || reach(best) == 0 && reach(alone) == 0 && length(best) > length(alone)
}

/// What each certificate is there for.
fn placed(
    certificates: &[(usize, Arc<Certificate>)],
    alone: &Assembly,
    best: &Assembly,
    context: &Context<'_>,
) -> Vec<Sent> {
    let ends = [alone, best]
        .into_iter()
        .filter_map(|assembly| match &assembly.chain.end {
            End::Anchor(end) | End::SelfSigned(end) => Some(end),
            End::Cycle | End::Leaf | End::Open => None,
        });
    let in_chains = || alone.chain.certificates.iter().chain(&best.chain.certificates);
    let linked = linked(certificates, in_chains().chain(ends));
    // Above an issuer that nobody knows anything may belong.
    let is_open = matches!(best.chain.end, End::Cycle | End::Open);
    let superfluous = |certificate: &Certificate| match is_open && certificate.is_ca() {
        true => Purpose::Unplaced,
        false => Purpose::Superfluous,
    };
    let mut sent: Vec<Sent> = Vec::with_capacity(certificates.len());
    for (position, certificate) in certificates {
        let purpose = if sent.iter().any(|earlier| earlier.certificate == *certificate) {
            Purpose::Duplicate
        } else if in_chains().any(|member| member == certificate) {
            Purpose::Chain
        } else if is_self_signed(certificate, context) {
            Purpose::Root
        } else if !linked.contains(certificate) {
            superfluous(certificate)
        } else if certificate.not_after().as_secs() < context.at.as_secs() {
            Purpose::Expired
        } else if in_chains().any(|member| is_twin(member, certificate)) {
            superfluous(certificate)
        } else {
            Purpose::OtherRoot
        };
        sent.push(Sent {
            position: *position,
            certificate: certificate.clone(),
            purpose,
        });
    }
    sent
}

/// Those of `certificates` that certify a key of `chain` once more, and those above them.
///
/// Signatures are not checked here: it is a remark beside the certificate that depends on it, and nothing else.
fn linked<'c>(
    certificates: &[(usize, Arc<Certificate>)],
    chain: impl Iterator<Item = &'c Arc<Certificate>>,
) -> Vec<Arc<Certificate>> {
    let certifies = |issuer: &Certificate, child: &Certificate| {
        child.issuer() == issuer.subject() && KeyIdMatch::of(child, issuer) != KeyIdMatch::Conflict
    };
    let chain: Vec<_> = chain.collect();
    let mut linked: Vec<Arc<Certificate>> = Vec::new();
    let mut rest: Vec<_> = certificates.iter().map(|(_, certificate)| certificate).collect();
    loop {
        let (found, left): (Vec<_>, Vec<_>) = rest.into_iter().partition(|candidate| {
            chain.iter().any(|member| is_same_ca(candidate, member))
                || linked.iter().any(|member| certifies(candidate, member))
        });
        if found.is_empty() {
            return linked;
        }
        linked.extend(found.into_iter().cloned());
        rest = left;
    }
}

/// Whether both are certificates of one CA (RFC 4158 section 5.2).
pub(super) fn is_same_ca(one: &Certificate, other: &Certificate) -> bool {
    one.subject() == other.subject() && one.key_fingerprint() == other.key_fingerprint()
}

/// Whether one of the two is the other renewed.
fn is_twin(one: &Certificate, other: &Certificate) -> bool {
    is_same_ca(one, other) && one.issuer() == other.issuer()
}

fn is_self_signed(certificate: &Certificate, context: &Context<'_>) -> bool {
    let algorithms = context.algorithms.iter().chain(context.weak_algorithms);
    certificate.is_self_issued()
        && context.signatures.check(certificate, certificate, algorithms) == SignatureCheck::Valid
}
