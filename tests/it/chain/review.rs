//! What is said of the certificates that a server sends, held against those that it should send.

use std::time::Duration;

use fullchain::chain::{
    Anchors, Context, Disallowed, Expectations, Policy, Purpose, Review, ReviewError, Severity, Signatures, Store,
};
use rustls::pki_types::{CertificateDer, ServerName};

use crate::rig::pki::{Authority, Entity, ca, day, server};

/// A server, what is known of its PKI, and what is expected of it.
struct Server {
    sent: Vec<CertificateDer<'static>>,
    store: Store,
    anchors: Anchors,
    name: &'static str,
    strict_order: bool,
    anchored: bool,
    days: u64,
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

#[test]
fn a_whole_chain_is_nothing_to_speak_of() {
    let all = Family::new();
    let review = all.sending([&all.leaf, &all.issuing, &all.upper]).review();
    assert_eq!((kinds(&review), review.severity()), (vec![], None));
    assert_eq!(purposes(&review), [Purpose::Chain; 3]);
    assert_eq!((review.add().count(), review.remove().count()), (0, 0));
}

#[test]
fn every_disorder_has_its_word() {
    let all = Family::new();
    let stranger = ca("Stranger").signed_by(&ca("Far away").self_signed());
    let (leaf, issuing, upper, root) = (&all.leaf, &all.issuing, &all.upper, &all.root);
    for (sent, expected, severity) in [
        (&[leaf][..], &["incomplete"][..], Severity::Error),
        (&[leaf, issuing], &["incomplete"], Severity::Error),
        (&[leaf, upper], &["incomplete"], Severity::Error),
        (&[leaf, upper, issuing], &["wrong order"], Severity::Warning),
        (&[leaf, issuing, upper, root], &["superfluous root"], Severity::Note),
        (
            &[leaf, root, issuing, upper],
            &["wrong order", "superfluous root"],
            Severity::Warning,
        ),
        (&[leaf, root], &["incomplete", "superfluous root"], Severity::Error),
        (&[leaf, issuing, upper, upper, upper], &["duplicate"], Severity::Note),
        (
            &[leaf, leaf, issuing, upper],
            &["wrong order", "duplicate"],
            Severity::Warning,
        ),
        (&[leaf, issuing, upper, &stranger], &["superfluous"], Severity::Note),
        (&[leaf, &stranger], &["incomplete", "superfluous"], Severity::Error),
        (&[issuing, upper], &["name mismatch", "CA as leaf"], Severity::Error),
    ] {
        let review = all.sending(sent.iter().copied()).review();
        let mut found = kinds(&review);
        let mut expected = expected.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(
            (found, review.severity()),
            (expected, Some(severity)),
            "{:?}",
            review.findings
        );
    }
}

#[test]
fn what_is_missing_is_named_in_the_order_in_which_it_belongs_into_the_chain() {
    let all = Family::new();
    let leaf_alone = all.sending([&all.leaf]).review();
    assert_eq!(added(&leaf_alone), ["CN=Issuing", "CN=Upper"]);
    assert_eq!(
        leaf_alone.findings[0].to_string(),
        format!("incomplete: add {}, {}", all.issuing.certificate, all.upper.certificate)
    );
    let gap = all.sending([&all.leaf, &all.upper]).review();
    assert_eq!(added(&gap), ["CN=Issuing"]);
    assert_eq!(purposes(&gap), [Purpose::Chain; 2]);
}

#[test]
fn an_issuer_that_nobody_knows_is_named_with_its_address() {
    let issuing = ca("Issuing").signed_by(&ca("Root").self_signed());
    let leaf = server("a.test")
        .published_at("http://ca.test/issuing.cer")
        .signed_by(&issuing);
    let review = Server::sending([&leaf]).review();
    assert_eq!(kinds(&review), ["incomplete"]);
    let told = review.findings[0].to_string();
    assert!(
        told.contains("CN=Issuing, key id") && told.contains("http://ca.test/issuing.cer"),
        "{told}"
    );
}

#[test]
fn what_the_server_should_send_may_lack_a_root_too() {
    let all = Family::new();
    let mut server = Server::sending([&all.leaf]).store([&all.issuing, &all.upper]);
    assert_eq!(kinds(&server.review()), ["incomplete", "untrusted"]);
    server = Server::sending([&all.leaf, &all.issuing, &all.upper]);
    assert_eq!(kinds(&server.review()), ["untrusted"]);
    server.anchored = false;
    assert_eq!(kinds(&server.review()), [""; 0]);
    let mut with_root = Server::sending([&all.leaf, &all.issuing, &all.upper, &all.root]);
    assert_eq!(kinds(&with_root.review()), ["untrusted", "superfluous root"]);
    with_root.anchored = false;
    assert_eq!(kinds(&with_root.review()), ["superfluous root"]);
}

#[test]
fn an_anchor_that_was_cross_signed_is_reached_by_the_cross_certificate_alone() {
    let (old, new) = (ca("Old").self_signed(), ca("New").self_signed());
    let cross = ca("New").key_of(&new).signed_by(&old);
    let issuing = ca("Issuing").signed_by(&new);
    let leaf = server("a.test").signed_by(&issuing);
    // Clients that know only the old root need what is in the store alone.
    let review = Server::sending([&leaf, &issuing, &new])
        .store([&cross])
        .roots([&old])
        .review();
    assert_eq!(kinds(&review), ["incomplete", "superfluous root"]);
    assert_eq!(review.add().collect::<Vec<_>>(), [&cross.certificate]);
    // Those that know the new one do not, and it does no harm.
    let both = Server::sending([&leaf, &issuing, &cross]).roots([&old, &new]).review();
    assert_eq!(kinds(&both), [""; 0]);
    assert_eq!(purposes(&both)[2], Purpose::OtherRoot);
    assert_eq!(both.remove().count(), 0);
    // But when it has expired there are some that stop at it.
    let expired = ca("New").key_of(&new).valid(-900, -1).signed_by(&old);
    let expired = Server::sending([&leaf, &issuing, &expired])
        .roots([&old, &new])
        .review();
    assert_eq!(
        (kinds(&expired), expired.severity()),
        (vec!["expired"], Some(Severity::Warning))
    );
    assert_eq!(expired.remove().count(), 1);
}

#[test]
fn a_cross_certificate_whose_root_nobody_knows_here_is_no_stranger() {
    let new = ca("New").self_signed();
    let cross = ca("New").key_of(&new).signed_by(&ca("Old").self_signed());
    let issuing = ca("Issuing").signed_by(&new);
    let leaf = server("a.test").signed_by(&issuing);
    let review = Server::sending([&leaf, &issuing, &cross]).roots([&new]).review();
    assert_eq!((kinds(&review), purposes(&review)[2]), (vec![], Purpose::OtherRoot));
}

#[test]
fn an_expired_intermediate_is_named_together_with_the_one_to_send_instead() {
    let all = Family::new();
    let expired = ca("Issuing").key_of(&all.issuing).valid(-900, -1).signed_by(&all.upper);
    let review = all.sending([&all.leaf, &expired, &all.upper]).review();
    assert_eq!(kinds(&review), ["expired", "better chain"]);
    assert_eq!(review.findings[0].certificate(), Some(&expired.certificate));
    assert_eq!(review.add().collect::<Vec<_>>(), [&all.issuing.certificate]);
    assert_eq!(review.remove().map(|sent| sent.position).collect::<Vec<_>>(), [2]);
    // Both are sent: clients that look for a way find it.
    let both = all.sending([&all.leaf, &expired, &all.issuing, &all.upper]).review();
    assert_eq!(kinds(&both), ["wrong order", "expired"]);
    assert_eq!(both.severity(), Some(Severity::Warning));
}

#[test]
fn a_renewed_twin_is_superfluous() {
    let all = Family::new();
    let twin = ca("Issuing")
        .key_of(&all.issuing)
        .valid(-900, 900)
        .signed_by(&all.upper);
    let review = all.sending([&all.leaf, &all.issuing, &all.upper, &twin]).review();
    assert_eq!(kinds(&review), ["superfluous"]);
}

#[test]
fn what_expires_soon_is_named_soonest_first() {
    let root = ca("Root").self_signed();
    let issuing = ca("Issuing").valid(-900, 10).signed_by(&root);
    let leaf = server("a.test").valid(-60, 20).signed_by(&issuing);
    let mut server = Server::sending([&leaf, &issuing]).roots([&root]);
    let review = server.review();
    assert_eq!(
        kinds(&review),
        ["expires before the leaf", "expires soon", "expires soon"]
    );
    let told: Vec<String> = review.findings.iter().map(ToString::to_string).collect();
    assert!(told[1].starts_with("expires in 10 days: CN=Issuing"), "{told:?}");
    assert!(told[2].starts_with("expires in 20 days: CN=a.test"), "{told:?}");
    assert_eq!(review.severity(), Some(Severity::Note));
    server.days = 10;
    assert_eq!(kinds(&server.review()), ["expires before the leaf", "expires soon"]);
    server.days = 0;
    assert_eq!(kinds(&server.review()), ["expires before the leaf"]);
}

#[test]
fn an_expired_leaf_and_one_that_is_not_yet_valid_are_told_apart() {
    let root = ca("Root").self_signed();
    for (from, until, expected) in [(-90, -1, "expired"), (1, 90, "not yet valid")] {
        let leaf = server("a.test").valid(from, until).signed_by(&root);
        let review = Server::sending([&leaf]).roots([&root]).review();
        assert_eq!(kinds(&review), [expected]);
    }
}

#[test]
fn the_name_is_compared_as_clients_do() {
    let root = ca("Root").self_signed();
    let leaf = server("*.a.test").address([192, 0, 2, 1].into()).signed_by(&root);
    let mut server = Server::sending([&leaf]).roots([&root]);
    for (name, fits) in [
        ("www.a.test", true),
        ("WWW.A.test", true),
        ("a.test", false),
        ("b.www.a.test", false),
        ("192.0.2.1", true),
        ("192.0.2.2", false),
    ] {
        server.name = name;
        let review = server.review();
        let expected: &[&str] = if fits { &[] } else { &["name mismatch"] };
        assert_eq!(kinds(&review), expected, "{name}");
        let says_which = review
            .findings
            .iter()
            .all(|finding| finding.to_string().contains("*.a.test, 192.0.2.1"));
        assert!(says_which, "{:?}", review.findings);
    }
}

#[test]
fn a_self_signed_certificate_is_one_unless_it_is_trusted_as_it_is() {
    let leaf = server("a.test").self_signed();
    let mut server = Server::sending([&leaf]);
    assert_eq!(kinds(&server.review()), ["self-signed"]);
    server.anchored = false;
    assert_eq!(kinds(&server.review()), [""; 0]);
    assert_eq!(kinds(&Server::sending([&leaf]).roots([&leaf]).review()), [""; 0]);
}

#[test]
fn the_order_matters_less_where_only_tls_1_3_is_spoken() {
    let all = Family::new();
    let mut server = all.sending([&all.leaf, &all.upper, &all.issuing]);
    server.strict_order = false;
    let review = server.review();
    assert_eq!(
        (kinds(&review), review.severity()),
        (vec!["wrong order"], Some(Severity::Note))
    );
}

#[test]
fn a_longer_chain_that_the_policy_prefers_is_told_of() {
    let (old, new) = (ca("Old").valid(-2000, 2000).self_signed(), ca("New").self_signed());
    let cross = ca("New").key_of(&new).signed_by(&old);
    let leaf = server("a.test").signed_by(&new);
    let mut server = Server::sending([&leaf]).store([&cross]).roots([&old, &new]);
    assert_eq!(kinds(&server.review()), [""; 0]);
    server.policy = Policy::Compat;
    let review = server.review();
    assert_eq!(
        (kinds(&review), review.severity()),
        (vec!["better chain"], Some(Severity::Note))
    );
    assert_eq!(added(&review), ["CN=New"]);
}

#[test]
fn a_link_that_some_clients_refuse_is_a_warning() {
    let root = ca("Root").self_signed();
    let leaf = server("a.test")
        .authority(Authority::KeyId(vec![1, 2, 3]))
        .signed_by(&root);
    let review = Server::sending([&leaf]).roots([&root]).review();
    assert_eq!(
        (kinds(&review), review.severity()),
        (vec!["some clients refuse it"], Some(Severity::Warning))
    );
}

#[test]
fn what_is_no_certificate_is_counted_and_without_a_leaf_there_is_no_review() {
    let all = Family::new();
    let mut server = all.sending([&all.leaf, &all.issuing, &all.upper]);
    server.sent.insert(1, CertificateDer::from(vec![0x30, 0]));
    let review = server.review();
    assert_eq!(kinds(&review), ["unreadable"]);
    assert!(
        review.findings[0].to_string().contains("number 2"),
        "{:?}",
        review.findings
    );
    assert_eq!(
        review.sent.iter().map(|sent| sent.position).collect::<Vec<_>>(),
        [1, 3, 4]
    );
    server.sent.remove(0);
    assert!(matches!(server.try_review(), Err(ReviewError::Leaf(_))));
    server.sent.clear();
    assert_eq!(server.try_review().unwrap_err(), ReviewError::NoLeaf);
}
