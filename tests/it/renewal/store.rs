//! What happens to chains when the store of intermediates changes.

use crate::rig::eventually;
use crate::rig::family::{Family, around_today, leaf};
use crate::rig::house::{House, Running};
use crate::rig::pki::ca;

#[test]
fn a_leaf_by_an_unknown_intermediate_waits_until_that_is_dropped_into_the_store() {
    let family = Family::new();
    let before = family.leaf();
    let house = House::of(&family, &before).start();
    let trickle = house.trickle();
    let second = family.another_issuing("Issuing 2");
    let after = leaf("a.test").signed_by(&second);
    house.directory().replace("tls.key", after.key_pem());
    house.directory().replace("tls.crt", after.pem());
    house.wait_for_log(&[
        "ERROR",
        "the last good one stays",
        "worse",
        "incomplete",
        "wanted: CN=Issuing 2",
    ]);
    house.assert_served([&before, &family.issuing]);

    house.directory().write("store/issuing-2.pem", second.pem());
    house.wait_until_served([&after, &second]);
    trickle.assert_none_failed();
}

#[test]
fn an_intermediate_removed_while_in_use_stays_in_the_chain_with_a_warning() {
    let family = Family::new();
    let served = family.leaf();
    let house = House::of(&family, &served).start();
    house.directory().remove("store/issuing.pem");
    house.wait_for_log(&["the last good one stays", "wanted: CN=Issuing 1"]);
    house.assert_served([&served, &family.issuing]);
    // A renewal that needs it is no better.
    let after = family.leaf();
    house.directory().replace("tls.key", after.key_pem());
    house.directory().replace("tls.crt", after.pem());
    house.wait_for_log(&["the last good one stays", &format!("{} on disk", after.certificate)]);
    house.assert_served([&served, &family.issuing]);
    house.directory().write("store/issuing.pem", family.issuing.pem());
    house.wait_until_served([&after, &family.issuing]);
}

#[test]
fn a_renewed_intermediate_is_taken_up_without_a_new_leaf() {
    let family = Family::new();
    let served = family.leaf();
    let house = House::of(&family, &served).start();
    let renewed = around_today(ca("Issuing 1"), 900)
        .key_of(&family.issuing)
        .signed_by(&family.root);
    house.directory().write("store/issuing-renewed.pem", renewed.pem());
    house.wait_until_served([&served, &renewed]);
}

#[test]
fn a_broken_file_in_the_store_costs_nobody_a_chain() {
    let family = Family::new();
    let served = family.leaf();
    let house = House::of(&family, &served).start();
    let second = family.another_issuing("Issuing 2");
    house.directory().write("store/broken.pem", &second.pem()[..200]);
    house.wait_for_log(&["skipped", "broken.pem"]);
    house.assert_served([&served, &family.issuing]);
}

#[test]
fn temporary_files_of_an_editor_are_left_alone() {
    let family = Family::new();
    let served = family.leaf();
    let house = House::of(&family, &served).start();
    let second = family.another_issuing("Issuing 2");
    for name in [
        ".issuing-2.pem.swp",
        "issuing-2.pem~",
        "#issuing-2.pem#",
        "issuing-2.tmp",
    ] {
        house.directory().write(format!("store/{name}"), &second.pem()[..200]);
    }
    let outcome = house.reload(&[]);
    assert!(outcome.out.starts_with("unchanged"), "{outcome:?}");
    assert!(!house.has_logged(&["skipped"]));
    house.assert_served([&served, &family.issuing]);
}

#[test]
fn one_host_is_renewed_while_another_is_kept() {
    let family = Family::new();
    let (first, second) = (family.leaf(), leaf("b.test").signed_by(&family.issuing));
    let house = House::bare(&family).file("--config", "fullchain.toml");
    for (name, leaf) in [("a", &first), ("b", &second)] {
        house.directory.write(format!("{name}.crt"), leaf.pem());
        house.directory.write(format!("{name}.key"), leaf.key_pem());
    }
    let tables =
        "[[certificate]]\ncert = \"a.crt\"\nkey = \"a.key\"\n[[certificate]]\ncert = \"b.crt\"\nkey = \"b.key\"\n";
    house.directory.write("fullchain.toml", tables);
    let house = house.start();
    let config = house.client_config(rustls::ALL_VERSIONS);
    let of_second = |house: &Running| house.served_to(&config, "b.test").unwrap()[0].clone();
    house.assert_served([&first, &family.issuing]);
    assert_eq!(&of_second(&house), second.certificate.der());

    let after = leaf("b.test").signed_by(&family.issuing);
    house.directory().replace("a.crt", "torn");
    house.directory().replace("b.key", after.key_pem());
    house.directory().replace("b.crt", after.pem());
    eventually("the second is renewed", || {
        &of_second(&house) == after.certificate.der()
    });
    house.wait_for_log(&["the last good one stays", "a.crt"]);
    house.assert_served([&first, &family.issuing]);
}
