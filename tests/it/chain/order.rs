//! Which certificates are served, and in which order.

use fullchain::chain::{End, Status, Warning};

use crate::rig::pki::{Scene, assert_served, ca, server};

#[test]
fn a_leaf_alone_is_completed_from_the_store() {
    let root = ca("R").self_signed();
    let intermediate = ca("I1").signed_by(&root);
    let leaf = server("www.example.test").signed_by(&intermediate);
    let assembly = Scene::of(&leaf).store([&intermediate]).roots([&root]).assemble();
    assert_served(&assembly, [&leaf, &intermediate]);
    assert_eq!(assembly.status, Status::Complete);
    assert_eq!(assembly.chain.end, End::Anchor(root.certificate));
    assert!(assembly.warnings.is_empty() && assembly.flaws.is_empty());
}

#[test]
fn three_levels_come_out_ordered_however_the_store_was_filled() {
    let root = ca("R").self_signed();
    let third = ca("I3").signed_by(&root);
    let second = ca("I2").signed_by(&third);
    let first = ca("I1").signed_by(&second);
    let leaf = server("www.example.test").signed_by(&first);
    for store in [
        [&first, &second, &third],
        [&third, &first, &second],
        [&second, &third, &first],
    ] {
        let assembly = Scene::of(&leaf).store(store).roots([&root]).assemble();
        assert_served(&assembly, [&leaf, &first, &second, &third]);
        assert_eq!(assembly.status, Status::Complete);
    }
}

#[test]
fn the_root_in_the_store_is_never_sent() {
    let root = ca("R").self_signed();
    let intermediate = ca("I1").signed_by(&root);
    let leaf = server("www.example.test").signed_by(&intermediate);
    let scene = Scene::of(&leaf).store([&root, &intermediate]);
    assert_served(&scene.assemble(), [&leaf, &intermediate]);
    let assembly = scene.roots([&root]).assemble();
    assert_served(&assembly, [&leaf, &intermediate]);
    assert_eq!(assembly.status, Status::Complete);
}

#[test]
fn unrelated_certificates_are_ignored_and_listed_as_unused() {
    let root = ca("R").self_signed();
    let intermediate = ca("I1").signed_by(&root);
    let unrelated = ca("Somebody else").self_signed();
    let stranger = server("other.example.test").signed_by(&unrelated);
    let leaf = server("www.example.test").signed_by(&intermediate);
    let assembly = Scene::of(&leaf)
        .store([&unrelated, &intermediate, &stranger])
        .roots([&root])
        .assemble();
    assert_served(&assembly, [&leaf, &intermediate]);
    let beside = [&unrelated, &intermediate, &stranger, &root].map(|entity| entity.certificate.clone());
    let unused: Vec<_> = assembly.unused(&beside).collect();
    assert_eq!(unused, [&unrelated.certificate, &stranger.certificate]);
}

#[test]
fn a_certificate_twice_in_the_store_counts_once() {
    let root = ca("R").self_signed();
    let intermediate = ca("I1").signed_by(&root);
    let leaf = server("www.example.test").signed_by(&intermediate);
    let assembly = Scene::of(&leaf)
        .store([&intermediate, &intermediate])
        .roots([&root, &root])
        .assemble();
    assert_served(&assembly, [&leaf, &intermediate]);
    assert_eq!(assembly.trail.steps.len(), 2);
}

#[test]
fn a_self_signed_leaf_is_served_alone() {
    let leaf = server("www.example.test").self_signed();
    let assembly = Scene::of(&leaf).assemble();
    assert_served(&assembly, [&leaf]);
    assert_eq!(assembly.status, Status::SelfSigned);
    assert!(assembly.wanted.is_none());
}

#[test]
fn a_self_signed_leaf_that_is_an_anchor_is_complete() {
    let leaf = server("www.example.test").self_signed();
    let assembly = Scene::of(&leaf).roots([&leaf]).assemble();
    assert_served(&assembly, [&leaf]);
    assert_eq!(assembly.status, Status::Complete);
}

#[test]
fn a_leaf_signed_by_the_root_needs_nothing_else() {
    let root = ca("R").self_signed();
    let leaf = server("www.example.test").signed_by(&root);
    let assembly = Scene::of(&leaf).roots([&root]).assemble();
    assert_served(&assembly, [&leaf]);
    assert_eq!(assembly.status, Status::Complete);
}

/// IIS serves the leaf alone here (AMWA-TV/nmos-testing#219).
#[test]
fn an_intermediate_named_like_its_root_is_served() {
    let root = ca("Example CA").self_signed();
    let intermediate = ca("Example CA").signed_by(&root);
    let leaf = server("www.example.test").signed_by(&intermediate);
    let assembly = Scene::of(&leaf).store([&intermediate, &root]).roots([&root]).assemble();
    assert_served(&assembly, [&leaf, &intermediate]);
    assert_eq!(assembly.status, Status::Complete);
}

#[test]
fn a_ca_certificate_as_leaf_is_refused_unless_allowed() {
    let root = ca("R").self_signed();
    let authority = ca("www.example.test").also_named("www.example.test").signed_by(&root);
    let scene = Scene::of(&authority).roots([&root]);
    let refused = scene.assemble();
    assert_eq!(refused.status, Status::Invalid);
    assert!(
        refused.flaws[0].to_string().contains("a CA certificate"),
        "{:?}",
        refused.flaws
    );
    let allowed = scene.allow_ca_leaf().assemble();
    assert_eq!(allowed.status, Status::Complete);
    assert!(matches!(allowed.warnings[..], [Warning::StricterThanRfc5280 { .. }]));
}

#[test]
fn an_intermediate_that_is_an_anchor_ends_the_chain_and_is_sent_unless_told_otherwise() {
    let root = ca("R").self_signed();
    let upper = ca("I2").signed_by(&root);
    let lower = ca("I1").signed_by(&upper);
    let leaf = server("www.example.test").signed_by(&lower);
    let scene = || Scene::of(&leaf).store([&lower, &upper]).roots([&upper]);
    let assembly = scene().assemble();
    assert_served(&assembly, [&leaf, &lower, &upper]);
    assert_eq!(assembly.status, Status::Complete);
    assert_eq!(assembly.chain.end, End::Anchor(upper.certificate.clone()));
    assert_served(&scene().without_sending_anchors().assemble(), [&leaf, &lower]);
}

#[test]
fn seven_intermediates_are_served_with_a_warning() {
    let root = ca("R").self_signed();
    let mut chain = vec![ca("I7").signed_by(&root)];
    for level in (1..7).rev() {
        chain.push(ca(&format!("I{level}")).signed_by(chain.last().unwrap()));
    }
    let leaf = server("www.example.test").signed_by(chain.last().unwrap());
    let assembly = Scene::of(&leaf).store(&chain).roots([&root]).assemble();
    assert_eq!(assembly.chain.intermediates().len(), 7);
    assert_eq!(assembly.status, Status::Complete);
    assert!(
        assembly.warnings[0].to_string().contains("more than six"),
        "{:?}",
        assembly.warnings
    );
}

#[test]
fn permuting_the_store_never_changes_the_bytes() {
    let mut mesh = crate::rig::pki::Mesh::default();
    let names = ["A", "B", "C", "D"];
    let mut edges = Vec::new();
    for subject in names {
        for issuer in names.iter().filter(|issuer| **issuer != subject) {
            edges.push(mesh.edge(subject, issuer));
        }
    }
    let (first, anchor) = (mesh.authority("A"), mesh.authority("D"));
    let leaf = server("www.example.test").signed_by(&first);
    let expected = Scene::of(&leaf).store(&edges).roots([&anchor]).assemble();
    assert_eq!(expected.status, Status::Complete);
    for turn in 1..edges.len() {
        let mut permuted = edges.clone();
        permuted.rotate_left(turn);
        permuted.swap(0, turn / 2);
        let assembly = Scene::of(&leaf).store(&permuted).roots([&anchor]).assemble();
        assert_eq!(assembly.chain.to_der(), expected.chain.to_der());
    }
}

#[test]
fn names_that_differ_only_in_encoding_match_with_a_warning() {
    let root = ca("R").self_signed();
    let spelled = ca("unused").printable("EXAMPLE  ca").signed_by(&root);
    let written = ca("Example CA").key_of(&spelled).signed_by(&root);
    let leaf = server("www.example.test").signed_by(&written);
    let assembly = Scene::of(&leaf).store([&spelled]).roots([&root]).assemble();
    assert_served(&assembly, [&leaf, &spelled]);
    assert_eq!(assembly.status, Status::Complete);
    assert!(matches!(
        assembly.warnings[..],
        [Warning::NamesEncodedDifferently { .. }]
    ));
}
