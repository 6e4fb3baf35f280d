//! When `/readyz` fails.

use fullchain::admin::client;

use crate::rig::PATIENCE;
use crate::rig::family::{Family, NAME, around_today, leaf};
use crate::rig::house::House;
use crate::rig::pki::{ca, server};

#[test]
fn an_end_within_the_days_that_were_named_is_not_ready() {
    let family = Family::new();
    let soon = around_today(server(NAME), 5).signed_by(&family.issuing);
    let house = House::of(&family, &soon).flag("--ready-days", "7").start();
    let answer = client::get(house.admin(), "/readyz", PATIENCE).unwrap();
    assert_eq!(answer.status, 503);
    assert!(
        answer.body.starts_with("the certificate of a.test ends in ") && answer.body.contains("ready_days = 7"),
        "{}",
        answer.body
    );
    let enough = House::of(&family, &soon).flag("--ready-days", "3").start();
    assert_eq!(client::get(enough.admin(), "/readyz", PATIENCE).unwrap().status, 200);
}

#[test]
fn the_intermediate_counts_as_the_leaf_does() {
    let family = Family::new();
    let short = around_today(ca("Short"), 5).signed_by(&family.root);
    let house = House::of(&family, &leaf(NAME).signed_by(&short)).flag("--ready-days", "7");
    house.directory.write("store/short.pem", short.pem());
    let answer = client::get(house.start().admin(), "/readyz", PATIENCE).unwrap();
    assert_eq!(answer.status, 503);
    assert!(
        answer.body.contains("the intermediate Short of a.test"),
        "{}",
        answer.body
    );
}
