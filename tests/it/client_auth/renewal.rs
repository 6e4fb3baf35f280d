//! CAs and CRLs that change while everything runs.

use super::scene::{REQUIRED, Scene, list};
use crate::rig::eventually;
use crate::rig::family::around_today;
use crate::rig::pki::{ca, client};

#[test]
fn a_crl_counts_from_the_next_handshake_on() {
    let scene = Scene::with("crl = \"crls\"", |setting| {
        setting
            .house
            .directory
            .write("crls/clients.crl", list(setting.clients, [], true));
    });
    let (stays, goes) = (scene.client("stays"), scene.client("goes"));
    assert!(scene.admits(&stays) && scene.admits(&goes));
    scene
        .house
        .directory()
        .replace("crls/clients.crl", list(&scene.clients, [&goes], true));
    eventually("the CRL counts", || !scene.admits(&goes));
    assert!(scene.admits(&stays));
    scene
        .house
        .wait_for_log(&["CAs and CRLs of clients replaced", REQUIRED]);
}

#[test]
fn a_ca_is_swapped_while_everything_runs() {
    let scene = Scene::start();
    let next = around_today(ca("Next"), 500).self_signed();
    let (before, after) = (
        scene.client("before"),
        around_today(client("after"), 90).signed_by(&next),
    );
    assert!(scene.admits(&before) && !scene.admits(&after));
    scene.house.directory().replace("clients.pem", next.pem());
    eventually("the new CA counts", || scene.admits(&after));
    assert!(!scene.admits(&before));
}

#[test]
fn what_is_broken_changes_nothing_and_heals() {
    let scene = Scene::with("crl = \"clients.crl\"", |setting| {
        setting
            .house
            .directory
            .write("clients.crl", list(setting.clients, [], true));
    });
    let (stays, goes) = (scene.client("stays"), scene.client("goes"));
    let whole = list(&scene.clients, [&goes], true);
    let rest = scene.house.directory().tear("clients.crl", &whole);
    scene
        .house
        .wait_for_log(&["the last good ones stay", "clients.crl", REQUIRED]);
    assert!(scene.admits(&stays) && scene.admits(&goes));
    let kept = scene.house.reload(&[]);
    assert!(
        kept.err
            .contains("the last good CAs and CRLs of the clients of required.test stay"),
        "{}{}",
        kept.out,
        kept.err
    );
    rest();
    eventually("the CRL counts", || !scene.admits(&goes));

    scene
        .house
        .directory()
        .replace("clients.pem", "-----BEGIN CERTIFICATE-----\n");
    scene
        .house
        .wait_for_log(&["the last good ones stay", "clients.pem", REQUIRED]);
    assert!(scene.admits(&stays) && !scene.admits(&goes));
}

#[test]
fn a_policy_is_put_in_force_by_a_reload_and_not_before_it_can_be() {
    let scene = Scene::start();
    let config = std::fs::read_to_string(scene.house.directory().path("fullchain.toml")).unwrap();
    let known = scene.client("known");
    let ask = |client| scene.ask("off.test", client, &rustls::version::TLS13).is_ok();
    let more = "[[client_auth]]\nhost = \"off.test\"\nca = \"more.pem\"\n";
    scene
        .house
        .directory()
        .replace("fullchain.toml", format!("{config}{more}"));
    let kept = scene.house.reload(&[]);
    assert!(
        format!("{}{}", kept.out, kept.err).contains("more.pem: cannot be read"),
        "{}{}",
        kept.out,
        kept.err
    );
    assert!(ask(None), "nothing has changed");
    scene.house.directory().write("more.pem", scene.clients.pem());
    assert_eq!(scene.house.reload(&[]).code, Some(0));
    assert!(!ask(None) && ask(Some(&known)));
    scene.house.directory().replace("fullchain.toml", config);
    assert_eq!(scene.house.reload(&[]).code, Some(0));
    assert!(ask(None));
}
