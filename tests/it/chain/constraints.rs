//! What keeps a certificate out of a chain, and what happens where nothing else is left.

use std::path::Path;
use std::sync::Arc;

use fullchain::chain::{Certificate, Flaw, Refusal, Sha256, Status, Verdict, Warning};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::rig::pki::{Entity, Recipe, Scene, assert_served, ca, server};

/// Two certificates of one intermediate: `spoiled`, which is newer and so preferred, and a sound one.
fn branches(spoil: impl Fn(Recipe) -> Recipe) -> (Entity, Entity, Entity, Entity) {
    let root = ca("R").self_signed();
    let sound = ca("I1").signed_by(&root);
    let spoiled = spoil(ca("I1").key_of(&sound).valid(-1, 2000)).signed_by(&root);
    let leaf = server("www.example.test").signed_by(&sound);
    (root, sound, spoiled, leaf)
}

/// The sound branch is taken where there is one, and the spoiled one refused with `reason`.
#[track_caller]
fn other_branch_is_taken(spoil: impl Fn(Recipe) -> Recipe, reason: &str) {
    let (root, sound, spoiled, leaf) = branches(spoil);
    let assembly = Scene::of(&leaf).store([&spoiled, &sound]).roots([&root]).assemble();
    assert_served(&assembly, [&leaf, &sound]);
    assert_eq!(assembly.status, Status::Complete);
    let step = assembly
        .trail
        .steps
        .iter()
        .find(|step| step.candidate == spoiled.certificate)
        .unwrap();
    assert!(step.verdict.to_string().contains(reason), "{}", assembly.trail);
}

/// The spoiled branch is served for want of another, as invalid for `reason`.
#[track_caller]
fn alone_it_makes_the_chain_invalid(spoil: impl Fn(Recipe) -> Recipe, reason: &str) {
    let (root, _, spoiled, leaf) = branches(spoil);
    let assembly = Scene::of(&leaf).store([&spoiled]).roots([&root]).assemble();
    assert_served(&assembly, [&leaf, &spoiled]);
    assert_eq!(assembly.status, Status::Invalid);
    assert!(
        assembly.flaws.iter().any(|flaw| flaw.to_string().contains(reason)),
        "{:?}",
        assembly.flaws
    );
}

/// The spoiled branch is no branch at all.
#[track_caller]
fn alone_it_is_not_used(spoil: impl Fn(Recipe) -> Recipe, reason: &str) {
    let (root, _, spoiled, leaf) = branches(spoil);
    let assembly = Scene::of(&leaf).store([&spoiled]).roots([&root]).assemble();
    assert_served(&assembly, [&leaf]);
    assert_eq!(assembly.status, Status::Incomplete);
    assert!(assembly.trail.to_string().contains(reason), "{}", assembly.trail);
}

#[test]
fn a_name_constraint_that_excludes_the_leaf_sends_the_search_to_the_other_branch() {
    for spoil in [
        |recipe: Recipe| recipe.permits("example.org"),
        |recipe: Recipe| recipe.excludes("example.test"),
    ] {
        other_branch_is_taken(spoil, "do not allow www.example.test");
        alone_it_makes_the_chain_invalid(spoil, "do not allow www.example.test");
    }
}

#[test]
fn an_intermediate_for_clients_only_sends_the_search_to_the_other_branch() {
    other_branch_is_taken(Recipe::for_clients_only, "extended key usage");
    alone_it_makes_the_chain_invalid(Recipe::for_clients_only, "extended key usage");
}

#[test]
fn an_unknown_critical_extension_sends_the_search_to_the_other_branch() {
    other_branch_is_taken(Recipe::with_unknown_critical_extension, "1.3.6.1.4.1.99999.1");
    alone_it_makes_the_chain_invalid(Recipe::with_unknown_critical_extension, "1.3.6.1.4.1.99999.1");
}

#[test]
fn what_is_no_ca_never_issues() {
    for (spoil, reason) in [
        (Recipe::not_a_ca as fn(Recipe) -> Recipe, "not a CA"),
        (Recipe::without_basic_constraints, "not a CA"),
        (Recipe::without_cert_sign, "key usage"),
    ] {
        other_branch_is_taken(spoil, reason);
        alone_it_is_not_used(spoil, reason);
    }
}

#[test]
fn a_violated_path_length_sends_the_search_to_the_other_branch() {
    let root = ca("R").self_signed();
    let upper = ca("I2").signed_by(&root);
    let tight = ca("I2").key_of(&upper).path_length(0).valid(-1, 2000).signed_by(&root);
    let lower = ca("I1").signed_by(&upper);
    let leaf = server("www.example.test").signed_by(&lower);
    let assembly = Scene::of(&leaf)
        .store([&upper, &tight, &lower])
        .roots([&root])
        .assemble();
    assert_served(&assembly, [&leaf, &lower, &upper]);
    let alone = Scene::of(&leaf).store([&tight, &lower]).roots([&root]).assemble();
    assert_eq!(alone.status, Status::Invalid);
    let refusal = Refusal::PathLength { allowed: 0 };
    assert_eq!(
        alone.flaws,
        [Flaw::Certificate {
            certificate: tight.certificate,
            refusal
        }]
    );
}

#[test]
fn self_issued_intermediates_do_not_count_for_path_length() {
    let root = ca("R").self_signed();
    let old = ca("I1").path_length(0).signed_by(&root);
    let rolled_over = ca("I1").path_length(0).signed_by(&old);
    let leaf = server("www.example.test").signed_by(&rolled_over);
    let assembly = Scene::of(&leaf).store([&old, &rolled_over]).roots([&root]).assemble();
    assert_served(&assembly, [&leaf, &rolled_over, &old]);
    assert_eq!(assembly.status, Status::Complete);
    assert!(
        matches!(assembly.warnings[..], [Warning::StricterThanRfc5280 { .. }]),
        "{:?}",
        assembly.warnings
    );
}

#[test]
fn a_directory_name_constraint_is_checked_and_warned_about() {
    let root = ca("R").self_signed();
    let fitting = ca("I1").permits_directory("www.example.test").signed_by(&root);
    let leaf = server("www.example.test").signed_by(&fitting);
    let assembly = Scene::of(&leaf).store([&fitting]).roots([&root]).assemble();
    assert_eq!(assembly.status, Status::Complete);
    assert!(assembly.warnings[0].to_string().contains("name constraints other than"));
    let other = ca("I1")
        .key_of(&fitting)
        .permits_directory("mail.example.test")
        .signed_by(&root);
    let refused = Scene::of(&leaf).store([&other]).roots([&root]).assemble();
    assert_eq!(refused.status, Status::Invalid);
}

#[test]
fn a_disallowed_certificate_or_key_is_never_used() {
    let (root, sound, newer, leaf) = branches(|recipe| recipe);
    let scene = || Scene::of(&leaf).store([&sound, &newer]).roots([&root]);
    assert_served(&scene().assemble(), [&leaf, &newer]);
    let by_certificate = scene().disallow(newer.certificate.fingerprint()).assemble();
    assert_served(&by_certificate, [&leaf, &sound]);
    let by_key = scene().disallow(sound.certificate.key_fingerprint()).assemble();
    assert_served(&by_key, [&leaf]);
    assert_eq!(by_key.status, Status::Incomplete);
    assert!(
        by_key
            .trail
            .steps
            .iter()
            .all(|step| step.verdict == Verdict::Refused(vec![Refusal::Disallowed]))
    );
    let anchor = scene().disallow(root.certificate.fingerprint()).assemble();
    assert_eq!(anchor.status, Status::Unanchored);
    let unrelated = scene().disallow(Sha256::of(b"")).assemble();
    assert_served(&unrelated, [&leaf, &newer]);
}

fn fixture(name: &str) -> Arc<Certificate> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/chain")
        .join(name);
    Arc::new(Certificate::from_der(CertificateDer::from_pem_file(path).unwrap()).unwrap())
}

/// The fixtures were made in November 2026.
fn fixture_scene(leaf: &str, store: &[&str]) -> Scene {
    Scene::of_certificate(&fixture(leaf))
        .certificates(store.iter().map(|name| fixture(name)), [fixture("root.pem")])
        .on_day(365)
}

#[test]
fn a_sha1_signature_sends_the_search_to_the_other_branch() {
    let assembly = fixture_scene("leaf.pem", &["sha1.pem", "strong.pem"]).assemble();
    assert_eq!(
        assembly.chain.certificates,
        [fixture("leaf.pem"), fixture("strong.pem")]
    );
    assert_eq!(assembly.status, Status::Complete);
    assert!(
        assembly
            .trail
            .to_string()
            .contains("weak signature (sha1WithRSAEncryption)")
    );
}

#[test]
fn a_sha1_signature_alone_makes_the_chain_invalid() {
    let assembly = fixture_scene("leaf.pem", &["sha1.pem"]).assemble();
    assert_eq!(assembly.chain.certificates, [fixture("leaf.pem"), fixture("sha1.pem")]);
    assert_eq!(assembly.status, Status::Invalid);
    assert!(assembly.flaws[0].to_string().contains("sha1WithRSAEncryption"));
}

#[test]
fn an_rsa_key_of_1024_bits_makes_the_chain_invalid() {
    let assembly = fixture_scene("leaf-of-short.pem", &["short.pem"]).assemble();
    assert_eq!(
        assembly.chain.certificates,
        [fixture("leaf-of-short.pem"), fixture("short.pem")]
    );
    assert_eq!(assembly.status, Status::Invalid);
    assert!(assembly.flaws[0].to_string().contains("RSA key of 1024 bits"));
}
