//! What it tells: the configuration in force, and how the process fares.

use fullchain::admin::client;
use rustix::process::Signal;
use serde_json::Value;

use crate::rig::command::fullchain;
use crate::rig::family::Family;
use crate::rig::house::{House, Running};
use crate::rig::{PATIENCE, eventually};

fn get(house: &Running, path: &str) -> String {
    client::get(house.admin(), path, PATIENCE).unwrap().body
}

fn status(house: &Running) -> Value {
    serde_json::from_str(&get(house, "/status")).unwrap()
}

#[test]
fn the_configuration_in_force_is_a_config_file_without_secrets() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf())
        .variable("FULLCHAIN_STRICT", "true")
        .flag("--route-set-request-header", "X-Api-Key: open-sesame")
        .start();
    let text = get(&house, "/config");
    assert!(text.contains("\nstrict = true # FULLCHAIN_STRICT\n"), "{text}");
    assert!(!text.contains("sesame"), "{text}");
    let file = house.directory().write("again.toml", &text);
    let checked = fullchain(["check", "--config", file.to_str().unwrap()]);
    assert_eq!(checked.code, Some(0), "{}\n{text}", checked.err);
}

#[test]
fn after_a_reload_it_is_what_took_effect() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf());
    house
        .directory
        .write("f.toml", "strict_sni = false\ntakeover = false\n");
    let house = house.file("--config", "f.toml").start();
    house
        .directory()
        .write("f.toml", "strict_sni = true\ntakeover = true\n");
    house.reload(&[]);
    let text = get(&house, "/config");
    assert!(
        text.contains("\nstrict_sni = true #") && text.contains("\ntakeover = false #"),
        "{text}"
    );
}

#[test]
fn reloads_are_remembered_with_their_cause_and_outcome() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf()).start();
    assert_eq!(status(&house)["reloads"], Value::Array(Vec::new()));
    house.directory().replace("tls.crt", "torn");
    eventually("the torn file is noticed", || {
        status(&house)["reloads"][0]["outcome"] == "kept"
    });
    let shown = status(&house);
    assert_eq!(shown["reloads"][0]["cause"], "files");
    assert_eq!(shown["certificates"]["warnings"], 1);
    let trouble = &shown["troubles"][0];
    assert!(
        trouble["remedy"].as_str().unwrap().contains("fullchain reload --force"),
        "{trouble}"
    );
    // It is tried again and again, in one line.
    eventually("it was tried again", || {
        let shown = status(&house);
        shown["reloads"].as_array().unwrap().len() == 1 && shown["reloads"][0]["times"].as_u64() > Some(1)
    });
    house.reload(&[]);
    assert_eq!(status(&house)["reloads"][0]["cause"], "asked");
}

#[test]
fn a_server_that_is_down_is_told() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf())
        .flag("--backend-health-path", "/")
        .flag("--backend-health-status", "404")
        .flag("--backend-health-interval", "100ms")
        .start();
    eventually("the server is down", || {
        status(&house)["backends"][0]["servers"][0]["state"] == "down"
    });
    let shown = status(&house);
    assert!(
        shown["verdict"]
            .as_str()
            .unwrap()
            .starts_with("The only server of the backend default gets no requests"),
        "{shown}"
    );
}

#[test]
fn draining_is_told() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf()).flag("--drain-delay", "60s").start();
    house.signal(Signal::TERM);
    eventually("it drains", || status(&house)["stage"] == "draining");
    assert_eq!(status(&house)["not_ready_because"], "draining");
    house.signal(Signal::TERM);
}
