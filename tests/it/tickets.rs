//! Session tickets that one replica gives out and another takes.

use std::sync::Arc;

use fullchain::admin::client;
use rustls::ClientConfig;
use rustls::HandshakeKind::{Full, Resumed};
use rustls::version::{TLS12, TLS13};
use serde_json::Value;

use crate::rig::command::fullchain;
use crate::rig::family::{Family, NAME};
use crate::rig::house::{House, Running};
use crate::rig::pki::Entity;
use crate::rig::{PATIENCE, eventually, openssl};

const SECRET: &str = "a secret that all of the replicas have\n";

/// As `openssl rand` makes one, but for the randomness.
fn key(start: u8, length: u8) -> Vec<u8> {
    (0..length).map(|place| start.wrapping_add(place)).collect()
}

/// Two processes with a certificate for the same name, and one client.
struct Replicas {
    both: [Running; 2],
    family: Family,
}

impl Replicas {
    /// Each is configured by `configure`.
    fn of(configure: impl Fn(House) -> House) -> Self {
        let family = Family::new();
        let leaf = family.leaf();
        let both = [(); 2].map(|()| configure(House::of(&family, &leaf)).start());
        Self { both, family }
    }

    /// Each has these ticket keys.
    fn with_keys(keys: &[(&str, Vec<u8>)]) -> Self {
        Self::of(|house| {
            for (name, key) in keys {
                house.directory.write(format!("keys/{name}"), key);
            }
            house.file("--ticket-keys", "keys")
        })
    }

    /// Whether a client of the first resumes at the second, in both versions of TLS alike.
    #[track_caller]
    fn resumes(&self) -> bool {
        let resumes = [&TLS12, &TLS13].map(|version| {
            let config = self.both[0].client_config(&[version]);
            passes(&config, &self.both[0], &self.both[1])
        });
        assert_eq!(resumes[0], resumes[1]);
        resumes[0]
    }

    /// The same with OpenSSL; `None` where there is none.
    fn resumes_with_openssl(&self, version: &str) -> Option<bool> {
        let [one, other] = &self.both;
        let session = one.directory().text("session.pem");
        let said = openssl::ask(one, NAME, &[version, "-sess_out", &session])?;
        assert!(
            said.contains("New, TLSv1") && said.contains("HTTP/1.1 200 OK"),
            "{said}"
        );
        let said = openssl::ask(other, NAME, &[version, "-sess_in", &session])?;
        assert!(said.contains("HTTP/1.1 200 OK"), "{said}");
        Some(said.contains("Reused, TLSv1"))
    }
}

fn passes(config: &Arc<ClientConfig>, one: &Running, other: &Running) -> bool {
    let (kind, response) = one.ask(config);
    assert_eq!((kind, &response[..12]), (Full, "HTTP/1.1 200"));
    let (kind, response) = other.ask(config);
    assert_eq!(&response[..12], "HTTP/1.1 200");
    kind == Resumed
}

fn shown(house: &Running) -> Value {
    let answer = client::get(house.admin(), "/certificates", PATIENCE).unwrap();
    let shown: Value = serde_json::from_str(&answer.body).unwrap();
    shown["tickets"].clone()
}

fn files_shown(house: &Running) -> Vec<String> {
    let keys = shown(house)["keys"].clone();
    let file = |key: &Value| key["file"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    keys.as_array().unwrap().iter().map(file).collect()
}

#[test]
fn a_client_resumes_at_another_replica_with_keys_of_files_and_with_a_secret() {
    let secret = Replicas::of(|house| {
        house.directory.write("secret", SECRET);
        house.file("--ticket-secret-file", "secret")
    });
    let keys = [48, 80].map(|length| Replicas::with_keys(&[("1.key", key(7, length))]));
    for replicas in keys.iter().chain([&secret]) {
        assert!(replicas.resumes());
        for version in ["-tls1_2", "-tls1_3"] {
            assert_ne!(replicas.resumes_with_openssl(version), Some(false), "{version}");
        }
    }
}

#[test]
fn without_anything_shared_each_process_knows_its_own_clients_alone() {
    let replicas = Replicas::of(|house| house);
    assert!(!replicas.resumes());
    for version in ["-tls1_2", "-tls1_3"] {
        assert_ne!(replicas.resumes_with_openssl(version), Some(true), "{version}");
    }
    assert_eq!(shown(&replicas.both[0])["source"], "process");
}

#[test]
fn the_first_bytes_of_a_ticket_are_the_id_of_its_key() {
    let replicas = Replicas::with_keys(&[("1.key", key(7, 80))]);
    let tickets = shown(&replicas.both[0]);
    let id = tickets["keys"][0]["id"].as_str().unwrap();
    let Some(said) = openssl::ask(&replicas.both[0], NAME, &["-tls1_2"]) else {
        return;
    };
    let dump = said.split("0000 - ").nth(1).unwrap().lines().next().unwrap();
    let bytes: String = dump[..47].replace(['-', ' '], "");
    assert_eq!(bytes, id, "{said}");
}

/// Step by step, as OPERATIONS.md has it, with a client going from one replica to the other in between.
#[test]
fn a_key_is_rotated_without_a_session_lost() {
    let (old, new) = (("9.key", key(7, 80)), ("10.key", key(8, 80)));
    let replicas = Replicas::with_keys(std::slice::from_ref(&old));
    let [one, other] = &replicas.both;
    let write = |house: &Running, name: &str| {
        house.directory().write(format!("keys/{name}"), &new.1);
    };
    let await_files = |house: &Running, files: &[&str]| {
        eventually("the keys are in force", || files_shown(house) == files);
    };
    let config = one.client_config(&[&TLS13]);
    assert!(passes(&config, one, other));
    for house in [one, other] {
        write(house, "10.key.next");
        await_files(house, &["9.key", "10.key.next"]);
        assert!(replicas.resumes());
    }
    for house in [one, other] {
        let directory = house.directory();
        std::fs::rename(directory.path("keys/10.key.next"), directory.path("keys/10.key")).unwrap();
        await_files(house, &["10.key", "9.key"]);
        assert!(replicas.resumes());
        assert_eq!(other.ask(&config).0, Resumed);
    }
    for house in [one, other] {
        house.directory().remove("keys/9.key");
        await_files(house, &["10.key"]);
        assert!(replicas.resumes());
    }
    one.wait_for_log(&["session ticket keys replaced", "10.key"]);
}

#[test]
fn a_projected_volume_is_followed() {
    let text = |start: char| {
        (0..48)
            .map(|place| char::from(start as u8 + place % 20))
            .collect::<String>()
    };
    let family = Family::new();
    let house = House::of(&family, &family.leaf());
    house.directory.project("keys", 1, &[("1.key", text('a'))]);
    let house = house.file("--ticket-keys", "keys").start();
    assert_eq!(files_shown(&house), ["1.key"]);
    let both = [("1.key", text('a')), ("2.key", text('b'))];
    house.directory().project("keys", 2, &both);
    eventually("the second key seals", || files_shown(&house) == ["2.key", "1.key"]);
    house.directory().project("keys", 3, &both[1..]);
    eventually("the first key is gone", || files_shown(&house) == ["2.key"]);
}

#[test]
fn keys_that_break_leave_the_last_good_ones_in_force_and_say_so() {
    let replicas = Replicas::with_keys(&[("1.key", key(7, 80))]);
    let [one, _] = &replicas.both;
    let heal = one.directory().tear("keys/2.key", key(8, 80));
    one.wait_for_log(&["session ticket keys not replaced", "2.key", "40"]);
    assert!(replicas.resumes());
    assert!(shown(one)["kept_because"].as_str().unwrap().contains("2.key"));
    let reload = one.reload(&[]);
    assert!(
        reload.code != Some(0) && reload.err.contains("the last good session ticket keys stay"),
        "{reload:?}"
    );
    heal();
    eventually("the new key is in force", || files_shown(one) == ["2.key", "1.key"]);
    assert_eq!(shown(one)["kept_because"], Value::Null);

    for name in ["1.key", "2.key"] {
        one.directory().remove(format!("keys/{name}"));
    }
    one.wait_for_log(&[
        "session ticket keys not replaced",
        "expected a session ticket key, found none",
    ]);
    assert_eq!(files_shown(one).len(), shown(one)["keys"].as_array().unwrap().len());
    assert_eq!(one.ask(&one.client_config(&[&TLS13])).0, Full);
}

#[test]
fn nothing_starts_without_the_keys_that_it_is_to_share() {
    for (flag, name, contents, expected) in [
        (
            "--ticket-keys",
            "missing",
            None,
            "missing: cannot be read: No such file",
        ),
        (
            "--ticket-keys",
            "keys",
            Some(key(7, 64)),
            "keys: expected a session ticket key of 48 or 80 bytes, found 64",
        ),
        (
            "--ticket-keys",
            "zeros",
            Some(vec![0; 80]),
            "zeros: expected random bytes, found the same one throughout",
        ),
        (
            "--ticket-keys",
            "1.next",
            Some(key(7, 80)),
            "1.next: expected a session ticket key, found only such as are to seal later",
        ),
        (
            "--ticket-secret-file",
            "secret",
            Some(b"a secret of less than 32 bytes\n".to_vec()),
            "secret: expected a secret of at least 32 bytes, found 30",
        ),
    ] {
        let family = Family::new();
        let house = House::of(&family, &family.leaf());
        if let Some(contents) = contents {
            house.directory.write(name, contents);
        }
        let house = house.file(flag, name);
        let checked = fullchain([&["check".to_owned()], &*house.arguments()].concat());
        assert!(checked.code == Some(1) && checked.err.contains(expected), "{checked:?}");
        let ended = house.fail();
        assert!(ended.code == Some(1) && ended.err.contains(expected), "{ended:?}");
    }
}

#[test]
fn a_configuration_whose_keys_are_broken_is_not_in_force_until_they_are_mended() {
    let family = Family::new();
    let house = House::of(&family, &family.leaf());
    house.directory.write("fullchain.toml", "");
    let house = house.file("--config", "fullchain.toml").start();
    house.directory().replace("fullchain.toml", "ticket_keys = \"keys\"\n");
    let reload = house.reload(&[]);
    assert!(
        reload.code != Some(0) && reload.err.contains("keys: cannot be read"),
        "{reload:?}"
    );
    let tickets = shown(&house);
    assert_eq!(
        (&tickets["source"], &tickets["kept_because"]),
        (&Value::from("process"), &Value::Null)
    );
    house.directory().write("keys/1.key", key(7, 80));
    eventually("the keys are in force", || files_shown(&house) == ["1.key"]);
    house.directory().replace("fullchain.toml", "");
    assert_eq!(house.reload(&[]).code, Some(0));
    assert_eq!(shown(&house)["source"], "process");
}

/// Replicas that serve other names are other deployments, whatever they share.
#[test]
fn a_session_ends_where_the_certificate_is_for_other_names() {
    let family = Family::new();
    let start = |leaf: &Entity| {
        let house = House::of(&family, leaf);
        house.directory.write("secret", SECRET);
        house.file("--ticket-secret-file", "secret").start()
    };
    let more = crate::rig::family::leaf(NAME)
        .also_named("b.test")
        .signed_by(&family.issuing);
    let (one, other, renewed) = (start(&family.leaf()), start(&more), start(&family.leaf()));
    for version in [&TLS12, &TLS13] {
        assert!(!passes(&one.client_config(&[version]), &one, &other));
        assert!(passes(&one.client_config(&[version]), &one, &renewed));
    }
}

#[test]
fn check_and_the_admin_listener_name_keys_and_show_none() {
    let replicas = Replicas::with_keys(&[("1.key", key(65, 48)), ("2.key", key(66, 48))]);
    let [one, other] = &replicas.both;
    let ids = |house: &Running| {
        let keys = shown(house)["keys"].clone();
        keys.as_array()
            .unwrap()
            .iter()
            .map(|key| key["id"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(one), ids(other));
    let house = House::of(&replicas.family, &replicas.family.leaf());
    house.directory.write("keys/1.key", key(65, 48));
    let house = house.file("--ticket-keys", "keys");
    let checked = fullchain([&["check".to_owned()], &*house.arguments()].concat());
    let id = ids(one)[1].as_str().unwrap().to_owned();
    let line = format!("keys/1.key ({id}): seals and opens");
    assert!(checked.code == Some(0) && checked.out.contains(&line), "{checked:?}");
    let everything = [checked.out, checked.err, one.log().join("\n"), shown(one).to_string()].concat();
    assert!(
        !everything.contains("ABCDEFGH") && !everything.contains("41424344"),
        "{everything}"
    );
}
