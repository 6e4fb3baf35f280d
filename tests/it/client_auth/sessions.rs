//! Sessions and client certificates, as OpenSSL plays them: nginx' CVE-2025-23419 was found with it.

use super::scene::{OFF, OPTIONAL, REQUIRED, Scene};
use crate::rig::openssl;
use crate::rig::pki::Entity;

/// What `openssl s_client` prints when it asks `host` for / ; `None` where there is no openssl.
fn s_client(scene: &Scene, host: &str, client: Option<&Entity>, further: &[&str]) -> Option<String> {
    let Some(client) = client else {
        return openssl::ask(&scene.house, host, further);
    };
    let directory = scene.house.directory();
    directory.write("client.pem", client.pem() + &client.key_pem());
    let file = directory.text("client.pem");
    openssl::ask(&scene.house, host, &[&["-cert", &file], further].concat())
}

#[test]
fn no_session_carries_authentication_to_another_host() {
    no_session_carries_authentication(&Scene::start());
}

/// Neither do keys that outlive the process make a host that asks for certificates give tickets out.
#[test]
fn nor_does_one_under_keys_that_replicas_share() {
    let scene = Scene::below("ticket_secret_file = \"secret\"", "", "", |setting| {
        setting
            .house
            .directory
            .write("secret", "a secret that all of the replicas have");
    });
    no_session_carries_authentication(&scene);
}

fn no_session_carries_authentication(scene: &Scene) {
    let known = scene.client("known");
    let session = scene.house.directory().text("session.pem");
    for version in ["-tls1_2", "-tls1_3"] {
        let save = [version, "-sess_out", &session];
        let load = [version, "-sess_in", &session];
        for first in [OFF, OPTIONAL, REQUIRED] {
            let _ = std::fs::remove_file(&session);
            let Some(said) = s_client(scene, first, Some(&known), &save) else {
                return;
            };
            assert!(said.contains("HTTP/1.1 200 OK"), "{version} {first}: {said}");
            let is_saved = std::fs::exists(&session).unwrap();
            for second in [OFF, OPTIONAL, REQUIRED] {
                let further = if is_saved { &load[..] } else { &load[..1] };
                let said = s_client(scene, second, None, further).unwrap();
                // A host that asks for nothing knows its own clients again, and nobody else does anybody.
                let resumes = first == OFF && second == OFF;
                assert_eq!(
                    said.contains("Reused, TLSv1"),
                    resumes,
                    "{version} {first} -> {second}: {said}"
                );
                let answers = second != REQUIRED;
                assert_eq!(
                    said.contains("HTTP/1.1 200 OK"),
                    answers,
                    "{version} {first} -> {second}: {said}"
                );
            }
        }
    }
}

#[test]
fn the_names_of_the_cas_are_told_to_clients() {
    let scene = Scene::start();
    for version in ["-tls1_2", "-tls1_3"] {
        let Some(said) = s_client(&scene, REQUIRED, None, &[version]) else {
            return;
        };
        assert!(
            said.contains("Acceptable client certificate CA names"),
            "{version}: {said}"
        );
        assert!(said.contains("CN = Clients"), "{version}: {said}");
        let said = s_client(&scene, OFF, None, &[version]).unwrap();
        assert!(
            said.contains("No client certificate CA names sent"),
            "{version}: {said}"
        );
    }
}
