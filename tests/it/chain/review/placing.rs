//! Which certificates are missing, which are too many, and in which order they belong.

use fullchain::chain::{Policy, Purpose, ReviewError, Severity};
use rustls::pki_types::CertificateDer;

use super::{Family, Server, added, kinds, purposes};
use crate::rig::pki::{Entity, ca, server};

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

/// Found by hand: the issuer of the leaf was neither sent nor known, and the certificate above it was advised away,
/// though the chain needs it as soon as the missing one is there.
#[test]
fn while_an_issuer_is_missing_no_ca_is_called_superfluous() {
    let all = Family::new();
    let sending = |sent: &[&Entity]| Server::sending(sent.iter().copied()).roots([&all.root]);
    let review = sending(&[&all.leaf, &all.upper]).review();
    assert_eq!(kinds(&review), ["incomplete"]);
    assert_eq!(purposes(&review), [Purpose::Chain, Purpose::Unplaced]);
    assert_eq!(review.remove().count(), 0);
    // What is sent twice, a root, and what is no CA at all, are in the way whatever is missing.
    let other = server("b.test").signed_by(&all.issuing);
    let review = sending(&[&all.leaf, &all.upper, &all.upper, &all.root, &other]).review();
    let purposes = purposes(&review);
    assert_eq!(
        purposes[1..],
        [
            Purpose::Unplaced,
            Purpose::Duplicate,
            Purpose::Root,
            Purpose::Superfluous
        ]
    );
    assert_eq!(review.remove().map(|sent| sent.position).collect::<Vec<_>>(), [3, 4, 5]);
    // With the missing one at hand the certificate has its place.
    let review = sending(&[&all.leaf, &all.upper]).store([&all.issuing]).review();
    assert_eq!(added(&review), ["CN=Issuing"]);
}
