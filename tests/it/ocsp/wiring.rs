//! Fetched staples, from the responder to the client, with the real binary.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::serving::{shown, stapled, stapled_in};
use crate::rig::eventually;
use crate::rig::family::{Family, NAME, leaf};
use crate::rig::house::House;
use crate::rig::ocsp;
use crate::rig::pki::Entity;
use crate::rig::responder::{Responder, Response, dead_url};

/// A CA with a responder, and a place for what it said.
struct Scene {
    family: Family,
    responder: Responder,
    cache: TempDir,
}

impl Scene {
    fn new() -> Self {
        Self {
            family: Family::new(),
            responder: Responder::new(),
            cache: TempDir::new().unwrap(),
        }
    }

    /// A leaf that names the responder.
    fn leaf(&self) -> Entity {
        leaf(NAME)
            .responders_at(&[&self.responder.url("/")])
            .signed_by(&self.family.issuing)
    }

    /// From now on the responder says that `leaf` is good.
    fn vouch(&self, leaf: &Entity) -> Vec<u8> {
        let der = ocsp::Response::good(leaf, &self.family.issuing).around_now(24).der();
        self.responder.publish("/", Response::ok(der.clone()));
        der
    }

    fn house(&self, leaf: &Entity) -> House {
        House::of(&self.family, leaf)
            .switch("--aia-allow-private")
            .flag("--cache-dir", self.cache.path().to_str().unwrap())
    }

    fn kept(&self, leaf: &Entity) -> PathBuf {
        let name = format!("staples/{}.ocsp", leaf.certificate.fingerprint());
        self.cache.path().join(name)
    }
}

#[test]
fn a_staple_comes_in_the_background_and_survives_a_restart_without_its_responder() {
    let scene = Scene::new();
    let leaf = scene.leaf();
    let der = scene.vouch(&leaf);
    let versions = [&rustls::version::TLS12, &rustls::version::TLS13];
    let house = scene.house(&leaf).start();
    eventually("the staple is sent", || stapled(&house, &scene.family) == der);
    for version in versions {
        assert_eq!(stapled_in(&house, &scene.family, &[version]), der);
    }
    let shown = shown(&house);
    assert!(
        shown["staple"].is_object() && shown["staple_problem"].is_null(),
        "{shown}"
    );
    eventually("it is kept", || scene.kept(&leaf).exists());
    drop(house);

    scene.responder.publish("/", Response::Silence);
    let again = scene.house(&leaf).start();
    eventually("the staple is sent", || stapled(&again, &scene.family) == der);
    for version in versions {
        assert_eq!(stapled_in(&again, &scene.family, &[version]), der);
    }
    assert_eq!(scene.responder.asked(), ["/"]);
}

#[test]
fn responders_of_no_use_delay_neither_start_nor_handshake() {
    let scene = Scene::new();
    let responder = &scene.responder;
    for (path, response) in [
        ("/silence", Response::Silence),
        ("/drip", Response::Drip),
        ("/endless", Response::Endless),
        ("/error", Response::status(500)),
        ("/raw", Response::Raw(b"\0\0\0".to_vec())),
        ("/huge", Response::ok(vec![0x30; 100 << 10])),
        ("/html", Response::ok("<html>")),
        ("/loop", Response::redirect(307, "/loop")),
    ] {
        responder.publish(path, response);
    }
    let other = scene.family.leaf();
    let lie = ocsp::Response::good(&other, &scene.family.issuing).around_now(24).der();
    responder.publish("/lie", Response::ok(lie));
    let paths = [
        "/silence", "/drip", "/endless", "/error", "/raw", "/huge", "/html", "/loop", "/lie",
    ];
    let urls = paths.map(|path| responder.url(path));
    for url in urls.into_iter().chain([dead_url(), "ldap:///CN=CA".to_owned()]) {
        let leaf = leaf(NAME).responders_at(&[&url]).signed_by(&scene.family.issuing);
        let house = scene.house(&leaf).start();
        assert_eq!(stapled(&house, &scene.family), [0_u8; 0], "{url}");
        house.assert_served([&leaf, &scene.family.issuing]);
        let is_slow = ["/silence", "/drip"].iter().any(|path| url.ends_with(path));
        if !is_slow {
            house.wait_for_log(&["WARN", "no OCSP response", &url]);
            assert_eq!(stapled(&house, &scene.family), [0_u8; 0], "{url}");
        }
    }
    assert_eq!(fs::read_dir(scene.cache.path()).unwrap().count(), 0, "nothing is kept");
}

#[test]
fn a_renewed_leaf_gets_a_staple_of_its_own_and_that_of_the_old_one_goes() {
    let scene = Scene::new();
    let (before, after) = (scene.leaf(), scene.leaf());
    let old = scene.vouch(&before);
    let house = scene.house(&before).start();
    eventually("the staple is sent", || stapled(&house, &scene.family) == old);
    eventually("it is kept", || scene.kept(&before).exists());
    let new = scene.vouch(&after);
    house.directory().replace("tls.key", after.key_pem());
    house.directory().replace("tls.crt", after.pem());
    house.wait_until_served([&after, &scene.family.issuing]);
    eventually("its staple is sent", || stapled(&house, &scene.family) == new);
    eventually("one is kept", || {
        scene.kept(&after).exists() && !scene.kept(&before).exists()
    });
}

#[test]
fn nobody_is_asked_where_the_leaf_names_no_responder_or_the_operator_says_off() {
    let scene = Scene::new();
    let (named, plain) = (scene.leaf(), scene.family.leaf());
    scene.vouch(&named);
    for house in [scene.house(&plain), scene.house(&named).flag("--ocsp", "off")] {
        let house = house.start();
        assert_eq!(stapled(&house, &scene.family), [0_u8; 0]);
        assert_eq!(house.reload(&["--force"]).code, Some(0));
        assert_eq!(stapled(&house, &scene.family), [0_u8; 0]);
    }
    assert_eq!(scene.responder.asked(), [""; 0]);
}

#[test]
fn other_settings_and_reloads_leave_a_staple_where_it_is() {
    let scene = Scene::new();
    let leaf = scene.leaf();
    let der = scene.vouch(&leaf);
    // The directory that comes with a reload is out of reach otherwise.
    let house = House::of(&scene.family, &leaf).switch("--sandbox=false");
    let house = house.file("--config", "fullchain.toml");
    let configure = |house: &crate::rig::directory::Directory, text: &str| house.write("fullchain.toml", text);
    configure(&house.directory, "aia_allow_private = true\n");
    let house = house.start();
    eventually("the staple is sent", || stapled(&house, &scene.family) == der);
    scene.responder.publish("/", Response::status(500));
    let cache = scene.cache.path().to_str().unwrap();
    for text in [
        "aia_allow_private = true\naia = \"missing\"\n".to_owned(),
        "aia_allow_private = false\n".to_owned(),
        format!("aia_allow_private = true\ncache_dir = \"{cache}\"\n"),
    ] {
        configure(house.directory(), &text);
        let reloaded = house.reload(&[]);
        assert_eq!(reloaded.code, Some(0), "{} {}", reloaded.out, reloaded.err);
        assert_eq!(stapled(&house, &scene.family), der, "{text}");
    }
    eventually("it is kept in the new directory", || scene.kept(&leaf).exists());
    assert_eq!(scene.responder.asked(), ["/"]);
    configure(house.directory(), "ocsp = \"off\"\n");
    assert_eq!(house.reload(&[]).code, Some(0));
    assert_eq!(stapled(&house, &scene.family), [0_u8; 0]);
}

#[test]
fn whoever_has_mended_a_responder_need_not_wait_for_the_next_try() {
    let scene = Scene::new();
    let leaf = scene.leaf();
    scene.responder.publish("/", Response::status(503));
    let house = scene.house(&leaf).start();
    house.wait_for_log(&["WARN", "no OCSP response", "found 503"]);
    let der = scene.vouch(&leaf);
    assert_eq!(house.reload(&[]).code, Some(0));
    eventually("the staple is sent", || stapled(&house, &scene.family) == der);
}

#[test]
fn one_certificate_in_two_files_has_one_staple_that_outlasts_reloads() {
    let scene = Scene::new();
    let leaf = scene.leaf();
    let der = scene.vouch(&leaf);
    let house = House::bare(&scene.family);
    for name in ["a", "b"] {
        house.directory.write(format!("certs/{name}.crt"), leaf.pem());
        house.directory.write(format!("certs/{name}.key"), leaf.key_pem());
    }
    let house = house
        .file("--certificate-directory", "certs")
        .switch("--aia-allow-private")
        .start();
    eventually("the staple is sent", || stapled(&house, &scene.family) == der);
    for _ in 0..3 {
        assert_eq!(house.reload(&["--force"]).code, Some(0));
        assert_eq!(stapled(&house, &scene.family), der);
    }
    assert_eq!(scene.responder.asked(), ["/"]);
}
