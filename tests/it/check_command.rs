//! `fullchain check`: the configuration and the chains that would be served, without serving.

use crate::rig::command::{Ended, fullchain};
use crate::rig::family::Family;
use crate::rig::house::House;

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
