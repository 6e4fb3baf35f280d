//! Several ways to a root: cross-certificates, bridges, cycles.

use fullchain::chain::{Assembly, Criterion, End, Policy, Status, Verdict};

use crate::rig::pki::{Authority, Entity, Mesh, Recipe, Scene, assert_served, ca, server};

#[test]
fn a_renewed_intermediate_wins_and_the_older_is_listed() {
    let root = ca("R").self_signed();
    let old = ca("I1").valid(-500, 500).signed_by(&root);
    let new = ca("I1").key_of(&old).valid(-5, 900).signed_by(&root);
    let leaf = server("www.example.test").signed_by(&old);
    let assembly = Scene::of(&leaf).store([&old, &new]).roots([&root]).assemble();
    assert_served(&assembly, [&leaf, &new]);
    let step = assembly
        .trail
        .steps
        .iter()
        .find(|step| step.candidate == old.certificate)
        .unwrap();
    assert_eq!(step.verdict, Verdict::Passed(Criterion::Newer));
    assert_eq!(assembly.alternatives.len(), 1);
    assert_eq!(
        assembly.alternatives[0].chain.certificates,
        [leaf.certificate, old.certificate]
    );
}

#[test]
fn compat_keeps_a_cross_certificate_until_it_ends_even_if_the_leaf_outlives_it() {
    let old_root = ca("Old").valid(-3000, 3000).self_signed();
    let root = ca("R").valid(-1000, 3000).self_signed();
    let cross = |end| ca("R").key_of(&root).valid(-900, end).signed_by(&old_root);
    let (ends_first, lasts) = (cross(30), cross(100));
    let intermediate = ca("I1").valid(-900, 900).signed_by(&root);
    let leaf = server("www.example.test").valid(-1, 60).signed_by(&intermediate);
    let scene = |store: &[&Entity], policy, days| {
        let scene = Scene::of(&leaf).store([&intermediate]).store(store.iter().copied());
        scene.roots([&root, &old_root]).policy(policy).on_day(days).assemble()
    };
    assert_served(
        &scene(&[&ends_first], Policy::Compat, 29),
        [&leaf, &intermediate, &ends_first],
    );
    assert_served(&scene(&[&ends_first], Policy::Compat, 31), [&leaf, &intermediate]);
    assert_served(&scene(&[&ends_first], Policy::Short, 0), [&leaf, &intermediate]);
    // Of two ways to the old root the one that outlives the leaf.
    let both = scene(&[&ends_first, &lasts], Policy::Compat, 0);
    assert_served(&both, [&leaf, &intermediate, &lasts]);
    assert_eq!(both.warnings, []);
}

#[test]
fn of_two_ways_to_two_roots_short_takes_the_shorter_and_compat_the_one_to_the_older_root() {
    let new_root = ca("R1").valid(-300, 3000).self_signed();
    let old_root = ca("R2").valid(-3000, 800).self_signed();
    let cross = ca("X").signed_by(&old_root);
    let direct = ca("I1").signed_by(&new_root);
    let crossed = ca("I1").key_of(&direct).signed_by(&cross);
    let leaf = server("www.example.test").signed_by(&direct);
    let scene = || {
        Scene::of(&leaf)
            .store([&direct, &crossed, &cross])
            .roots([&new_root, &old_root])
    };
    let short = scene().assemble();
    assert_served(&short, [&leaf, &direct]);
    assert_eq!(short.alternatives[0].chain.certificates.len(), 3);
    let compat = scene().policy(Policy::Compat).assemble();
    assert_served(&compat, [&leaf, &crossed, &cross]);
    assert_eq!(compat.chain.end, End::Anchor(old_root.certificate.clone()));
    assert_eq!(
        compat.alternatives[0].chain.certificates,
        [leaf.certificate.clone(), direct.certificate.clone()]
    );
    let step = compat
        .trail
        .steps
        .iter()
        .find(|step| step.candidate == direct.certificate)
        .unwrap();
    assert_eq!(step.verdict, Verdict::Passed(Criterion::Policy));
}

/// IIS cannot be made to send the longer one (Microsoft KB 2831004; the CA/Browser Forum's servercert list, April
/// 2026).
#[test]
fn a_root_that_is_also_cross_signed_is_kept_as_cross_certificate_by_compat_only() {
    let usertrust = ca("USERTrust").valid(-5000, 1000).self_signed();
    let r46 = ca("R46").valid(-1500, 3000).self_signed();
    let r46_cross = ca("R46").key_of(&r46).valid(-1500, 900).signed_by(&usertrust);
    let intermediate = ca("DV R36").signed_by(&r46);
    let leaf = server("www.example.test").signed_by(&intermediate);
    let scene = || {
        Scene::of(&leaf)
            .store([&intermediate, &r46_cross])
            .roots([&usertrust, &r46])
    };
    assert_served(&scene().assemble(), [&leaf, &intermediate]);
    let compat = scene().policy(Policy::Compat).assemble();
    assert_served(&compat, [&leaf, &intermediate, &r46_cross]);
    assert_eq!(compat.status, Status::Complete);
}

/// AddTrust, 30 May 2020: servers kept sending an expired cross-certificate though a valid way existed.
#[test]
fn an_expired_cross_certificate_is_never_served_where_a_valid_way_exists() {
    let old_root = ca("AddTrust").valid(-7000, -1).self_signed();
    let new_root = ca("USERTrust").valid(-3000, 3000).self_signed();
    let cross = ca("USERTrust").key_of(&new_root).valid(-7000, -1).signed_by(&old_root);
    let intermediate = ca("I1").signed_by(&new_root);
    let leaf = server("www.example.test").signed_by(&intermediate);
    for policy in [Policy::Short, Policy::Compat] {
        let assembly = Scene::of(&leaf)
            .store([&intermediate, &cross])
            .roots([&old_root, &new_root])
            .policy(policy)
            .assemble();
        assert_served(&assembly, [&leaf, &intermediate]);
        assert_eq!(assembly.status, Status::Complete);
        assert!(assembly.warnings.is_empty(), "{:?}", assembly.warnings);
    }
}

/// The example of RFC 4158 figure 7: A and C certify each other.
#[test]
fn a_cycle_of_cross_certificates_ends_in_the_shortest_valid_way() {
    let mut mesh = Mesh::default();
    let store: Vec<_> = [
        ("A", "C"),
        ("C", "A"),
        ("A", "B"),
        ("B", "Root"),
        ("C", "B"),
        ("D", "A"),
        ("D", "C"),
    ]
    .map(|(subject, issuer)| mesh.edge(subject, issuer))
    .into();
    let (root, issuer) = (mesh.authority("Root"), mesh.authority("D"));
    let leaf = server("www.example.test").signed_by(&issuer);
    let assembly = Scene::of(&leaf).store(&store).roots([&root]).assemble();
    assert_eq!(assembly.status, Status::Complete);
    assert_eq!(assembly.chain.intermediates().len(), 3, "{}", assembly.trail);
}

#[test]
fn a_way_through_a_bridge_of_35_certificates_is_found() {
    let mut mesh = Mesh::default();
    let mut store = Vec::new();
    for partner in 0..17 {
        let name = format!("Partner {partner}");
        store.push(mesh.edge(&name, "Bridge"));
        store.push(mesh.edge("Bridge", &name));
    }
    store.push(mesh.edge("Issuing", "Partner 3"));
    let (root, issuer) = (mesh.authority("Partner 11"), mesh.authority("Issuing"));
    assert_eq!(store.len(), 35);
    let leaf = server("www.example.test").signed_by(&issuer);
    let assembly = Scene::of(&leaf).store(&store).roots([&root]).assemble();
    assert_eq!(assembly.status, Status::Complete, "{}", assembly.trail);
    assert_eq!(assembly.chain.intermediates().len(), 3);
}

#[test]
fn two_intermediates_that_sign_each_other_end_without_a_root() {
    let mut mesh = Mesh::default();
    let store = [mesh.edge("A", "B"), mesh.edge("B", "A")];
    let issuer = mesh.authority("A");
    let leaf = server("www.example.test").signed_by(&issuer);
    let assembly = Scene::of(&leaf).store(&store).assemble();
    assert_eq!(assembly.chain.certificates.len(), 3);
    assert_eq!(assembly.status, Status::Incomplete);
    assert!(assembly.wanted.is_some());
}

/// Twelve layers of six CAs, each certified by every CA of the layer above: 6^12 paths, and only as many links as 6 x
/// 6 x 12.
#[test]
fn a_mesh_of_two_billion_paths_is_searched_by_its_links() {
    let mut mesh = Mesh::default();
    let mut store = Vec::new();
    for layer in 0..12 {
        for subject in 0..6 {
            for issuer in 0..6 {
                store.push(mesh.edge(&format!("{layer}.{subject}"), &format!("{}.{issuer}", layer + 1)));
            }
        }
    }
    let (root, issuer) = (mesh.authority("12.0"), mesh.authority("0.0"));
    let leaf = server("www.example.test").signed_by(&issuer);
    let assembly = Scene::of(&leaf).store(&store).roots([&root]).assemble();
    assert_eq!(assembly.chain.intermediates().len(), 12);
    assert_eq!(assembly.status, Status::Complete, "{:?}", assembly.flaws);
    let unanchored = Scene::of(&leaf).store(&store).assemble();
    assert!(!unanchored.trail.budget_exhausted);
    assert_eq!(unanchored.status, Status::Unanchored);
}

/// An issuing CA below a root that an older root has cross-certified.
struct CrossCertified {
    leaf: Entity,
    issuing: Entity,
    root: Entity,
    cross: Entity,
    older: Entity,
}

impl CrossCertified {
    fn with_cross(cross: impl FnOnce(Recipe) -> Recipe) -> Self {
        let (root, older) = (
            ca("R46").valid(-300, 3000).self_signed(),
            ca("USERTrust").valid(-3000, 800).self_signed(),
        );
        let issuing = ca("I").signed_by(&root);
        Self {
            leaf: server("www.example.test").signed_by(&issuing),
            issuing,
            cross: cross(ca("R46").key_of(&root)).signed_by(&older),
            root,
            older,
        }
    }

    fn scene(&self) -> Scene {
        Scene::of(&self.leaf)
            .store([&self.issuing, &self.cross])
            .roots([&self.root, &self.older])
    }
}

#[test]
fn the_best_chain_to_each_other_anchor_is_kept_for_clients_that_name_it() {
    let cross_certified = CrossCertified::with_cross(|cross| cross);
    let CrossCertified {
        leaf, issuing, cross, ..
    } = &cross_certified;
    let others = |assembly: &Assembly| {
        let others = assembly.to_other_anchors.iter();
        others
            .map(|chain| (chain.certificates.clone(), chain.end.clone()))
            .collect::<Vec<_>>()
    };
    let chain = |entities: &[&Entity], anchor: &Entity| {
        let certificates: Vec<_> = entities.iter().map(|entity| entity.certificate.clone()).collect();
        (certificates, End::Anchor(anchor.certificate.clone()))
    };
    let short = cross_certified.scene().assemble();
    assert_served(&short, [leaf, issuing]);
    let long = chain(&[leaf, issuing, cross], &cross_certified.older);
    assert_eq!(others(&short), [long]);
    let compat = cross_certified.scene().policy(Policy::Compat).assemble();
    assert_served(&compat, [leaf, issuing, cross]);
    assert_eq!(others(&compat), [chain(&[leaf, issuing], &cross_certified.root)]);
    assert_eq!(compat.chains().count(), 2);
    // A second certificate of one anchor is no other anchor.
    let renewed = ca("R46").key_of(&cross_certified.root).self_signed();
    let alone = Scene::of(leaf)
        .store([issuing])
        .roots([&cross_certified.root, &renewed])
        .assemble();
    assert_eq!(others(&alone), []);
}

#[test]
fn a_chain_to_another_anchor_that_clients_would_refuse_is_not_kept() {
    for (what, cross) in [
        ("expired", CrossCertified::with_cross(|cross| cross.valid(-900, -1))),
        ("path length", CrossCertified::with_cross(|cross| cross.path_length(0))),
        (
            "name constraints",
            CrossCertified::with_cross(|cross| cross.excludes("example.test")),
        ),
        (
            "key id",
            CrossCertified::with_cross(|cross| cross.authority(Authority::KeyId(vec![9; 20]))),
        ),
        ("not a CA", CrossCertified::with_cross(Recipe::not_a_ca)),
    ] {
        for policy in [Policy::Short, Policy::Compat] {
            let assembly = cross.scene().policy(policy).assemble();
            assert_served(&assembly, [&cross.leaf, &cross.issuing]);
            assert_eq!(assembly.to_other_anchors, [], "{what}");
        }
    }
}

#[test]
fn of_many_anchors_the_oldest_are_kept_in_whatever_order_they_came() {
    let roots: Vec<Entity> = (0..12)
        .map(|number| ca(&format!("R{number}")).valid(-1000 - number, 1000).self_signed())
        .collect();
    let issuing = ca("I").self_signed();
    let crossed: Vec<Entity> = roots
        .iter()
        .map(|root| ca("I").key_of(&issuing).signed_by(root))
        .collect();
    let leaf = server("www.example.test").signed_by(&issuing);
    let ends = |assembly: &Assembly| -> Vec<String> {
        let others = assembly.to_other_anchors.iter();
        others.map(|chain| chain.certificates[1].issuer().to_string()).collect()
    };
    let scene = || Scene::of(&leaf);
    let compat = scene().policy(Policy::Compat).store(&crossed).roots(&roots).assemble();
    assert_eq!(compat.chain.end, End::Anchor(roots[11].certificate.clone()));
    let oldest: Vec<String> = (3..11).rev().map(|number| format!("CN=R{number}")).collect();
    assert_eq!(ends(&compat), oldest);
    let turned = scene()
        .policy(Policy::Compat)
        .store(crossed.iter().rev())
        .roots(roots.iter().rev())
        .assemble();
    assert_eq!(ends(&turned), oldest);
}
