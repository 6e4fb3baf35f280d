//! What is wrong with the certificates themselves, and with where they lead.

use fullchain::chain::Severity;

use super::{Family, Server, kinds};
use crate::rig::pki::{Authority, ca, server};

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
    // Whoever asked for that time finds a fault in it.
    server.strict_days = true;
    assert_eq!(server.review().severity(), Some(Severity::Warning));
    server.strict_days = false;
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
fn a_root_that_ends_soon_is_told_of_though_it_is_not_sent() {
    let root = ca("Root").valid(-900, 25).self_signed();
    let leaf = server("a.test").valid(-60, 20).signed_by(&root);
    let review = Server::sending([&leaf]).roots([&root]).review();
    let told: Vec<String> = review.findings.iter().map(ToString::to_string).collect();
    assert_eq!(kinds(&review), ["expires soon", "expires soon"]);
    assert!(told[1].starts_with("expires in 25 days: CN=Root"), "{told:?}");
}
