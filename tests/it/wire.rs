//! The chain as other people's clients see it. Where a program is not there, its test says so and passes.

use crate::rig::command::{Ended, miss, where_present};
use crate::rig::family::{Family, NAME, around_today, leaf};
use crate::rig::house::{House, Running};
use crate::rig::openssl::{blocks, openssl};
use crate::rig::pki::{Entity, ca};

/// What the clients get to see: leaf, issuing CA and a CA above it, all in disorder around it.
struct Scene {
    chain: [Entity; 3],
    house: Running,
}

impl Scene {
    fn new() -> Self {
        let mut family = Family::new();
        let upper = family.issuing.clone();
        family.issuing = around_today(ca("Issuing below"), 400).signed_by(&upper);
        let leaf = family.leaf();
        let house = House::of(&family, &leaf);
        // Root and issuer beside the leaf, in the wrong order.
        house
            .directory
            .write("tls.crt", [family.root.pem(), upper.pem(), leaf.pem()].concat());
        Self {
            chain: [leaf, family.issuing, upper],
            house: house.start(),
        }
    }
}

fn curl(house: &Running, name: &str, arguments: &[&str]) -> Option<Ended> {
    let port = house.address.port();
    let (to, url) = (format!("{name}:{port}:127.0.0.1"), format!("https://{name}:{port}/"));
    let root = house.directory().text("root.pem");
    // `-q` first: whoever runs the test may have a .curlrc.
    let common = ["-q", "--silent", "--show-error", "--noproxy", "*", "--max-time", "10"];
    let whom = ["--cacert", &root, "--resolve", &to, &url];
    where_present("curl", &[&common[..], &whom[..], arguments].concat())
}

#[test]
fn openssl_receives_leaf_and_intermediates_in_order_and_no_root() {
    let scene = Scene::new();
    for version in ["-tls1_3", "-tls1_2"] {
        let Some(seen) = openssl(&scene.house, NAME, &[version]) else {
            return;
        };
        assert_eq!(seen.code, Some(0), "{version}\n{}\n{}", seen.out, seen.err);
        assert!(
            seen.out.contains("Verify return code: 0 (ok)"),
            "{version}\n{}",
            seen.out
        );
        // `-showcerts` prints the chain as it was sent, and with it once more the leaf in older versions.
        let blocks = blocks(&seen.out);
        let expected: Vec<String> = scene.chain.iter().map(Entity::pem).collect();
        assert_eq!(blocks.get(..3), Some(&expected[..]), "{version}");
        assert!(blocks[3..].iter().all(|block| *block == expected[0]), "{version}");
    }
}

#[test]
fn curl_trusts_the_chain_over_http_1_and_http_2() {
    let scene = Scene::new();
    for (protocol, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let Some(seen) = curl(&scene.house, NAME, &[protocol, "-w", " over %{http_version}"]) else {
            return;
        };
        if protocol == "--http2" && seen.code == Some(2) {
            miss("curl that speaks HTTP/2");
            return;
        }
        assert_eq!(
            (seen.code, seen.out.as_str()),
            (Some(0), &*format!("ok over {version}")),
            "{}",
            seen.err
        );
    }
}

#[test]
fn curl_refuses_a_chain_that_is_incomplete() {
    let family = Family::new();
    let served = family.leaf();
    let house = House::of(&family, &served);
    house.directory.remove("store/issuing.pem");
    let house = house.start();
    house.wait_for_log(&["CN=Issuing 1", "neither in the store nor among the roots"]);
    let Some(seen) = curl(&house, NAME, &[]) else { return };
    // CURLE_PEER_FAILED_VERIFICATION.
    assert_eq!(seen.code, Some(60), "{}", seen.err);
    house.directory().write("store/issuing.pem", family.issuing.pem());
    house.wait_until_accepted();
    assert_eq!(curl(&house, NAME, &[]).unwrap().code, Some(0));
}

#[test]
fn each_name_gets_its_own_chain() {
    let family = Family::new();
    let second_issuing = family.another_issuing("Issuing 2");
    let (first, second) = (family.leaf(), leaf("b.test").signed_by(&second_issuing));
    let house = House::bare(&family).file("--config", "fullchain.toml");
    house.directory.write("store/issuing-2.pem", second_issuing.pem());
    let mut tables = String::new();
    for (name, leaf) in [("a", &first), ("b", &second)] {
        house
            .directory
            .write(format!("{name}.pem"), leaf.pem() + &leaf.key_pem());
        tables += &format!("[[certificate]]\ncert = \"{name}.pem\"\n");
    }
    house.directory.write("fullchain.toml", tables);
    let house = house.start();
    for (name, chain) in [
        (NAME, [&first, &family.issuing]),
        ("b.test", [&second, &second_issuing]),
    ] {
        let Some(seen) = openssl(&house, name, &[]) else { return };
        assert!(seen.out.contains("Verify return code: 0 (ok)"), "{name}\n{}", seen.out);
        assert_eq!(blocks(&seen.out).get(..2), Some(&chain.map(Entity::pem)[..]), "{name}");
        let Some(seen) = curl(&house, name, &[]) else { return };
        assert_eq!(seen.code, Some(0), "{name}: {}", seen.err);
    }
}

#[test]
fn a_client_that_names_no_host_gets_the_first_certificate() {
    let family = Family::new();
    let served = leaf(NAME).address([127, 0, 0, 1].into()).signed_by(&family.issuing);
    let house = House::of(&family, &served).start();
    // RFC 6066 section 3: an address is never sent as server_name.
    let Some(seen) = curl(&house, "127.0.0.1", &[]) else {
        return;
    };
    assert_eq!((seen.code, seen.out.as_str()), (Some(0), "ok"), "{}", seen.err);
}

#[test]
fn a_certificate_with_an_rsa_twin_is_chosen_by_what_the_client_can_verify() {
    let family = Family::new();
    let rsa_issuing = around_today(ca("Issuing RSA"), 500).rsa().signed_by(&family.root);
    let (ecdsa, rsa) = (family.leaf(), leaf(NAME).rsa().signed_by(&rsa_issuing));
    let house = House::bare(&family).file("--config", "fullchain.toml");
    house.directory.write("store/issuing-rsa.pem", rsa_issuing.pem());
    let mut tables = String::new();
    for (name, leaf) in [("ecdsa", &ecdsa), ("rsa", &rsa)] {
        house
            .directory
            .write(format!("{name}.pem"), leaf.pem() + &leaf.key_pem());
        tables += &format!("[[certificate]]\ncert = \"{name}.pem\"\n");
    }
    house.directory.write("fullchain.toml", tables);
    let house = house.start();
    house.assert_served([&ecdsa, &family.issuing]);
    let Some(seen) = openssl(&house, NAME, &["-tls1_2", "-cipher", "aRSA"]) else {
        return;
    };
    let expected = [&rsa, &rsa_issuing].map(Entity::pem);
    assert_eq!(
        blocks(&seen.out).get(..2),
        Some(&expected[..]),
        "{}\n{}",
        seen.out,
        seen.err
    );
}
