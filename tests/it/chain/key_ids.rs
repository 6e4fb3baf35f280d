//! Key identifiers: hints for the search, a constraint for OpenSSL and Windows clients.

use fullchain::chain::{KeyIdMatch, Status, Verdict, Warning};

use crate::rig::pki::{Authority, Scene, assert_served, ca, server};

#[test]
fn a_leaf_without_authority_key_id_is_matched_by_name_and_signature() {
    let root = ca("R").self_signed();
    let (right, wrong) = (ca("I1").signed_by(&root), ca("I1").signed_by(&root));
    let leaf = server("www.example.test").authority(Authority::None).signed_by(&right);
    let assembly = Scene::of(&leaf).store([&wrong, &right]).roots([&root]).assemble();
    assert_served(&assembly, [&leaf, &right]);
    assert_eq!(assembly.status, Status::Complete);
}

#[test]
fn a_rekeyed_intermediate_of_the_same_name_is_told_apart_by_its_key() {
    let root = ca("R").self_signed();
    let old = ca("I1").valid(-1000, 1000).signed_by(&root);
    let new = ca("I1").valid(-10, 2000).signed_by(&root);
    for issuer in [&old, &new] {
        let leaf = server("www.example.test").signed_by(issuer);
        let assembly = Scene::of(&leaf).store([&old, &new]).roots([&root]).assemble();
        assert_served(&assembly, [&leaf, issuer]);
        assert!(assembly.warnings.is_empty());
    }
}

/// SPIRE gives every CA the same subject (spiffe/spire#1004).
#[test]
fn among_a_thousand_cas_of_one_subject_the_right_one_is_found() {
    let root = ca("R").self_signed();
    let crowd: Vec<_> = (0..1000).map(|_| ca("SPIRE").signed_by(&root)).collect();
    let issuer = &crowd[617];
    let leaf = server("www.example.test").signed_by(issuer);
    let assembly = Scene::of(&leaf).store(&crowd).roots([&root]).assemble();
    assert_served(&assembly, [&leaf, issuer]);
    assert_eq!(assembly.status, Status::Complete);
    let listed = assembly.trail.steps.len() + assembly.trail.unlisted;
    assert_eq!(listed, 1001, "every candidate is accounted for");
}

#[test]
fn a_conflicting_key_id_is_served_with_a_warning_where_there_is_no_other() {
    let root = ca("R").self_signed();
    let intermediate = ca("I1").signed_by(&root);
    let leaf = server("www.example.test")
        .authority(Authority::KeyId(vec![7; 20]))
        .signed_by(&intermediate);
    let assembly = Scene::of(&leaf).store([&intermediate]).roots([&root]).assemble();
    assert_served(&assembly, [&leaf, &intermediate]);
    assert_eq!(assembly.status, Status::Complete);
    assert!(matches!(assembly.warnings[..], [Warning::KeyIdConflict { .. }]));
    assert!(
        assembly.warnings[0]
            .to_string()
            .contains("OpenSSL and Windows clients will reject")
    );
}

#[test]
fn a_matching_key_id_wins_over_a_conflicting_one_even_on_a_longer_way() {
    let root = ca("R").self_signed();
    let (old_root, bridge) = (ca("Old R").self_signed(), ca("Bridge").signed_by(&root));
    let direct = ca("I1").valid(-1, 3000).signed_by(&root);
    // The same key under another key identifier, one step further from the root.
    let matching = ca("I1").key_of(&direct).without_key_id().signed_by(&bridge);
    let leaf = server("www.example.test")
        .authority(Authority::KeyId(vec![7; 20]))
        .signed_by(&direct);
    let assembly = Scene::of(&leaf)
        .store([&direct, &matching, &bridge])
        .roots([&root, &old_root])
        .assemble();
    assert_served(&assembly, [&leaf, &matching, &bridge]);
    assert!(assembly.warnings.is_empty(), "{:?}", assembly.warnings);
}

#[test]
fn issuer_and_serial_name_one_of_two_twins() {
    let root = ca("R").self_signed();
    let named = ca("I1").signed_by(&root);
    let newer = ca("I1").key_of(&named).valid(-1, 2000).signed_by(&root);
    let leaf = server("www.example.test")
        .authority(Authority::Certificate(named.certificate.clone()))
        .signed_by(&named);
    let assembly = Scene::of(&leaf).store([&newer, &named]).roots([&root]).assemble();
    assert_served(&assembly, [&leaf, &named]);
    assert_eq!(assembly.trail.steps[0].key_id, KeyIdMatch::Exact);
    let other = Scene::of(&leaf).store([&newer]).roots([&root]).assemble();
    assert_served(&other, [&leaf, &newer]);
    assert!(matches!(other.warnings[..], [Warning::KeyIdConflict { .. }]));
}

/// HAProxy rejects such a file.
#[test]
fn an_intermediate_without_subject_key_id_works() {
    let root = ca("R").self_signed();
    let intermediate = ca("I1").without_key_id().signed_by(&root);
    let leaf = server("www.example.test")
        .authority(Authority::KeyId(vec![7; 20]))
        .signed_by(&intermediate);
    let assembly = Scene::of(&leaf).store([&intermediate]).roots([&root]).assemble();
    assert_served(&assembly, [&leaf, &intermediate]);
    assert_eq!(assembly.status, Status::Complete);
    assert!(assembly.warnings.is_empty());
}

#[test]
fn a_forged_issuer_of_the_right_name_and_key_id_is_refused_by_its_signature() {
    let root = ca("R").self_signed();
    let right = ca("I1").signed_by(&root);
    let forged = ca("I1").without_key_id().signed_by(&root);
    let leaf = server("www.example.test").authority(Authority::None).signed_by(&right);
    let assembly = Scene::of(&leaf).store([&forged, &right]).roots([&root]).assemble();
    assert_served(&assembly, [&leaf, &right]);
    let forged_step = assembly
        .trail
        .steps
        .iter()
        .find(|step| step.candidate == forged.certificate)
        .unwrap();
    assert!(
        matches!(&forged_step.verdict, Verdict::Refused(_)),
        "{}",
        assembly.trail
    );
}
