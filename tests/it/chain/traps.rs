//! Sets of certificates that once led the search astray. Each tells its story.

use std::path::Path;
use std::sync::Arc;

use fullchain::chain::{Certificate, End, Status, Warning};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::rig::pki::{Authority, Entity, Mesh, Scene, assert_served, ca, server};

/// The root in the store was no end, its key id not being the one wanted, and no certificate either: everything above
/// the leaf was lost.
#[test]
fn a_root_in_the_store_with_a_conflicting_key_id_costs_no_intermediate() {
    let root = ca("R").self_signed();
    let intermediate = ca("I1").authority(Authority::KeyId(vec![7; 20])).signed_by(&root);
    let leaf = server("www.example.test").signed_by(&intermediate);
    let assembly = Scene::of(&leaf).store([&intermediate, &root]).assemble();
    assert_served(&assembly, [&leaf, &intermediate]);
    assert_eq!(assembly.status, Status::Unanchored);
    assert_eq!(assembly.chain.end, End::SelfSigned(root.certificate));
}

/// The search was given up, and the leaf served alone.
#[test]
fn many_cas_that_all_certify_one_another_leave_more_than_the_leaf() {
    let mut mesh = Mesh::default();
    let names = ["A", "B", "C", "D", "E", "F", "G"];
    let mut store = Vec::new();
    for subject in names {
        for issuer in names.iter().filter(|issuer| **issuer != subject) {
            store.push(mesh.edge(subject, issuer));
        }
    }
    let issuer = mesh.authority("A");
    let leaf = server("www.example.test").signed_by(&issuer);
    let assembly = Scene::of(&leaf).store(&store).assemble();
    assert!(assembly.chain.intermediates().len() > 1, "{}", assembly.trail);
    assert_eq!(assembly.status, Status::Incomplete);
    let root = mesh.authority("G");
    let anchored = Scene::of(&leaf).store(&store).roots([&root]).assemble();
    assert_eq!(anchored.status, Status::Complete);
}

/// One CA with two certificates, one leading round in a circle and one up to the root: having failed through the one,
/// the way through the other was not tried any more.
#[test]
fn a_way_that_failed_for_a_loop_is_tried_again_from_elsewhere() {
    let root = ca("R").self_signed();
    let n = ca("N").self_signed();
    let up = ca("A").signed_by(&root);
    let round = ca("A").key_of(&up).signed_by(&n);
    let names = |issuer: &Entity| Authority::Certificate(issuer.certificate.clone());
    let z1 = ca("Z").valid(-10, 1000).authority(names(&round)).signed_by(&round);
    let y = ca("Y").signed_by(&n);
    let z2 = ca("Z").key_of(&z1).valid(-900, 1000).signed_by(&y);
    let n_cross = ca("N").key_of(&n).authority(names(&up)).signed_by(&up);
    let leaf = server("www.example.test").signed_by(&z1);
    let assembly = Scene::of(&leaf)
        .store([&z1, &z2, &y, &n_cross, &up, &round])
        .roots([&root])
        .assemble();
    assert_served(&assembly, [&leaf, &z2, &y, &n_cross, &up]);
    assert!(assembly.warnings.is_empty(), "{:?}", assembly.warnings);
}

/// The constraints of an anchor are about the names on the way to it, so what fails on one way need not on another.
#[test]
fn a_way_that_an_anchor_forbids_is_tried_again_without_the_forbidden_name() {
    let root = ca("R").excludes("bad.test").self_signed();
    let top = ca("T").signed_by(&root);
    let shared = ca("U").signed_by(&top);
    let bad = ca("Bad").also_named("bad.test").valid(-10, 2000).signed_by(&shared);
    let good = ca("Good").signed_by(&shared);
    let by_bad = ca("Z").valid(-10, 2000).signed_by(&bad);
    let by_good = ca("Z").key_of(&by_bad).signed_by(&good);
    let leaf = server("www.example.test").signed_by(&by_bad);
    let assembly = Scene::of(&leaf)
        .store([&top, &shared, &bad, &good, &by_bad, &by_good])
        .roots([&root])
        .assemble();
    assert_served(&assembly, [&leaf, &by_good, &good, &shared, &top]);
    assert_eq!(assembly.status, Status::Complete);
}

/// A newer certificate whose name is written in another encoding is one that most clients do not follow.
#[test]
fn a_name_in_the_same_bytes_wins_over_a_newer_certificate() {
    let root = ca("R").self_signed();
    let same = ca("Example CA").signed_by(&root);
    let newer = ca("unused")
        .printable("EXAMPLE CA")
        .key_of(&same)
        .valid(-1, 2000)
        .signed_by(&root);
    let leaf = server("www.example.test").signed_by(&same);
    let assembly = Scene::of(&leaf).store([&newer, &same]).roots([&root]).assemble();
    assert_served(&assembly, [&leaf, &same]);
    assert!(assembly.warnings.is_empty());
}

/// OpenSSL looks at the path length of a root, RFC 5280 does not.
#[test]
fn a_root_whose_path_length_is_exceeded_is_warned_about() {
    let root = ca("R").path_length(0).self_signed();
    let intermediate = ca("I1").signed_by(&root);
    let leaf = server("www.example.test").signed_by(&intermediate);
    let assembly = Scene::of(&leaf).store([&intermediate]).roots([&root]).assemble();
    assert_eq!(assembly.status, Status::Complete);
    assert!(matches!(assembly.warnings[..], [Warning::AnchorPathLength { .. }]));
}

/// It was "unanchored": the copy in the store was taken for a root of its own.
#[test]
fn an_expired_anchor_is_the_end_also_where_the_store_holds_it_too() {
    let root = ca("R").valid(-2000, -1).self_signed();
    let intermediate = ca("I1").signed_by(&root);
    let leaf = server("www.example.test").signed_by(&intermediate);
    let assembly = Scene::of(&leaf).store([&intermediate, &root]).roots([&root]).assemble();
    assert_served(&assembly, [&leaf, &intermediate]);
    assert_eq!(assembly.status, Status::Complete);
    assert!(matches!(assembly.warnings[..], [Warning::AnchorExpired { .. }]));
}

/// A root renewed with `openssl x509 -signkey` keeps the authorityKeyIdentifier of the certificate before it.
#[test]
fn a_root_that_names_another_serial_as_its_issuer_is_not_sent() {
    let first = ca("R").self_signed();
    let renewed = ca("R")
        .key_of(&first)
        .authority(Authority::Certificate(first.certificate.clone()))
        .self_signed();
    let intermediate = ca("I1").signed_by(&renewed);
    let leaf = server("www.example.test").signed_by(&intermediate);
    let assembly = Scene::of(&leaf).store([&intermediate, &renewed]).assemble();
    assert_served(&assembly, [&leaf, &intermediate]);
    assert_eq!(assembly.status, Status::Unanchored);
}

#[test]
fn a_self_signed_ca_certificate_as_leaf_is_served_with_a_warning() {
    let leaf = ca("www.example.test").also_named("www.example.test").self_signed();
    let assembly = Scene::of(&leaf).roots([&leaf]).assemble();
    assert_served(&assembly, [&leaf]);
    assert_eq!(assembly.status, Status::Complete);
    assert!(matches!(assembly.warnings[..], [Warning::StricterThanRfc5280 { .. }]));
}

/// Each of two thousand namesakes was looked at as an issuer of each other.
#[test]
fn a_crowd_of_one_name_without_the_issuer_is_looked_at_once() {
    let root = ca("R").self_signed();
    let crowd: Vec<_> = (0..2000).map(|_| ca("SPIRE").signed_by(&root)).collect();
    let absent = ca("SPIRE").signed_by(&root);
    let leaf = server("www.example.test").signed_by(&absent);
    let assembly = Scene::of(&leaf).store(&crowd).roots([&root]).assemble();
    assert_served(&assembly, [&leaf]);
    assert_eq!(assembly.status, Status::Incomplete);
    assert!(!assembly.trail.budget_exhausted);
}

/// A certificate for a key computed from the leaf's own signature looked like the issuer, and the issuer was not
/// tried any more.
#[test]
fn a_second_key_under_which_the_signature_verifies_does_not_displace_the_issuer() {
    let file = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data/second-key")
            .join(name);
        Arc::new(Certificate::from_der(CertificateDer::from_pem_file(path).unwrap()).unwrap())
    };
    let (leaf, intermediate, trap) = (file("leaf.pem"), file("intermediate.pem"), file("second-key.pem"));
    let made_in_november_2026 = 180;
    let assembly = Scene::of_certificate(&leaf)
        .certificates([trap, intermediate.clone()], [file("root.pem")])
        .on_day(made_in_november_2026)
        .assemble();
    assert_eq!(assembly.chain.certificates, [leaf, intermediate], "{}", assembly.trail);
    assert_eq!(assembly.status, Status::Complete);
}
