//! The trail as a person reads it.

use fullchain::chain::Policy;

use crate::rig::pki::{Scene, ca, server};

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
