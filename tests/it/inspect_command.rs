//! `fullchain inspect`: the verdict first, then what is sent and what should be, and the exit code for scripts.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use serde_json::Value;

use crate::rig::command::{Ended, fullchain, where_present};
use crate::rig::directory::Directory;
use crate::rig::family::{Family, NAME, around_today, leaf};
use crate::rig::house::House;
use crate::rig::peer::Peer;
use crate::rig::pki::{Entity, ca, server};

/// A family and whoever looks at its servers, with its root and its issuing CA at hand.
struct Scene {
    family: Family,
    leaf: Entity,
    files: Directory,
}

impl Scene {
    fn new() -> Self {
        let family = Family::new();
        let files = Directory::new();
        files.write("root.pem", family.root.pem());
        files.write("store/issuing.pem", family.issuing.pem());
        Self {
            leaf: family.leaf(),
            family,
            files,
        }
    }

    /// Looks at the server at `address` without knowing any intermediate.
    fn look(&self, address: SocketAddr, further: &[&str]) -> Ended {
        let (address, root) = (address.to_string(), self.files.text("root.pem"));
        let common = ["inspect", &address, "--sni", NAME, "--roots", &root];
        fullchain([&common[..], further].concat())
    }

    /// Looks at it knowing the store.
    fn look_with_store(&self, address: SocketAddr, further: &[&str]) -> Ended {
        let store = self.files.text("store");
        self.look(address, &[&["--intermediates", &store], further].concat())
    }
}

/// The server programs whose chains are as good as their files.
const SERVERS: [(&str, Start); 2] = [("nginx", Peer::nginx), ("HAProxy", Peer::haproxy)];

type Start = fn(&[&Entity]) -> Option<Peer>;

/// The lines of the verdict by what they begin with.
fn kinds(text: &str) -> Vec<&str> {
    let lines = text.lines().take_while(|line| !line.is_empty());
    lines.map(|line| line.split_once(':').unwrap().0).collect()
}

#[test]
fn broken_chains_of_nginx_and_haproxy_are_each_called_by_their_name() {
    let scene = Scene::new();
    let (family, leaf) = (&scene.family, &scene.leaf);
    let upper = around_today(ca("Upper"), 500).signed_by(&family.root);
    let below = around_today(ca("Below"), 500).signed_by(&upper);
    let deep = around_today(server(NAME), 90).signed_by(&below);
    let expired = ca("Issuing 1")
        .key_of(&family.issuing)
        .valid(-900, -1)
        .signed_by(&family.root);
    let (issuing, root) = (&family.issuing, &family.root);
    for (server, start) in SERVERS {
        for (sent, expected, code) in [
            (&[leaf, issuing][..], &["complete"][..], 0),
            (&[leaf], &["incomplete"], 3),
            (&[&deep, &upper, &below], &["wrong order", "complete"], 3),
            (&[leaf, issuing, root], &["complete", "superfluous root"], 0),
            (&[leaf, &expired], &["expired", "better chain"], 3),
            (
                &[leaf, issuing, issuing, &upper],
                &["complete", "duplicate", "superfluous"],
                0,
            ),
        ] {
            let Some(peer) = start(sent) else { continue };
            let seen = scene.look_with_store(peer.address, &[]);
            assert_eq!(kinds(&seen.out), expected, "{server}\n{}", seen.out);
            assert_eq!(
                (seen.code, seen.err.as_str()),
                (Some(code), ""),
                "{server}\n{}",
                seen.out
            );
            assert!(
                seen.out.contains("over TLSv1.3 and TLSv1.2\n"),
                "{server}\n{}",
                seen.out
            );
        }
    }
}

#[test]
fn what_is_to_be_added_is_named_with_the_file_it_is_in() {
    let scene = Scene::new();
    let Some(peer) = Peer::nginx(&[&scene.leaf]) else {
        return;
    };
    let issuing = &scene.family.issuing.certificate;
    let seen = scene.look_with_store(peer.address, &[]);
    assert!(
        seen.out.starts_with(&format!("incomplete: add {issuing}\n")),
        "{}",
        seen.out
    );
    let advice = format!(
        "  add CN=Issuing 1 (SHA-256 {}) from {}\n",
        issuing.fingerprint(),
        scene.files.text("store/issuing.pem")
    );
    assert!(seen.out.contains(&advice), "{}", seen.out);
    // Who does not know it either says whom to look for.
    let unknown = scene.look(peer.address, &[]);
    assert_eq!(unknown.code, Some(3));
    let beginning = format!(
        "incomplete: the issuer of {} is neither sent nor known here: CN=Issuing 1, key id ",
        scene.leaf.certificate
    );
    assert!(unknown.out.starts_with(&beginning), "{}", unknown.out);
}

#[test]
fn with_aia_what_is_missing_comes_from_where_the_leaf_says() {
    let scene = Scene::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/issuing.cer", listener.local_addr().unwrap());
    let answer = scene.family.issuing.certificate.der().to_vec();
    // It ends with the test.
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 16 * 1024]);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                answer.len()
            );
            let _ = stream.write_all(&[head.as_bytes(), &answer].concat());
        }
    });
    let leaf = leaf(NAME).published_at(&url).signed_by(&scene.family.issuing);
    let Some(peer) = Peer::nginx(&[&leaf]) else { return };
    let seen = scene.look(peer.address, &["--aia", "missing", "--aia-allow-private"]);
    let issuing = &scene.family.issuing.certificate;
    assert!(
        seen.out.starts_with(&format!("incomplete: add {issuing}\n")),
        "{}\n{}",
        seen.out,
        seen.err
    );
    assert!(seen.out.contains(&format!(") from {url}\n")), "{}", seen.out);
    assert_eq!((seen.code, seen.err.as_str()), (Some(3), ""));
    // An address of this machine is not asked unless that is allowed.
    let refused = scene.look(peer.address, &["--aia", "missing"]);
    assert_eq!(refused.code, Some(3));
    assert!(refused.out.contains("neither sent nor known here"), "{}", refused.out);
    assert!(refused.err.contains(&url), "{}", refused.err);
}

#[test]
fn pem_is_the_chain_to_send_instead_and_the_verdict_goes_aside() {
    let scene = Scene::new();
    let Some(peer) = Peer::haproxy(&[&scene.leaf]) else {
        return;
    };
    let pem = scene.look_with_store(peer.address, &["--format", "pem"]);
    assert_eq!(pem.out, scene.leaf.pem() + &scene.family.issuing.pem());
    // Whoever takes the chain is told whether it is there, as by `chain`.
    assert_eq!(pem.code, Some(0));
    assert!(pem.err.starts_with("incomplete: add CN=Issuing 1"), "{}", pem.err);
    let nothing = scene.look(peer.address, &["--format", "pem"]);
    assert_eq!((nothing.code, nothing.out.as_str()), (Some(3), ""));
    assert!(nothing.err.contains("no chain is printed"), "{}", nothing.err);
}

#[test]
fn json_has_findings_handshakes_and_both_chains() {
    let scene = Scene::new();
    let Some(peer) = Peer::nginx(&[&scene.leaf, &scene.family.root]) else {
        return;
    };
    let seen = scene.look_with_store(peer.address, &["--format", "json"]);
    assert_eq!((seen.code, seen.err.as_str()), (Some(3), ""));
    let shown: Value = serde_json::from_str(&seen.out).unwrap();
    assert_eq!((&shown["well"], &shown["name"]), (&Value::Bool(false), &NAME.into()));
    let [chain] = shown["chains"].as_array().unwrap().as_slice() else {
        panic!("{}", seen.out)
    };
    let texts = |list: &str, key: &str| -> Vec<String> {
        let list = chain[list].as_array().unwrap().iter();
        list.map(|item| item[key].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(texts("findings", "kind"), ["incomplete", "superfluous root"]);
    assert_eq!(texts("findings", "severity"), ["error", "note"]);
    assert_eq!(texts("handshakes", "version"), ["TLSv1.3", "TLSv1.2"]);
    assert_eq!(texts("sent", "purpose"), ["chain", "root"]);
    assert_eq!(texts("add", "from"), [scene.files.text("store/issuing.pem")]);
    assert_eq!(chain["remove"][0]["position"], 2);
    assert_eq!(chain["should_send"]["status"], "complete");
}

#[test]
fn a_second_certificate_for_clients_of_another_kind_of_key_is_found_and_judged_too() {
    let scene = Scene::new();
    let rsa = leaf(NAME).rsa().signed_by(&scene.family.issuing);
    // The root in between is out of order, which matters here as it does in the other list.
    let (issuing, root) = (&scene.family.issuing, &scene.family.root);
    let chains: [&[&Entity]; 2] = [&[&scene.leaf, issuing], &[&rsa, root, issuing]];
    let Some(peer) = Peer::nginx_with(&chains) else { return };
    let seen = scene.look(peer.address, &[]);
    assert_eq!(seen.code, Some(3));
    let lines: Vec<&str> = seen.out.lines().take_while(|line| !line.is_empty()).collect();
    for (line, expected) in [
        (0, "TLSv1.3 and TLSv1.2: complete: "),
        (1, "TLSv1.3 to clients of RSA alone: wrong order: "),
        (2, "TLSv1.3 to clients of RSA alone: complete: "),
        (3, "TLSv1.3 to clients of RSA alone: superfluous root: "),
    ] {
        assert!(lines[line].starts_with(expected), "{expected}\n{}", seen.out);
    }
}

#[test]
fn a_server_of_tls_1_2_alone_is_seen_and_said_to_be_one() {
    let scene = Scene::new();
    let Some(peer) = Peer::openssl_tls12(&[&scene.leaf, &scene.family.issuing]) else {
        return;
    };
    let seen = scene.look(peer.address, &[]);
    assert_eq!(seen.code, Some(0), "{}\n{}", seen.out, seen.err);
    assert!(seen.out.contains("over TLSv1.2\n"), "{}", seen.out);
    assert!(
        seen.out
            .contains("TLSv1.3: no handshake: the server refused: ProtocolVersion"),
        "{}",
        seen.out
    );
}

#[test]
fn fullchain_itself_sends_what_it_should() {
    let scene = Scene::new();
    let house = House::of(&scene.family, &scene.leaf).start();
    let seen = scene.look(house.address, &[]);
    assert_eq!((seen.code, seen.err.as_str()), (Some(0), ""), "{}", seen.out);
    let root = &scene.family.root.certificate;
    assert!(
        seen.out.starts_with(&format!(
            "complete: clients that trust {root} find a chain for {NAME}\n\n"
        )),
        "{}",
        seen.out
    );
    assert!(seen.out.contains("X25519MLKEM768, h2\n"), "{}", seen.out);
}

#[test]
fn another_name_and_another_root_are_faults() {
    let scene = Scene::new();
    let house = House::of(&scene.family, &scene.leaf).start();
    let (address, root) = (house.address.to_string(), scene.files.text("root.pem"));
    // By address alone, which the certificate is not for.
    let address_alone = fullchain(["inspect", &address, "--roots", &root]);
    assert_eq!(
        (address_alone.code, kinds(&address_alone.out)),
        (Some(3), vec!["name mismatch"])
    );
    let other = scene
        .files
        .write("other.pem", around_today(ca("Other"), 9).self_signed().pem());
    let untrusted = ["inspect", &address, "--sni", NAME, "--roots", other.to_str().unwrap()];
    let untrusted = fullchain(untrusted);
    assert_eq!((untrusted.code, kinds(&untrusted.out)), (Some(3), vec!["untrusted"]));
    let any = fullchain(["inspect", &address, "--sni", NAME, "--roots", "none"]);
    assert_eq!((any.code, kinds(&any.out)), (Some(0), vec!["complete"]), "{}", any.out);
}

#[test]
fn what_expires_soon_is_told_and_a_fault_where_that_was_asked() {
    let scene = Scene::new();
    let leaf = around_today(server(NAME), 20).signed_by(&scene.family.issuing);
    let house = House::of(&scene.family, &leaf).start();
    for (further, expected, code) in [
        (&[][..], &["complete", "expires in 19 days"][..], 0),
        (&["--within", "14d"], &["complete"], 0),
        (&["--within", "21d"], &["expires in 19 days", "complete"], 3),
        (&["--at", "2100-01-01T00:00:00Z"], &["expired", "expired"], 3),
    ] {
        let seen = scene.look(house.address, further);
        // In 2100 the root has expired too.
        let kinds: Vec<&str> = kinds(&seen.out)
            .into_iter()
            .filter(|kind| *kind != "expired root")
            .collect();
        assert_eq!(kinds, expected, "{further:?}\n{}", seen.out);
        assert_eq!(seen.code, Some(code), "{further:?}\n{}", seen.out);
    }
}

#[test]
fn whoever_does_not_speak_tls_is_told_by_what_it_says() {
    let scene = Scene::new();
    for (answer, expected) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "plain HTTP"),
        (b"220 mx.a.test ESMTP\r\n", "220 mx.a.test ESMTP"),
        (&[0x80; 300], "does not speak TLS"),
        (b"", "ended during the handshake"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // For as many handshakes as are tried; it ends with the test.
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                // Read first, or closing would reset the connection under the answer.
                let _ = stream.read(&mut [0; 16 * 1024]);
                let _ = stream.write_all(answer);
            }
        });
        let seen = scene.look(address, &[]);
        assert_eq!((seen.code, seen.out.as_str()), (Some(1), ""), "{}", seen.err);
        assert!(
            seen.err.contains(expected) && seen.err.contains(&address.to_string()),
            "{}",
            seen.err
        );
        assert_eq!(seen.err.lines().count(), 1, "{}", seen.err);
    }
}

#[test]
fn nobody_and_a_silent_server_are_told_apart() {
    let scene = Scene::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let silent = scene.look(address, &["--timeout", "200ms"]);
    assert_eq!((silent.code, silent.out.as_str()), (Some(1), ""));
    assert!(silent.err.contains("no handshake in time"), "{}", silent.err);
    drop(listener);
    let nobody = scene.look(address, &[]);
    assert_eq!((nobody.code, nobody.out.as_str()), (Some(1), ""));
    assert!(
        nobody.err.contains("cannot connect") && nobody.err.contains("refused"),
        "{}",
        nobody.err
    );
}

#[test]
fn a_name_that_leads_nowhere_and_files_that_cannot_be_read_end_with_1() {
    // RFC 6761 section 6.4: never a name of anybody's.
    let nowhere = fullchain(["inspect", "nowhere.invalid", "--roots", "none", "--timeout", "5s"]);
    assert_eq!((nowhere.code, nowhere.out.as_str()), (Some(1), ""));
    assert!(nowhere.err.starts_with("nowhere.invalid: "), "{}", nowhere.err);
    for flag in ["--roots", "--intermediates"] {
        let missing = fullchain(["inspect", "127.0.0.1:1", flag, "/nonexistent/a.pem"]);
        assert_eq!((missing.code, missing.out.as_str()), (Some(1), ""));
        assert!(missing.err.contains("/nonexistent/a.pem"), "{}", missing.err);
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [
        &["inspect"][..],
        &["inspect", "https://a.test/"],
        &["inspect", "a.test:port"],
        &["inspect", "a.test", "--sni", "192.0.2.1"],
        &["inspect", "a.test", "--within", "30"],
    ] {
        assert_eq!(fullchain(arguments).code, Some(2), "{arguments:?}");
    }
}

#[test]
fn openssl_agrees_with_what_pem_makes_of_a_broken_server() {
    let scene = Scene::new();
    let Some(peer) = Peer::nginx(&[&scene.leaf, &scene.family.root]) else {
        return;
    };
    let pem = scene.look_with_store(peer.address, &["--format", "pem"]);
    scene.files.write("fullchain.pem", &pem.out);
    let (root, chain) = (scene.files.text("root.pem"), scene.files.text("fullchain.pem"));
    let Some(verified) = where_present("openssl", &["verify", "-CAfile", &root, "-untrusted", &chain, &chain]) else {
        return;
    };
    assert_eq!(verified.code, Some(0), "{}", verified.err);
}
