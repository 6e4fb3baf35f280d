//! What in a certificate directory takes a host away, and what must not.

use crate::rig::family::{Family, around_today, leaf};
use crate::rig::pki::server;

use super::{assert_served, house, problems, wait_until_served, whole, write_pair};

#[test]
fn a_key_put_beside_a_file_that_has_it_takes_nothing_away() {
    let family = Family::new();
    let house = house(&family);
    let served = family.leaf();
    house.directory.write("certs/a.test.pem", whole(&served));
    let house = house.start();
    house.directory().write("certs/a.test.key", served.key_pem());
    let other = leaf("b.test").signed_by(&family.issuing);
    house.directory().write("certs/b.test.pem", whole(&other));
    wait_until_served(&house, "b.test", &other);
    assert_served(&house, "a.test", &served);
    let log = house.log().join("\n");
    assert!(!log.contains("no longer"), "{log}");
}

#[test]
fn a_certificate_that_is_deleted_while_its_key_stays_goes_on_being_served() {
    let family = Family::new();
    let house = house(&family);
    let (served, renewed) = (family.leaf(), family.leaf());
    write_pair(&house.directory, "certs/a.test", &served);
    let house = house.start();
    // As tools do that delete first and write then.
    house.directory().remove("certs/a.test.crt");
    house.wait_for_log(&["the last good one stays", "its key is still there"]);
    assert_served(&house, "a.test", &served);
    write_pair(house.directory(), "certs/a.test", &renewed);
    wait_until_served(&house, "a.test", &renewed);
}

#[test]
fn a_new_file_for_a_host_that_is_served_must_be_no_worse() {
    let family = Family::new();
    let house = house(&family);
    let served = family.leaf();
    house.directory.write("certs/a.test.pem", whole(&served));
    let house = house.start();
    // It sorts first, and it expired yesterday.
    let expired = around_today(server("a.test"), 0).signed_by(&family.issuing);
    house.directory().write("certs/a.test.crt", whole(&expired));
    house.wait_for_log(&["a.test.crt cannot be served", "worse"]);
    assert_served(&house, "a.test", &served);
    // Nor does it help to take the other away: that stays, since this may be meant to take its place.
    house.directory().remove("certs/a.test.pem");
    house.wait_for_log(&["a.test.pem is gone, but", "a.test.crt cannot be served"]);
    assert_served(&house, "a.test", &served);
    let renewed = family.leaf();
    house.directory().write("certs/a.test.crt", whole(&renewed));
    wait_until_served(&house, "a.test", &renewed);
    assert_eq!(problems(&house), "[]");
}
