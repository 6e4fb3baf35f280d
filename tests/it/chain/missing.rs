//! What is missing, and how it is said.

use fullchain::chain::{End, Status};

use crate::rig::pki::{Scene, assert_served, ca, server};

#[test]
fn without_any_roots_the_chain_goes_up_to_the_last_known_issuer() {
    let root = ca("R").self_signed();
    let upper = ca("I2").signed_by(&root);
    let lower = ca("I1").signed_by(&upper);
    let leaf = server("www.example.test").signed_by(&lower);
    let with_root = Scene::of(&leaf).store([&root, &upper, &lower]).assemble();
    assert_served(&with_root, [&leaf, &lower, &upper]);
    assert_eq!(with_root.status, Status::Unanchored);
    assert_eq!(with_root.chain.end, End::SelfSigned(root.certificate));
    assert!(with_root.wanted.is_none());
}

#[test]
fn a_chain_whose_root_is_not_among_the_roots_is_unanchored_and_no_error() {
    let (root, other) = (ca("R").self_signed(), ca("Other").self_signed());
    let upper = ca("I2").signed_by(&root);
    let lower = ca("I1").signed_by(&upper);
    let leaf = server("www.example.test").signed_by(&lower);
    let assembly = Scene::of(&leaf).store([&upper, &lower]).roots([&other]).assemble();
    assert_served(&assembly, [&leaf, &lower, &upper]);
    assert_eq!(assembly.status, Status::Unanchored);
    assert_eq!(assembly.wanted.unwrap().subject.to_string(), "CN=R");
}

#[test]
fn a_missing_issuer_is_named_with_its_key_id_and_where_it_is_published() {
    let root = ca("R").self_signed();
    let intermediate = ca("I1").signed_by(&root);
    let leaf = server("www.example.test")
        .published_at("http://ca.example.test/i1.cer")
        .signed_by(&intermediate);
    let assembly = Scene::of(&leaf).roots([&root]).assemble();
    assert_served(&assembly, [&leaf]);
    assert_eq!(assembly.status, Status::Incomplete);
    let wanted = assembly.wanted.unwrap();
    assert_eq!(wanted.subject.to_string(), "CN=I1");
    assert_eq!(wanted.key_id.as_deref(), intermediate.certificate.subject_key_id());
    assert_eq!(wanted.ca_issuers, ["http://ca.example.test/i1.cer"]);
    assert!(wanted.to_string().starts_with("CN=I1, key id "), "{wanted}");
}
