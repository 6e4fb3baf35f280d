//! What is said of the certificates that a server sends, held against those that it should send.

mod judging;
mod placing;

use std::time::Duration;

use fullchain::chain::{
    Anchors, Context, Disallowed, Expectations, Policy, Purpose, Review, ReviewError, Signatures, Store,
};
use rustls::pki_types::{CertificateDer, ServerName};

use crate::rig::pki::{Entity, ca, day, server};

/// A server, what is known of its PKI, and what is expected of it.
struct Server {
    sent: Vec<CertificateDer<'static>>,
    store: Store,
    anchors: Anchors,
    name: &'static str,
    strict_order: bool,
    anchored: bool,
    days: u64,
    strict_days: bool,
    policy: Policy,
}

impl Server {
    fn sending<'e>(sent: impl IntoIterator<Item = &'e Entity>) -> Self {
        Self {
            sent: sent
                .into_iter()
                .map(|entity| entity.certificate.der().clone())
                .collect(),
            store: Store::new(),
            anchors: Anchors::new(),
            name: "a.test",
            strict_order: true,
            anchored: true,
            days: 30,
            strict_days: false,
            policy: Policy::Short,
        }
    }

    fn store<'e>(mut self, store: impl IntoIterator<Item = &'e Entity>) -> Self {
        self.store
            .extend(store.into_iter().map(|entity| entity.certificate.clone()));
        self
    }

    fn roots<'e>(mut self, roots: impl IntoIterator<Item = &'e Entity>) -> Self {
        self.anchors
            .extend(roots.into_iter().map(|entity| entity.certificate.clone()));
        self
    }

    fn try_review(&self) -> Result<Review, ReviewError> {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let context = Context {
            anchors: &self.anchors,
            at: day(0),
            policy: self.policy,
            disallowed: &Disallowed::default(),
            algorithms: provider.signature_verification_algorithms.all,
            weak_algorithms: fullchain::tls::WEAK_ALGORITHMS,
            signatures: &Signatures::new(),
            allow_ca_leaf: false,
            send_intermediate_anchor: true,
        };
        let name = ServerName::try_from(self.name).unwrap();
        let expectations = Expectations {
            name: Some(&name),
            strict_order: self.strict_order,
            anchored: self.anchored,
            within: Duration::from_secs(self.days * 86_400),
            strict_within: self.strict_days,
        };
        Review::of(&self.sent, &self.store, &expectations, &context)
    }

    fn review(&self) -> Review {
        self.try_review().unwrap()
    }
}

/// The beginnings of the lines, which say what it is.
fn kinds(review: &Review) -> Vec<&'static str> {
    review.findings.iter().map(|finding| finding.kind()).collect()
}

fn purposes(review: &Review) -> Vec<Purpose> {
    review.sent.iter().map(|sent| sent.purpose).collect()
}

fn added(review: &Review) -> Vec<String> {
    review
        .add()
        .map(|certificate| certificate.subject().to_string())
        .collect()
}

/// A root, two CAs below it, and a leaf.
struct Family {
    root: Entity,
    upper: Entity,
    issuing: Entity,
    leaf: Entity,
}

impl Family {
    fn new() -> Self {
        let root = ca("Root").self_signed();
        let upper = ca("Upper").signed_by(&root);
        let issuing = ca("Issuing").signed_by(&upper);
        let leaf = server("a.test").signed_by(&issuing);
        Self {
            root,
            upper,
            issuing,
            leaf,
        }
    }

    /// A server of this family that sends `sent`, seen by who knows all of it.
    fn sending<'e>(&'e self, sent: impl IntoIterator<Item = &'e Entity>) -> Server {
        Server::sending(sent)
            .store([&self.upper, &self.issuing])
            .roots([&self.root])
    }
}
