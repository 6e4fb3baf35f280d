//! Every way in which certificate and key files are renewed, and how the change is noticed.

use std::fs;

use fullchain::admin::client;
use rustix::process::Signal;

use crate::rig::family::Family;
use crate::rig::house::House;
use crate::rig::pki::Entity;
use crate::rig::{PATIENCE, eventually};

#[test]
fn a_renewed_pair_is_served_whichever_file_is_renamed_first() {
    let family = Family::new();
    let mut leaf = family.leaf();
    let house = House::of(&family, &leaf).start();
    house.assert_served([&leaf, &family.issuing]);
    let trickle = house.trickle();
    for key_first in [false, true, false, true] {
        leaf = family.leaf();
        let mut files = [("tls.crt", leaf.pem()), ("tls.key", leaf.key_pem())];
        if key_first {
            files.reverse();
        }
        for (name, contents) in files {
            house.directory().replace(name, contents);
        }
        house.wait_until_served([&leaf, &family.issuing]);
        house.wait_for_log(&["certificate replaced", &leaf.certificate.fingerprint().to_string()]);
    }
    trickle.assert_none_failed();
}

#[test]
fn a_key_that_does_not_fit_keeps_the_old_pair_until_its_certificate_arrives() {
    let family = Family::new();
    let before = family.leaf();
    for swapped in ["tls.key", "tls.crt"] {
        let house = House::of(&family, &before).start();
        let trickle = house.trickle();
        let after = family.leaf();
        let contents = |name| match name {
            "tls.key" => after.key_pem(),
            _ => after.pem(),
        };
        house.directory().replace(swapped, contents(swapped));
        let (cert, key) = (house.directory().text("tls.crt"), house.directory().text("tls.key"));
        house.wait_for_log(&["the last good one stays", &cert, &key]);
        house.assert_served([&before, &family.issuing]);

        let other = if swapped == "tls.key" { "tls.crt" } else { "tls.key" };
        house.directory().replace(other, contents(other));
        house.wait_until_served([&after, &family.issuing]);
        trickle.assert_none_failed();
    }
}

#[test]
fn a_torn_write_is_not_served_and_heals_with_its_second_half() {
    let family = Family::new();
    let before = family.leaf();
    let house = House::of(&family, &before).start();
    let trickle = house.trickle();
    let after = family.leaf();
    let finish_key = house.directory().tear("tls.key", after.key_pem());
    house.wait_for_log(&["the last good one stays", &house.directory().text("tls.key")]);
    house.assert_served([&before, &family.issuing]);
    finish_key();
    let finish_cert = house.directory().tear("tls.crt", after.pem());
    house.wait_for_log(&["the last good one stays", "PEM", &house.directory().text("tls.crt")]);
    house.assert_served([&before, &family.issuing]);
    finish_cert();
    house.wait_until_served([&after, &family.issuing]);
    trickle.assert_none_failed();
}

#[test]
fn a_truncated_certificate_keeps_the_old_one_and_the_log_names_the_file() {
    let family = Family::new();
    let before = family.leaf();
    let house = House::of(&family, &before).start();
    let pem = family.leaf().pem();
    house.directory().replace("tls.crt", &pem[..pem.len() / 2]);
    house.wait_for_log(&["the last good one stays", &house.directory().text("tls.crt")]);
    house.assert_served([&before, &family.issuing]);
    house.directory().replace("tls.crt", before.pem());
    house.wait_for_log(&["what lies on disk is what is served again"]);
}

#[test]
fn every_swap_of_a_kubernetes_secret_is_served_and_never_a_mixed_pair() {
    let family = Family::new();
    let mut leaf = family.leaf();
    let house = House::bare(&family)
        .file("--cert", "secret/tls.crt")
        .file("--key", "secret/tls.key");
    let files = |leaf: &Entity| [("tls.crt", leaf.pem()), ("tls.key", leaf.key_pem())];
    house.directory.project("secret", 0, &files(&leaf));
    let house = house.start();
    let trickle = house.trickle();
    for generation in 1..=20 {
        leaf = family.leaf();
        house.directory().project("secret", generation, &files(&leaf));
        house.wait_until_served([&leaf, &family.issuing]);
    }
    trickle.assert_none_failed();
    assert!(!house.has_logged(&["the last good one stays"]));
}

#[test]
fn a_renewal_while_the_process_starts_is_served_without_another_event() {
    let family = Family::new();
    // The renewal comes at any moment between the start of the process and its first look at the directory.
    for _ in 0..5 {
        let before = family.leaf();
        let house = House::of(&family, &before).spawn();
        let after = family.leaf();
        house.directory().replace("tls.key", after.key_pem());
        house.directory().replace("tls.crt", after.pem());
        let mut house = house;
        house.address = house.logged_address("serving TLS");
        house.wait_until_served([&after, &family.issuing]);
    }
}

#[test]
fn polling_alone_finds_what_makes_no_event() {
    let family = Family::new();
    let before = family.leaf();
    let house = House::bare(&family)
        .file("--cert", "volume/live/tls.crt")
        .file("--key", "volume/live/tls.key")
        .flag("--reload-poll-interval", "100ms");
    house.directory.write("volume/live/tls.crt", before.pem());
    house.directory.write("volume/live/tls.key", before.key_pem());
    let house = house.start();
    house.assert_served([&before, &family.issuing]);
    let after = family.leaf();
    let directory = house.directory();
    directory.write("next/live/tls.crt", after.pem());
    directory.write("next/live/tls.key", after.key_pem());
    // The watched directory is volume/live: nothing happens in it when the one above is moved away.
    fs::rename(directory.path("volume"), directory.path("gone")).unwrap();
    fs::rename(directory.path("next"), directory.path("volume")).unwrap();
    house.wait_until_served([&after, &family.issuing]);
}

#[test]
fn a_directory_that_is_replaced_is_followed_from_then_on() {
    let family = Family::new();
    let mut leaf = family.leaf();
    let house = House::bare(&family)
        .file("--cert", "live/tls.crt")
        .file("--key", "live/tls.key");
    house.directory.write("live/tls.crt", leaf.pem());
    house.directory.write("live/tls.key", leaf.key_pem());
    let house = house.start();
    let directory = house.directory();
    leaf = family.leaf();
    directory.write("next/tls.crt", leaf.pem());
    directory.write("next/tls.key", leaf.key_pem());
    fs::rename(directory.path("live"), directory.path("gone")).unwrap();
    fs::rename(directory.path("next"), directory.path("live")).unwrap();
    house.wait_until_served([&leaf, &family.issuing]);
    leaf = family.leaf();
    directory.replace("live/tls.crt", leaf.pem());
    directory.replace("live/tls.key", leaf.key_pem());
    house.wait_until_served([&leaf, &family.issuing]);
}

#[test]
fn sighup_reads_files_that_nobody_watches() {
    let family = Family::new();
    let before = family.leaf();
    let house = House::of(&family, &before).switch("--reload-watch=false").start();
    let after = family.leaf();
    house.directory().replace("tls.crt", after.pem());
    house.directory().replace("tls.key", after.key_pem());
    house.assert_served([&before, &family.issuing]);
    house.signal(Signal::HUP);
    house.wait_until_served([&after, &family.issuing]);
}

#[test]
fn the_reload_command_tells_what_came_of_it() {
    let family = Family::new();
    let before = family.leaf();
    let house = House::of(&family, &before).switch("--reload-watch=false").start();
    let unchanged = house.reload(&[]);
    assert_eq!(
        (unchanged.code, unchanged.out.as_str()),
        (Some(0), "unchanged: what is served is what is on disk\n")
    );
    let after = family.leaf();
    house.directory().replace("tls.key", after.key_pem());
    let kept = house.reload(&[]);
    assert_eq!(kept.code, Some(1));
    assert!(kept.err.contains(&house.directory().text("tls.key")), "{}", kept.err);
    house.directory().replace("tls.crt", after.pem());
    let changed = house.reload(&[]);
    assert_eq!(changed.code, Some(0), "{}", changed.err);
    assert!(
        changed.out.starts_with("changed:\n") && changed.out.contains("a.test"),
        "{}",
        changed.out
    );
    house.assert_served([&after, &family.issuing]);
}

#[test]
fn a_certificate_that_was_kept_through_a_hundred_tries_is_still_renewed() {
    let family = Family::new();
    let before = family.leaf();
    let house = House::of(&family, &before).start();
    let after = family.leaf();
    house.directory().replace("tls.key", after.key_pem());
    let admin = house.admin();
    for _ in 0..100 {
        let answer = client::post(admin, "/reload", PATIENCE).unwrap();
        assert_eq!(answer.status, 409, "{}", answer.body);
    }
    let told = house
        .log()
        .iter()
        .filter(|line| line.contains("the last good one stays"))
        .count();
    assert_eq!(told, 1, "the same reason is told once");
    house.directory().replace("tls.crt", after.pem());
    house.wait_until_served([&after, &family.issuing]);
}

#[test]
fn a_file_that_vanishes_and_comes_back_is_served_again() {
    let family = Family::new();
    let before = family.leaf();
    let house = House::of(&family, &before).start();
    house.directory().remove("tls.crt");
    house.wait_for_log(&["the last good one stays", "No such file"]);
    house.assert_served([&before, &family.issuing]);
    let after = family.leaf();
    house.directory().replace("tls.key", after.key_pem());
    house.directory().write("tls.crt", after.pem());
    house.wait_until_served([&after, &family.issuing]);
    eventually("the admin listener shows no reason any more", || {
        let answer = client::get(house.admin(), "/certificates", PATIENCE).unwrap();
        let shown: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        shown["certificates"][0]["kept_because"].is_null()
    });
}
