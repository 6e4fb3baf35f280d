//! Validity: the instant is an argument.

use std::time::Duration;

use fullchain::chain::{Policy, Refusal, Status, Verdict, Warning};
use rustls::pki_types::UnixTime;

use crate::rig::pki::{Scene, assert_served, ca, day, server};

#[test]
fn an_expired_intermediate_in_the_file_yields_to_its_renewal_in_the_store() {
    let root = ca("R").self_signed();
    let expired = ca("I1").valid(-900, -1).signed_by(&root);
    let renewed = ca("I1").key_of(&expired).valid(-100, 900).signed_by(&root);
    let leaf = server("www.example.test").signed_by(&expired);
    let assembly = Scene::of(&leaf).store([&expired, &renewed]).roots([&root]).assemble();
    assert_served(&assembly, [&leaf, &renewed]);
    assert_eq!(assembly.status, Status::Complete);
    let step = assembly
        .trail
        .steps
        .iter()
        .find(|step| step.candidate == expired.certificate)
        .unwrap();
    assert_eq!(step.verdict, Verdict::Refused(vec![Refusal::Expired(day(-1))]));
}

#[test]
fn an_intermediate_that_expires_before_the_leaf_is_served_with_a_warning_that_names_it() {
    let root = ca("R").self_signed();
    let short_lived = ca("I1").valid(-900, 20).signed_by(&root);
    let leaf = server("www.example.test").signed_by(&short_lived);
    let scene = Scene::of(&leaf).store([&short_lived]).roots([&root]);
    let assembly = scene.assemble();
    assert_served(&assembly, [&leaf, &short_lived]);
    assert_eq!(assembly.status, Status::Complete);
    let warning = Warning::ExpiresBeforeLeaf {
        certificate: short_lived.certificate.clone(),
        at: day(20),
    };
    assert_eq!(assembly.warnings, [warning]);
    assert_eq!(assembly.chain.first_to_expire(), &short_lived.certificate);
    let renewed = ca("I1").key_of(&short_lived).valid(-1000, 900).signed_by(&root);
    assert_served(&scene.store([&renewed]).assemble(), [&leaf, &renewed]);
}

#[test]
fn where_every_way_has_expired_the_best_is_served_as_invalid() {
    let root = ca("R").self_signed();
    let expired = ca("I1").valid(-900, -1).signed_by(&root);
    let leaf = server("www.example.test").signed_by(&expired);
    let assembly = Scene::of(&leaf).store([&expired]).roots([&root]).assemble();
    assert_served(&assembly, [&leaf, &expired]);
    assert_eq!(assembly.status, Status::Invalid);
    assert!(
        assembly.flaws[0].to_string().contains("expired on 2026-05-31"),
        "{:?}",
        assembly.flaws
    );
}

#[test]
fn an_expired_leaf_keeps_its_chain_and_is_invalid() {
    let root = ca("R").self_signed();
    let intermediate = ca("I1").signed_by(&root);
    let leaf = server("www.example.test").signed_by(&intermediate);
    let scene = Scene::of(&leaf).store([&intermediate]).roots([&root]);
    for (days, status) in [
        (-101, Status::Invalid),
        (-100, Status::Complete),
        (100, Status::Complete),
        (101, Status::Invalid),
    ] {
        let assembly = Scene::of(&leaf)
            .store([&intermediate])
            .roots([&root])
            .on_day(days)
            .assemble();
        assert_served(&assembly, [&leaf, &intermediate]);
        assert_eq!(assembly.status, status, "day {days}");
    }
    assert_eq!(scene.assemble().status, Status::Complete);
}

#[test]
fn an_expired_anchor_is_warned_about_and_a_valid_one_preferred() {
    let old = ca("R").valid(-2000, -1).self_signed();
    let new = ca("R").key_of(&old).valid(-100, 2000).self_signed();
    let intermediate = ca("I1").signed_by(&old);
    let leaf = server("www.example.test").signed_by(&intermediate);
    let scene = || Scene::of(&leaf).store([&intermediate]);
    let assembly = scene().roots([&old]).assemble();
    assert_served(&assembly, [&leaf, &intermediate]);
    assert_eq!(assembly.status, Status::Complete);
    assert_eq!(
        assembly.warnings,
        [Warning::AnchorExpired {
            anchor: old.certificate.clone()
        }]
    );
    assert!(scene().roots([&old, &new]).assemble().warnings.is_empty());
}

#[test]
fn the_answer_holds_until_a_certificate_that_was_looked_at_begins_or_has_ended() {
    let (root, other_root) = (ca("R").self_signed(), ca("R2").self_signed());
    let cross = ca("R").key_of(&root).valid(-900, 100).signed_by(&other_root);
    let soon = ca("I1").valid(10, 900);
    let intermediate = ca("I1").signed_by(&root);
    let soon = soon.key_of(&intermediate).signed_by(&root);
    let elsewhere = ca("I9").valid(5, 6).signed_by(&root);
    let leaf = server("www.example.test").signed_by(&intermediate);
    let scene = Scene::of(&leaf)
        .store([&intermediate, &cross, &soon, &elsewhere])
        .roots([&root, &other_root]);
    let first = scene.assemble();
    assert_served(&first, [&leaf, &intermediate]);
    assert_eq!(first.until, Some(day(10)));
    let second = scene.on_day(10).assemble();
    assert_served(&second, [&leaf, &soon]);
    assert!(second.until > Some(day(10)), "{:?}", second.until);
    assert!(second.sought.contains(intermediate.certificate.subject()));
    assert!(!second.sought.contains(elsewhere.certificate.subject()));
}

#[test]
fn a_cross_certificate_that_ends_gives_way_to_the_other_path_at_that_second() {
    let old_root = ca("Old").valid(-3000, 3000).self_signed();
    let root = ca("R").valid(-1000, 3000).self_signed();
    let cross = ca("R").key_of(&root).valid(-900, 50).signed_by(&old_root);
    // It outlives the leaf: an old root goes before that, for as long as there is a way to it.
    let intermediate = ca("I1").valid(-900, 900).signed_by(&root);
    let leaf = server("www.example.test").valid(-1, 60).signed_by(&intermediate);
    let scene = |at: UnixTime| {
        let scene = Scene::of(&leaf)
            .store([&intermediate, &cross])
            .roots([&root, &old_root]);
        scene.policy(Policy::Compat).at(at).assemble()
    };
    let before = scene(day(0));
    assert_served(&before, [&leaf, &intermediate, &cross]);
    let until = before.until.unwrap();
    assert_eq!(
        until,
        UnixTime::since_unix_epoch(Duration::from_secs(day(50).as_secs() + 1))
    );
    assert_served(&scene(day(50)), [&leaf, &intermediate, &cross]);
    let after = scene(until);
    assert_served(&after, [&leaf, &intermediate]);
    assert_eq!(after.status, Status::Complete);
}
