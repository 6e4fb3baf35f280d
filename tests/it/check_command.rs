//! `fullchain check`: the configuration and the chains that would be served, without serving.

use crate::rig::command::{Ended, fullchain};
use crate::rig::directory::Directory;
use crate::rig::estate::Estate;
use crate::rig::family::Family;
use crate::rig::house::House;
use crate::rig::pki::{Entity, ca, server};

fn check(house: &House) -> Ended {
    let mut arguments = vec!["check".to_owned()];
    arguments.extend(house.arguments());
    fullchain(arguments)
}

#[test]
fn a_complete_chain_ends_with_0_and_is_shown() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf());
    let checked = check(&house);
    assert_eq!((checked.code, checked.err.as_str()), (Some(0), ""));
    for part in [
        &*house.directory.text("tls.crt"),
        "a.test: complete",
        "CN=Issuing 1",
        "CN=Root",
        "(root, not sent)",
        "sent: 2 certificates",
    ] {
        assert!(checked.out.contains(part), "{part}\n{}", checked.out);
    }
}

#[test]
fn an_incomplete_chain_ends_with_3_and_names_the_issuer_wanted() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf());
    house.directory.remove("store/issuing.pem");
    let checked = check(&house);
    assert_eq!(checked.code, Some(3), "{}", checked.err);
    assert!(
        checked.out.contains("missing: the issuer of CN=a.test"),
        "{}",
        checked.out
    );
    assert!(checked.out.contains("CN=Issuing 1"), "{}", checked.out);
}

#[test]
fn a_private_pki_without_roots_is_no_fault() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf()).flag("--roots", "none");
    let checked = check(&house);
    assert_eq!(checked.code, Some(0), "{}", checked.out);
    assert!(checked.out.contains("a.test: unanchored"), "{}", checked.out);
}

#[test]
fn roots_that_cannot_be_read_are_named_and_no_chain_is_complete_without_them() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf());
    house.directory.remove("root.pem");
    let checked = check(&house);
    assert_eq!(checked.code, Some(3), "{}", checked.out);
    assert!(
        checked.err.contains(&house.directory.text("root.pem")),
        "{}",
        checked.err
    );
    let ended = house.switch("--strict").fail();
    assert_eq!(ended.code, Some(1), "{}", ended.err);
}

#[test]
fn a_key_that_does_not_fit_ends_with_1_and_both_files_are_named() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf());
    house.directory.write("tls.key", family.leaf().key_pem());
    let checked = check(&house);
    assert_eq!(checked.code, Some(1), "{}", checked.out);
    for name in ["tls.crt", "tls.key"] {
        assert!(
            checked.err.contains(&house.directory.text(name)),
            "{name}\n{}",
            checked.err
        );
    }
}

#[test]
fn files_that_are_missing_or_torn_end_with_1_and_are_named() {
    let family = Family::new();
    for name in ["tls.crt", "tls.key"] {
        for torn in [false, true] {
            let leaf = family.leaf();
            let house = House::of(&family, &leaf);
            house.directory.remove(name);
            if torn {
                let pem = if name == "tls.crt" { leaf.pem() } else { leaf.key_pem() };
                house.directory.write(name, &pem[..pem.len() / 2]);
            }
            let checked = check(&house);
            assert_eq!(checked.code, Some(1), "{name}, torn: {torn}");
            assert!(checked.err.contains(&house.directory.text(name)), "{}", checked.err);
        }
    }
}

#[test]
fn what_is_broken_in_the_store_is_a_warning() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf());
    house.directory.write("store/torn.pem", &family.issuing.pem()[..200]);
    let checked = check(&house);
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    assert!(
        checked.err.contains("warning: ") && checked.err.contains("torn.pem"),
        "{}",
        checked.err
    );
}

#[test]
fn what_lies_beside_the_leaf_and_is_of_no_use_is_listed() {
    let family = Family::new();
    let leaf = family.leaf();
    let house = House::of(&family, &leaf);
    let other = family.another_issuing("Somebody else");
    house.directory.write("tls.crt", leaf.pem() + &other.pem());
    let checked = check(&house);
    assert_eq!(checked.code, Some(0));
    assert!(checked.out.contains("unused: CN=Somebody else"), "{}", checked.out);
}

#[test]
fn the_last_line_counts_the_certificates_by_status() {
    let root = ca("Root").self_signed();
    let (known, unknown) = (ca("Known").signed_by(&root), ca("Unknown").signed_by(&root));
    let estate = Estate::new([&known], [&root])
        .with(&server("a.test").signed_by(&known), "")
        .with(&server("b.test").signed_by(&known), "")
        .with(&server("c.test").signed_by(&unknown), "");
    let checked = estate.check(&[]);
    assert_eq!(checked.code, Some(3), "{}", checked.err);
    let last = checked.out.lines().last().unwrap();
    assert_eq!(last, "3 certificates: 2 complete, 1 incomplete");
    let heads: Vec<_> = checked.out.lines().filter(|line| line.contains(".test: ")).collect();
    assert_eq!(heads, ["a.test: complete", "b.test: complete", "c.test: incomplete"]);
}

/// A root that old clients know, a newer one, and a cross-certificate between.
struct Crossing {
    old: Entity,
    root: Entity,
    cross: Entity,
    issuing: Entity,
}

impl Crossing {
    fn new() -> Self {
        let old = ca("Old").valid(-3000, 3000).self_signed();
        let root = ca("New").valid(-300, 3000).self_signed();
        let cross = ca("New").key_of(&root).valid(-200, 150).signed_by(&old);
        let issuing = ca("Issuing").signed_by(&root);
        Self {
            old,
            root,
            cross,
            issuing,
        }
    }

    fn estate(&self) -> Estate {
        Estate::new([&self.issuing, &self.cross], [&self.old, &self.root])
    }
}

#[test]
fn each_certificate_may_have_a_policy_of_its_own_and_the_rest_have_that_of_all() {
    let crossing = Crossing::new();
    let leaf = |name: &str| server(name).signed_by(&crossing.issuing);
    let estate = crossing
        .estate()
        .with(&leaf("short.test"), "")
        .with(&leaf("compat.test"), "policy = \"compat\"");
    let sent = |checked: &Ended| -> Vec<String> {
        let lines = checked
            .out
            .lines()
            .filter_map(|line| line.trim().strip_prefix("sent: "));
        lines.map(|line| line.split(',').next().unwrap().to_owned()).collect()
    };
    let checked = estate.check(&[]);
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    assert_eq!(sent(&checked), ["2 certificates", "3 certificates"]);
    assert!(
        checked.out.contains("not chosen: 3 certificates, ") && checked.out.contains("not chosen: 2 certificates, "),
        "{}",
        checked.out
    );
    // What holds for all does not reach the one that has its own.
    let estate = estate.with(&leaf("own.test"), "policy = \"short\"");
    let checked = estate.check(&["--policy", "compat"]);
    assert_eq!(sent(&checked), ["3 certificates", "3 certificates", "2 certificates"]);
}

#[test]
fn at_shows_the_chains_that_would_be_served_on_that_day() {
    let root = ca("Root").self_signed();
    let ending = ca("Issuing").valid(-900, 30).signed_by(&root);
    let leaf = server("a.test").signed_by(&ending);
    let estate = Estate::new([&ending], [&root]).with(&leaf, "");
    let now = estate.check(&["--at", "2026-07-01"]);
    assert_eq!(now.code, Some(0), "{}", now.out);
    let later = estate.check(&["--at", "2026-07-02"]);
    assert_eq!(later.code, Some(3), "{}", later.out);
    for part in [
        "a.test: invalid",
        "expired on 2026-07-01",
        "to do: add its renewal to the store",
    ] {
        assert!(later.out.contains(part), "{part}\n{}", later.out);
    }
    assert_eq!(estate.check(&["--at", "tomorrow"]).code, Some(2));
}

#[test]
fn within_lists_leaf_intermediate_and_root_by_name_the_soonest_first() {
    let root = ca("Root").self_signed();
    let ending_root = ca("Ending root").valid(-900, 20).self_signed();
    let steady = ca("Steady").signed_by(&root);
    let ending = ca("Ending").valid(-900, 10).signed_by(&root);
    let below = ca("Below").signed_by(&ending_root);
    let leaf = |name: &str, issuer: &Entity| server(name).signed_by(issuer);
    let short_lived = server("leaf.test").valid(-1, 15).signed_by(&steady);
    let estate = Estate::new([&steady, &ending, &below], [&root, &ending_root])
        .with(&leaf("root.test", &below), "")
        .with(&short_lived, "")
        .with(&leaf("intermediate.test", &ending), "")
        .with(&leaf("steady.test", &steady), "");
    let checked = estate.check(&["--within", "30d"]);
    assert_eq!(checked.code, Some(3), "{}", checked.out);
    let outlook = outlook(&checked);
    let expected = [
        "3 things break until 2026-07-01 (30 days)".to_owned(),
        format!("  2026-06-11, in 10 days: intermediate {} ends", ending.certificate),
        "    complete becomes invalid for 1 certificate: intermediate.test".to_owned(),
        format!("  2026-06-16, in 15 days: leaf {} ends", short_lived.certificate),
        "    complete becomes invalid for 1 certificate: leaf.test".to_owned(),
        format!("  2026-06-21, in 20 days: root {} ends", ending_root.certificate),
        "    still complete, but refused by some clients, for 1 certificate: root.test".to_owned(),
    ];
    assert_eq!(outlook, expected);
    // A day less than the first takes.
    let before = estate.check(&["--within", "9d"]);
    assert_eq!(before.code, Some(0), "{}", before.out);
    assert!(before.out.contains("nothing breaks until 2026-06-10"), "{}", before.out);
}

/// The lines of the outlook.
fn outlook(checked: &Ended) -> Vec<String> {
    let lines = checked
        .out
        .lines()
        .skip_while(|line| !line.contains(" until 2") || line.starts_with(' '));
    lines.take_while(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn one_intermediate_below_many_hosts_is_one_line() {
    let root = ca("Root").self_signed();
    let ending = ca("Ending").valid(-900, 10).signed_by(&root);
    let mut estate = Estate::new([&ending], [&root]);
    for number in 1..=7 {
        estate = estate.with(&server(&format!("h{number}.test")).signed_by(&ending), "");
    }
    let checked = estate.check(&["--within", "30d"]);
    let outlook = outlook(&checked);
    assert_eq!(outlook.len(), 3, "{outlook:?}");
    assert_eq!(outlook[0], "1 thing breaks until 2026-07-01 (30 days)");
    assert_eq!(
        outlook[2].trim(),
        "complete becomes invalid for 7 certificates: h1.test, h2.test, h3.test and 4 more"
    );
}

#[test]
fn what_changes_by_itself_and_stays_good_is_told_and_no_break() {
    let crossing = Crossing::new();
    let soon = ca("Issuing")
        .key_of(&crossing.issuing)
        .valid(5, 1000)
        .signed_by(&crossing.root);
    let leaf = server("a.test").valid(-1, 200).signed_by(&crossing.issuing);
    let estate = Estate::new(
        [&crossing.issuing, &crossing.cross, &soon],
        [&crossing.old, &crossing.root],
    )
    .with(&leaf, "policy = \"compat\"");
    let checked = estate.check(&["--within", "180d"]);
    assert_eq!(checked.code, Some(0), "{}", checked.out);
    let outlook = outlook(&checked);
    assert_eq!(outlook[0], "nothing breaks until 2026-11-28 (180 days)");
    assert_eq!(outlook[1], "by itself, with nothing to do");
    assert_eq!(
        outlook[2..4],
        [
            format!("  2026-06-06, in 5 days: intermediate {} begins", soon.certificate),
            "    another chain takes over, complete, for 1 certificate: a.test".to_owned(),
        ]
    );
}

#[test]
fn a_renewal_that_lies_in_the_store_already_takes_over_and_nothing_breaks() {
    let root = ca("Root").self_signed();
    let ending = ca("Issuing").valid(-900, 10).signed_by(&root);
    let renewal = ca("Issuing").key_of(&ending).valid(8, 900).signed_by(&root);
    let leaf = server("a.test").signed_by(&ending);
    let checked = Estate::new([&ending, &renewal], [&root])
        .with(&leaf, "")
        .check(&["--within", "30d"]);
    assert_eq!(checked.code, Some(0), "{}", checked.out);
    assert_eq!(outlook(&checked)[0], "nothing breaks until 2026-07-01 (30 days)");
    // One that comes too late leaves a gap, which ends by itself.
    let late = ca("Issuing").key_of(&ending).valid(12, 900).signed_by(&root);
    let checked = Estate::new([&ending, &late], [&root])
        .with(&leaf, "")
        .check(&["--within", "30d"]);
    assert_eq!(checked.code, Some(3), "{}", checked.out);
    let outlook = outlook(&checked);
    assert!(outlook[2].contains("complete becomes invalid for"), "{outlook:?}");
    assert!(outlook[5].contains("invalid becomes complete for"), "{outlook:?}");
}

#[test]
fn a_cross_certificate_that_ends_loses_the_clients_that_know_only_the_old_root() {
    let old = ca("Old").valid(-3000, 3000).self_signed();
    let root = ca("New").valid(-300, 3000).self_signed();
    let cross = ca("New").key_of(&root).valid(-200, 50).signed_by(&old);
    // It ends before the leaf too, so that neither way outlives the leaf.
    let issuing = ca("Issuing").valid(-900, 55).signed_by(&root);
    let leaf = server("a.test").valid(-1, 60).signed_by(&issuing);
    let estate = Estate::new([&issuing, &cross], [&old, &root]).with(&leaf, "policy = \"compat\"");
    let checked = estate.check(&["--within", "52d"]);
    assert_eq!(checked.code, Some(0), "{}", checked.out);
    let expected = [
        "nothing breaks until 2026-07-23 (52 days)".to_owned(),
        "by itself, but not for all clients".to_owned(),
        format!("  2026-07-21, in 50 days: intermediate {} ends", cross.certificate),
        "    another chain takes over, complete, for 1 certificate: a.test".to_owned(),
        format!(
            "    clients that know only {} find no chain from then on",
            old.certificate
        ),
    ];
    assert_eq!(outlook(&checked), expected);
}

#[test]
fn what_ends_in_twenty_years_can_be_asked_for() {
    let root = ca("Root").valid(-900, 3000).self_signed();
    let leaf = server("a.test").valid(-1, 2000).signed_by(&root);
    let estate = Estate::new([], [&root]).with(&leaf, "");
    let checked = estate.check(&["--within", "7300d"]);
    assert_eq!(checked.code, Some(3), "{}", checked.err);
    assert!(
        outlook(&checked)[0].starts_with("2 things break until 2046-"),
        "{}",
        checked.out
    );
}

#[test]
fn without_certificates_the_count_ends_with_the_number() {
    let directory = Directory::new();
    directory.write("certificates/notes.txt", "");
    let path = directory.text("certificates");
    let upstream = ["--upstream", "http://127.0.0.1:1"];
    let checked = fullchain(
        [
            &["check", "--certificate-directory", &path, "--roots", "none"],
            &upstream[..],
        ]
        .concat(),
    );
    assert_eq!(
        checked.out, "store: 0 certificates; 0 problems\n0 certificates\n",
        "{}",
        checked.err
    );
}
