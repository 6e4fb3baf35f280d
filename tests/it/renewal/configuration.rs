//! The configuration read again.

use rustix::process::Signal;

use crate::rig::eventually;
use crate::rig::family::{Family, around_today, leaf};
use crate::rig::house::{House, Running};
use crate::rig::pki::{Entity, server};

const FIRST: &str = "[[certificate]]\ncert = \"a.crt\"\nkey = \"a.key\"\n";
const SECOND: &str = "[[certificate]]\ncert = \"b.crt\"\nkey = \"b.key\"\n";

/// A binary that is configured by a file, with one certificate in it and the files of another.
struct Scene {
    family: Family,
    first: Entity,
    second: Entity,
    house: Running,
}

impl Scene {
    fn new() -> Self {
        let family = Family::new();
        let (first, second) = (family.leaf(), leaf("b.test").signed_by(&family.issuing));
        let house = House::bare(&family).file("--config", "fullchain.toml");
        for (name, leaf) in [("a", &first), ("b", &second)] {
            house.directory.write(format!("{name}.crt"), leaf.pem());
            house.directory.write(format!("{name}.key"), leaf.key_pem());
        }
        house.directory.write("fullchain.toml", FIRST);
        let house = house.start();
        Self {
            family,
            first,
            second,
            house,
        }
    }

    fn configure(&self, text: &str) {
        self.house.directory().replace("fullchain.toml", text);
    }

    fn serves_second(&self) -> bool {
        let config = self.house.client_config(rustls::ALL_VERSIONS);
        let served = self.house.served_to(&config, "b.test");
        served.is_ok_and(|chain| &chain[0] == self.second.certificate.der())
    }
}

#[test]
fn a_certificate_that_is_added_is_served_and_one_that_is_removed_is_not() {
    let scene = Scene::new();
    scene.configure(&format!("{FIRST}{SECOND}"));
    assert!(!scene.serves_second());
    scene.house.signal(Signal::HUP);
    eventually("the second certificate is served", || scene.serves_second());
    scene.house.assert_served([&scene.first, &scene.family.issuing]);

    scene.configure(FIRST);
    let outcome = scene.house.reload(&[]);
    assert_eq!(
        (outcome.code, outcome.out.contains("no longer configured: b.test")),
        (Some(0), true),
        "{outcome:?}"
    );
    assert!(!scene.serves_second());
    scene.house.wait_for_log(&["no longer configured", "b.test", "serial"]);
}

#[test]
fn a_broken_configuration_is_refused_with_line_and_column_and_the_one_in_force_stays() {
    let scene = Scene::new();
    scene.configure(&format!("{FIRST}keey = 1\n"));
    scene.house.signal(Signal::HUP);
    scene
        .house
        .wait_for_log(&["the one in force stays", "fullchain.toml:4:1", "keey"]);
    scene.house.assert_served([&scene.first, &scene.family.issuing]);
    let outcome = scene.house.reload(&[]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.err.contains("fullchain.toml:4:1"), "{}", outcome.err);

    // Renewal goes on by the configuration in use.
    let after = scene.family.leaf();
    scene.house.directory().replace("a.key", after.key_pem());
    scene.house.directory().replace("a.crt", after.pem());
    scene.house.wait_until_served([&after, &scene.family.issuing]);
}

#[test]
fn a_configuration_waits_until_a_new_certificate_of_it_can_be_served() {
    let scene = Scene::new();
    scene.house.directory().replace("b.key", scene.first.key_pem());
    scene.configure(&format!("{FIRST}{SECOND}"));
    for _ in 0..2 {
        let outcome = scene.house.reload(&["--force"]);
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        assert!(
            outcome.err.contains("b.crt") && outcome.err.contains("b.key"),
            "{}",
            outcome.err
        );
    }
    scene.house.assert_served([&scene.first, &scene.family.issuing]);
    scene
        .house
        .wait_for_log(&["the new configuration is not in force", "b.crt"]);

    scene.house.directory().replace("b.key", scene.second.key_pem());
    eventually("the second certificate is served", || scene.serves_second());
}

#[test]
fn what_needs_a_restart_is_said_and_what_does_not_takes_effect() {
    let scene = Scene::new();
    let config = scene.house.client_config(rustls::ALL_VERSIONS);
    scene.house.assert_served([&scene.first, &scene.family.issuing]);
    let strict = format!("strict_sni = true\n{FIRST}");
    scene.configure(&strict);
    scene.house.signal(Signal::HUP);
    eventually("an unknown name is refused", || {
        matches!(
            scene.house.served_to(&config, "unknown.test"),
            Err(rustls::Error::AlertReceived(_))
        )
    });
    assert!(!scene.house.has_logged(&["need a restart"]));

    scene.configure(&format!(
        "{strict}[timeouts]\nidle = \"9s\"\n[log]\nformat = \"json\"\n"
    ));
    let outcome = scene.house.reload(&[]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    for told in ["in force from now on: timeouts", "needs a restart to take effect: log"] {
        assert!(outcome.out.contains(told), "{told}: {}", outcome.out);
    }
    scene.house.wait_for_log(&["the configuration was applied", "timeouts"]);
    scene.house.wait_for_log(&["need a restart", "log"]);
}

#[test]
fn a_certificate_goes_on_being_served_until_everything_configured_in_its_place_can_be() {
    let scene = Scene::new();
    let missing = SECOND.replace("b.", "missing.");
    scene.configure(&missing);
    for arguments in [&[][..], &["--force"], &[]] {
        let outcome = scene.house.reload(arguments);
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        assert!(outcome.err.contains("missing.crt: cannot be read"), "{}", outcome.err);
        scene.house.assert_served([&scene.first, &scene.family.issuing]);
    }
    // Nor is anything else of it in force.
    scene.configure(&format!("{missing}{SECOND}"));
    assert_eq!(scene.house.reload(&[]).code, Some(1));
    assert!(!scene.serves_second());
    scene.house.assert_served([&scene.first, &scene.family.issuing]);

    scene.house.directory().write("missing.key", scene.first.key_pem());
    let renamed = scene.house.directory().write("missing.crt", scene.first.pem());
    scene
        .house
        .wait_for_log(&["certificate loaded", renamed.to_str().unwrap()]);
    scene
        .house
        .wait_for_log(&["no longer configured: it is served no more", "a.crt"]);
    scene.house.assert_served([&scene.first, &scene.family.issuing]);
}

#[test]
fn a_disallowed_leaf_is_not_served_in_the_place_of_another_even_if_forced() {
    let scene = Scene::new();
    let withdrawn = scene.family.leaf();
    scene.configure(&format!(
        "disallow = [\"{}\"]\n{FIRST}",
        withdrawn.certificate.key_fingerprint()
    ));
    assert_eq!(scene.house.reload(&[]).code, Some(0));
    scene.house.directory().replace("a.key", withdrawn.key_pem());
    scene.house.directory().replace("a.crt", withdrawn.pem());
    let outcome = scene.house.reload(&["--force"]);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(
        outcome.err.contains("a.crt") && outcome.err.contains("on the disallow list"),
        "{}",
        outcome.err
    );
    scene.house.assert_served([&scene.first, &scene.family.issuing]);
}

#[test]
fn a_served_leaf_that_is_disallowed_gives_way_to_any_other() {
    let scene = Scene::new();
    scene.configure(&format!(
        "disallow = [\"{}\"]\n{FIRST}",
        scene.first.certificate.fingerprint()
    ));
    let kept = scene.house.reload(&[]);
    assert_eq!(kept.code, Some(1), "{kept:?}");
    // It ends earlier, which would be worse than a leaf that may be served.
    let after = around_today(server("a.test"), 30).signed_by(&scene.family.issuing);
    scene.house.directory().replace("a.key", after.key_pem());
    scene.house.directory().replace("a.crt", after.pem());
    scene.house.wait_until_served([&after, &scene.family.issuing]);
}

#[test]
fn watching_that_is_switched_on_takes_effect_at_once() {
    let scene = Scene::new();
    scene.configure(&format!("{FIRST}[reload]\nwatch = false\n"));
    assert_eq!(scene.house.reload(&[]).code, Some(0));
    scene.configure(FIRST);
    assert_eq!(scene.house.reload(&[]).code, Some(0));
    let after = scene.family.leaf();
    scene.house.directory().replace("a.key", after.key_pem());
    scene.house.directory().replace("a.crt", after.pem());
    scene.house.wait_until_served([&after, &scene.family.issuing]);
}
