//! The trail as a person reads it.

use fullchain::chain::{Criterion, Policy};

use crate::rig::pki::{Scene, assert_served, ca, server};

#[test]
fn the_trail_tells_for_every_certificate_who_was_chosen_refused_and_passed_over() {
    let root = ca("R").self_signed();
    let old = ca("I1").valid(-900, -1).signed_by(&root);
    let new = ca("I1").key_of(&old).valid(-5, 900).signed_by(&root);
    let leaf = server("www.example.test").signed_by(&old);
    let assembly = Scene::of(&leaf)
        .store([&old, &new, &root])
        .roots([&root])
        .policy(Policy::Short)
        .assemble();
    let short = |text: &dyn ToString| text.to_string();
    let (leaf, new_name, old_name, root) = (
        short(&leaf.certificate),
        short(&new.certificate),
        short(&old.certificate),
        short(&root.certificate),
    );
    assert_eq!(
        assembly.trail.to_string(),
        format!(
            "issuer of {leaf}\n\
             \x20 store   {new_name}  (key id matches): chosen\n\
             \x20 store   {old_name}  (key id matches): refused: expired on 2026-05-31T00:00:00Z\n\
             issuer of {new_name}\n\
             \x20 anchor  {root}  (key id matches): chosen\n\
             \x20 store   {root}  (key id matches): refused: self-signed: a root is never sent\n"
        )
    );
}

/// Found by hand: the twin that ends before the leaf was refused, and nothing told what sending it would cost.
#[test]
fn a_chain_refused_for_what_others_put_up_with_is_shown_beside_the_chosen_one() {
    let root = ca("R").self_signed();
    let steady = ca("I1").signed_by(&root);
    let ending = ca("I1").key_of(&steady).valid(-5, 20).signed_by(&root);
    let expired = ca("I1").key_of(&steady).valid(-900, -1).signed_by(&root);
    let no_ca = ca("I1").key_of(&steady).not_a_ca().signed_by(&root);
    let leaf = server("www.example.test").signed_by(&steady);
    let assembly = Scene::of(&leaf)
        .store([&steady, &ending, &expired, &no_ca])
        .roots([&root])
        .assemble();
    assert_served(&assembly, [&leaf, &steady]);
    // What is never used is no alternative.
    let alternatives = assembly.alternatives.iter();
    let mut told: Vec<_> = alternatives
        .map(|other| (other.criterion, other.chain.certificates[1].to_string()))
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            (Criterion::Validity, expired.certificate.to_string()),
            (Criterion::OutlivesLeaf, ending.certificate.to_string()),
        ]
    );
}

/// The issuing CA ends before the leaf on either way, so that this decides nothing.
#[test]
fn what_both_chains_fail_is_not_why_one_of_them_lost() {
    let root = ca("R").self_signed();
    let old = ca("U").valid(-500, 500).signed_by(&root);
    let new = ca("U").key_of(&old).valid(-5, 900).signed_by(&root);
    let issuing = ca("I1").valid(-5, 20).signed_by(&old);
    let leaf = server("www.example.test").signed_by(&issuing);
    let assembly = Scene::of(&leaf).store([&old, &new, &issuing]).roots([&root]).assemble();
    assert_served(&assembly, [&leaf, &issuing, &new]);
    let criteria: Vec<_> = assembly.alternatives.iter().map(|other| other.criterion).collect();
    assert_eq!(criteria, [Criterion::Newer]);
}

#[test]
fn under_compat_the_short_chain_lost_by_the_policy_though_it_outlives_the_leaf() {
    let old = ca("Old").valid(-3000, 3000).self_signed();
    let root = ca("R").valid(-300, 3000).self_signed();
    let cross = ca("R").key_of(&root).valid(-200, 50).signed_by(&old);
    let issuing = ca("I1").signed_by(&root);
    let leaf = server("www.example.test").signed_by(&issuing);
    let assembly = Scene::of(&leaf)
        .store([&issuing, &cross])
        .roots([&root, &old])
        .policy(Policy::Compat)
        .assemble();
    assert_served(&assembly, [&leaf, &issuing, &cross]);
    let criteria: Vec<_> = assembly.alternatives.iter().map(|other| other.criterion).collect();
    assert_eq!(criteria, [Criterion::Policy]);
}
