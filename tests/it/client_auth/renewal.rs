//! CAs and CRLs that change while everything runs.

use std::io::{Read, Write};

use x509_parser::asn1_rs::{Any, FromDer};

use super::scene::{OFF, REQUIRED, Scene, list};
use crate::rig::eventually;
use crate::rig::family::around_today;
use crate::rig::pki::{ca, client, pem, tlv};

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

/// Routes and policies change under open connections. One that began when nothing was asked would have gone on to what was
/// guarded since.
#[test]
fn a_connection_that_was_asked_for_nothing_does_not_get_to_a_host_that_is_guarded_since() {
    let scene = Scene::of("", "", |_| ());
    let mut connection = scene.connect(OFF, &[], &rustls::version::TLS13);
    let request = format!("GET / HTTP/1.1\r\nHost: {OFF}\r\n");
    connection.write_all(format!("{request}\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nok") {
        let mut byte = [0];
        connection.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    let config = std::fs::read_to_string(scene.house.directory().path("fullchain.toml")).unwrap();
    let guarded = format!("{config}\n[[client_auth]]\nhost = \"{OFF}\"\nca = \"clients.pem\"\n");
    scene.house.directory().replace("fullchain.toml", guarded);
    assert_eq!(scene.house.reload(&[]).code, Some(0));
    connection
        .write_all(format!("{request}Connection: close\r\n\r\n").as_bytes())
        .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 421 "), "{answer}");
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
fn a_root_of_version_1_is_a_ca_of_clients_and_an_intermediate_of_it_is_none() {
    let scene = Scene::with("", |setting| {
        let root = version_1(setting.clients.certificate.der());
        setting.house.directory.write("clients.pem", pem("CERTIFICATE", &root));
    });
    assert!(scene.admits(&scene.client("known")));
    assert!(
        !scene.admits(&around_today(client("stranger"), 90).signed_by(&around_today(ca("Other"), 500).self_signed()))
    );
    let below = around_today(ca("Below"), 400).signed_by(&scene.clients);
    let below = pem("CERTIFICATE", &version_1(below.certificate.der()));
    scene.house.directory().replace("clients.pem", below);
    scene
        .house
        .wait_for_log(&["the last good ones stay", "expected CA certificates, found CN=Below"]);
}

/// The certificate without its version and its extensions. Nobody verifies the signature of a root.
fn version_1(der: &[u8]) -> Vec<u8> {
    const SEQUENCE: u8 = 0x30;
    let certificate = elements(contents(der));
    let fields = elements(contents(certificate[0]));
    // [0] is the version, [3] are the extensions (RFC 5280 section 4.1).
    let kept: Vec<_> = fields
        .into_iter()
        .filter(|field| !matches!(field[0], 0xa0 | 0xa3))
        .collect();
    tlv(
        SEQUENCE,
        &[tlv(SEQUENCE, &kept.concat()), certificate[1..].concat()].concat(),
    )
}

fn elements(mut der: &[u8]) -> Vec<&[u8]> {
    let mut elements = Vec::new();
    while !der.is_empty() {
        let (rest, _) = Any::from_der(der).unwrap();
        elements.push(&der[..der.len() - rest.len()]);
        der = rest;
    }
    elements
}

fn contents(der: &[u8]) -> &[u8] {
    Any::from_der(der).unwrap().1.data
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
