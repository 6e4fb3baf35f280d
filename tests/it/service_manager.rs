//! What the service manager hears of the process (`sd_notify(3)`).

use rustix::process::Signal;
use rustix::time::{ClockId, clock_gettime};

use crate::rig::family::Family;
use crate::rig::house::House;
use crate::rig::plain::connect;
use crate::rig::service_manager::ServiceManager;

fn house(manager: &ServiceManager) -> House {
    let family = Family::new();
    House::of(&family, &family.leaf()).variable("NOTIFY_SOCKET", &manager.name())
}

#[test]
fn it_is_ready_when_its_listeners_serve_and_stopping_when_it_drains() {
    let manager = ServiceManager::new();
    let house = house(&manager).flag("--drain-delay", "1h").spawn();
    assert_eq!(manager.message(), "READY=1\nSTATUS=serving 1 certificate");
    // It listens by then: nothing is waited for.
    let address = house.logged_address("serving TLS");
    let _client = connect(address);
    house.signal(Signal::TERM);
    // The configured hour, and some seconds beyond it.
    assert_eq!(manager.message(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=3640000000");
    manager.message_with("STATUS=draining: 1 connections left");
    house.signal(Signal::TERM);
    assert_eq!(house.ended().code, Some(0));
}

#[test]
fn a_reload_begins_after_the_signal_and_ends_whatever_comes_of_it() {
    let manager = ServiceManager::new();
    let house = house(&manager).start();
    manager.message_with("READY=1");
    let monotonic = || {
        let now = clock_gettime(ClockId::Monotonic);
        i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000
    };
    for key in ["", "no key at all"] {
        if !key.is_empty() {
            house.directory().write("tls.key", key);
        }
        let before = monotonic();
        house.signal(Signal::HUP);
        let reloading = manager.message_with("RELOADING=1");
        let told: i128 = reloading
            .lines()
            .find_map(|line| line.strip_prefix("MONOTONIC_USEC="))
            .unwrap()
            .parse()
            .unwrap();
        assert!((before..=monotonic()).contains(&told), "{told}");
        assert_eq!(manager.message(), "READY=1\nSTATUS=serving 1 certificate");
    }
}

#[test]
fn the_status_counts_the_chains_that_clients_refuse() {
    let manager = ServiceManager::new();
    let house = house(&manager);
    house.directory.remove("store/issuing.pem");
    let _house = house.start();
    manager.message_with("STATUS=serving 1 certificate, 1 with a chain that clients refuse");
}

#[test]
fn the_watchdog_is_fed_while_every_worker_answers() {
    let manager = ServiceManager::new();
    let _house = house(&manager)
        .flag("--workers", "2")
        .variable("WATCHDOG_USEC", "20000")
        .start();
    manager.message_with("READY=1");
    for _ in 0..3 {
        assert_eq!(manager.message(), "WATCHDOG=1");
    }
}

#[test]
fn a_credential_of_the_service_is_a_path_by_its_name() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf()).flag("--key", "credential:site.key");
    let key = house.directory.path("tls.key");
    let credentials = tempfile::tempdir().unwrap();
    std::fs::rename(key, credentials.path().join("site.key")).unwrap();
    let house = house.variable("CREDENTIALS_DIRECTORY", &credentials.path().display().to_string());
    assert!(house.start().served().is_ok());
}

#[test]
fn a_credential_that_nobody_passes_is_told_by_its_name() {
    let family = Family::new();
    let ended = House::of(&family, &family.leaf())
        .flag("--key", "credential:site.key")
        .fail();
    assert!(ended.err.contains("credential:site.key"), "{}", ended.err);
}
