//! The guard: what is worse than what is served is refused, unless somebody insists.

use rustix::process::Signal;

use crate::rig::family::{Family, around_today, leaf};
use crate::rig::house::{House, Running};
use crate::rig::pki::{Entity, server};

fn replace(house: &Running, leaf: &Entity) {
    house.directory().replace("tls.key", leaf.key_pem());
    house.directory().replace("tls.crt", leaf.pem());
}

#[test]
fn fewer_names_are_refused_until_forced() {
    let family = Family::new();
    let before = leaf("a.test").also_named("b.test").signed_by(&family.issuing);
    let house = House::of(&family, &before).start();
    let after = family.leaf();
    replace(&house, &after);
    house.wait_for_log(&["the last good one stays", "it is not for b.test"]);
    house.signal(Signal::HUP);
    let refused = house.reload(&[]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("it is not for b.test"), "{}", refused.err);
    house.assert_served([&before, &family.issuing]);

    let forced = house.reload(&["--force"]);
    assert_eq!(forced.code, Some(0), "{}", forced.err);
    house.assert_served([&after, &family.issuing]);
}

#[test]
fn an_earlier_expiry_is_refused_until_forced() {
    let family = Family::new();
    let before = family.leaf();
    let house = House::of(&family, &before).start();
    let after = around_today(server("a.test"), 30).signed_by(&family.issuing);
    replace(&house, &after);
    house.wait_for_log(&["the last good one stays", "worse: its chain expires on"]);
    house.assert_served([&before, &family.issuing]);
    assert_eq!(house.reload(&["--force"]).code, Some(0));
    house.assert_served([&after, &family.issuing]);
}

#[test]
fn whoever_says_so_in_the_configuration_takes_what_is_worse() {
    let family = Family::new();
    let before = leaf("a.test").also_named("b.test").signed_by(&family.issuing);
    let house = House::of(&family, &before).switch("--reload-allow-worse=true").start();
    let after = family.leaf();
    replace(&house, &after);
    house.wait_until_served([&after, &family.issuing]);
}

#[test]
fn strict_refuses_on_reload_what_it_refuses_at_start() {
    let family = Family::new();
    let before = family.leaf();
    let house = House::of(&family, &before)
        .switch("--strict=true")
        .switch("--reload-allow-worse=true")
        .start();
    let second = family.another_issuing("Issuing 2");
    replace(&house, &leaf("a.test").signed_by(&second));
    house.wait_for_log(&["the last good one stays", "wanted: CN=Issuing 2"]);
    house.assert_served([&before, &family.issuing]);
}

#[test]
fn an_expired_certificate_gives_way_to_anything_that_is_valid() {
    let family = Family::new();
    let expired = around_today(server("a.test").also_named("b.test"), 0).signed_by(&family.issuing);
    let house = House::of(&family, &expired).start();
    house.wait_for_log(&["clients will refuse this certificate"]);
    let after = around_today(server("a.test"), 30).signed_by(&family.issuing);
    replace(&house, &after);
    house.wait_until_accepted();
    house.assert_served([&after, &family.issuing]);
}
