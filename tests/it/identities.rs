//! Several certificates for one host, several chains for one certificate: which of them a client gets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fullchain::admin::client;
use rustls::CertificateCompressionAlgorithm;
use rustls::compress::{BROTLI_DECOMPRESSOR, CertDecompressor, DecompressionFailed, ZLIB_DECOMPRESSOR};
use serde_json::Value;

use crate::rig::PATIENCE;
use crate::rig::command::fullchain;
use crate::rig::family::{Family, NAME, around_today, der, leaf};
use crate::rig::house::{House, Running};
use crate::rig::openssl::{blocks, openssl};
use crate::rig::pki::{Entity, ca};

/// A house that serves `leaves` in this order, each from a file of its own.
fn house_of<'e>(family: &Family, leaves: impl IntoIterator<Item = &'e Entity>) -> House {
    let house = House::bare(family).file("--config", "fullchain.toml");
    let mut tables = String::new();
    for (number, leaf) in leaves.into_iter().enumerate() {
        let name = format!("{number}.pem");
        house.directory.write(&name, leaf.pem() + &leaf.key_pem());
        tables += &format!("[[certificate]]\ncert = \"{name}\"\n");
    }
    house.directory.write("fullchain.toml", tables);
    house
}

/// What `/certificates` shows.
fn certificates(house: &Running) -> Value {
    let answer = client::get(house.admin(), "/certificates", PATIENCE).unwrap();
    serde_json::from_str(&answer.body).unwrap()
}

/// Whether OpenSSL, given `arguments`, receives and accepts exactly `chain`; `None` where there is no OpenSSL.
#[track_caller]
fn assert_received<'e>(house: &Running, arguments: &[&str], chain: impl IntoIterator<Item = &'e Entity>) -> Option<()> {
    let seen = openssl(house, NAME, arguments)?;
    let expected: Vec<String> = chain.into_iter().map(Entity::pem).collect();
    let subjects: Vec<&str> = seen.out.lines().filter(|line| line.contains(" s:")).collect();
    assert_eq!(seen.code, Some(0), "{arguments:?}\n{}\n{}", seen.out, seen.err);
    assert_eq!(subjects.len(), expected.len(), "{arguments:?}: {subjects:?}");
    assert_eq!(
        blocks(&seen.out).get(..expected.len()),
        Some(&expected[..]),
        "{arguments:?}: {subjects:?}"
    );
    Some(())
}

#[test]
fn of_ecdsa_rsa_and_ed25519_leaves_for_one_host_each_client_gets_one_it_can_verify_with_its_own_issuers() {
    let family = Family::new();
    let issuing = |name: &str| around_today(ca(name), 500);
    let rsa_issuing = issuing("Issuing RSA").rsa().signed_by(&family.root);
    let ed25519_issuing = issuing("Issuing Ed25519").ed25519().signed_by(&family.root);
    let ecdsa = family.leaf();
    let rsa = leaf(NAME).rsa().signed_by(&rsa_issuing);
    let ed25519 = leaf(NAME).ed25519().signed_by(&ed25519_issuing);
    let scene = |leaves: [&Entity; 3]| {
        let house = house_of(&family, leaves);
        let issuers = [&rsa_issuing, &ed25519_issuing].map(Entity::pem).concat();
        house.directory.write("store/others.pem", issuers);
        house.start()
    };
    let house = scene([&ecdsa, &rsa, &ed25519]);
    let clients: [(&[&str], [&Entity; 2]); 8] = [
        (&["-tls1_3"], [&ecdsa, &family.issuing]),
        (&["-tls1_2"], [&ecdsa, &family.issuing]),
        (
            &["-tls1_3", "-sigalgs", "rsa_pss_rsae_sha256:RSA+SHA256"],
            [&rsa, &rsa_issuing],
        ),
        (&["-tls1_2", "-sigalgs", "RSA+SHA256"], [&rsa, &rsa_issuing]),
        (&["-tls1_2", "-cipher", "aRSA"], [&rsa, &rsa_issuing]),
        (&["-tls1_2", "-cipher", "aECDSA"], [&ecdsa, &family.issuing]),
        (&["-tls1_3", "-sigalgs", "ed25519"], [&ed25519, &ed25519_issuing]),
        (&["-tls1_2", "-sigalgs", "ed25519"], [&ed25519, &ed25519_issuing]),
    ];
    for (arguments, chain) in clients {
        if assert_received(&house, arguments, chain).is_none() {
            return;
        }
    }
    // A client that verifies all of them gets the one that is configured first.
    let house = scene([&rsa, &ecdsa, &ed25519]);
    for version in ["-tls1_3", "-tls1_2"] {
        assert_received(&house, &[version], [&rsa, &rsa_issuing]);
        let arguments = [version, "-sigalgs", "ECDSA+SHA256"];
        assert_received(&house, &arguments, [&ecdsa, &family.issuing]);
    }
}

/// A root that an older one has cross-certified, both of them trusted.
struct CrossCertified {
    family: Family,
    older_root: Entity,
    cross: Entity,
}

impl CrossCertified {
    fn new() -> Self {
        let family = Family::new();
        let older_root = around_today(ca("Older root"), 900).self_signed();
        let cross = around_today(ca("Root"), 800)
            .key_of(&family.root)
            .signed_by(&older_root);
        Self {
            family,
            older_root,
            cross,
        }
    }

    fn house(&self, leaf: &Entity) -> House {
        let house = House::of(&self.family, leaf);
        let roots = [&self.family.root, &self.older_root].map(Entity::pem).concat();
        house.directory.write("root.pem", roots);
        house.directory.write("store/cross.pem", self.cross.pem());
        house
    }
}

#[test]
fn of_two_certificates_for_one_host_it_is_always_the_first_that_is_shown() {
    let family = Family::new();
    let leaves = [family.leaf(), family.leaf()];
    for order in [[&leaves[0], &leaves[1]], [&leaves[1], &leaves[0]]] {
        let house = house_of(&family, order).flag("--workers", "4").start();
        let chain = der([order[0], &family.issuing]);
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let client = house.client_config(&[version]);
            for _ in 0..50 {
                assert_eq!(house.served_to(&client, NAME).as_ref(), Ok(&chain));
            }
        }
    }
}

#[test]
fn a_client_that_names_an_authority_gets_the_chain_that_leads_to_it() {
    let scene = CrossCertified::new();
    let leaf = scene.family.leaf();
    let house = scene.house(&leaf);
    let stranger = around_today(ca("Stranger"), 100).self_signed();
    for (name, authorities) in [
        ("older.pem", vec![&scene.older_root]),
        ("issuing.pem", vec![&scene.family.issuing]),
        ("both.pem", vec![&scene.older_root, &scene.family.root]),
        ("stranger.pem", vec![&stranger]),
    ] {
        let authorities: Vec<String> = authorities.into_iter().map(Entity::pem).collect();
        house.directory.write(name, authorities.concat());
    }
    let house = house.start();
    let short = [&leaf, &scene.family.issuing];
    let long = [&leaf, &scene.family.issuing, &scene.cross];
    let received = |name: &str, version: &str, chain: &[&Entity]| {
        let file = house.directory().text(name);
        let arguments = [version, "-requestCAfile", &file];
        assert_received(&house, &arguments, chain.iter().copied())
    };
    if received("older.pem", "-tls1_3", &long).is_none() {
        return;
    }
    // Where several would do, and where none would, it is the chain that everybody gets.
    for name in ["issuing.pem", "both.pem", "stranger.pem"] {
        received(name, "-tls1_3", &short);
    }
    // In TLS 1.2 a client has no such extension.
    received("older.pem", "-tls1_2", &short);
    house.assert_served(short);
}

#[test]
fn of_two_certificates_for_one_host_a_client_gets_the_one_from_the_authority_it_names() {
    let (family, other) = (Family::new(), around_today(ca("Other root"), 900).self_signed());
    let (first, second) = (family.leaf(), leaf(NAME).signed_by(&other));
    let house = house_of(&family, [&first, &second]);
    let roots = [&family.root, &other].map(Entity::pem).concat();
    house.directory.write("root.pem", roots);
    house.directory.write("other.pem", other.pem());
    let house = house.start();
    let file = house.directory().text("other.pem");
    if assert_received(&house, &["-requestCAfile", &file], [&second]).is_some() {
        let arguments = ["-requestCAfile", &file, "-sigalgs", "ECDSA+SHA384:ECDSA+SHA256"];
        assert_received(&house, &arguments, [&second]);
        assert_received(&house, &[], [&first, &family.issuing]);
    }
}

#[test]
fn the_chains_to_other_anchors_are_shown() {
    let scene = CrossCertified::new();
    let house = scene.house(&scene.family.leaf());
    let checked = fullchain(["check".to_owned()].into_iter().chain(house.arguments()));
    let line = "to clients that name CN=Older root";
    assert!(checked.out.contains(line), "{}", checked.out);
    let house = house.start();
    let shown = certificates(&house);
    let others = &shown["certificates"][0]["to_other_anchors"];
    assert_eq!(others[0]["root"]["subject"], "CN=Older root");
    assert_eq!(others[0]["sent"][2]["issuer"], "CN=Older root");
}

/// What Windows 8.1 offers of TLS 1.2, in OpenSSL's words, without RC4 and 3DES.
const SCHANNEL: &str = "ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256:ECDHE-RSA-AES256-SHA:ECDHE-RSA-AES128-SHA:\
    DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-GCM-SHA256:AES256-SHA256:AES128-SHA256:\
    AES256-SHA:AES128-SHA:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-SHA384";

#[test]
fn hosts_that_old_windows_cannot_reach_are_named_until_they_have_an_ecdsa_certificate() {
    let family = Family::new();
    let rsa = leaf(NAME).rsa().signed_by(&family.issuing);
    let house = house_of(&family, [&rsa]);
    let checked = fullchain(["check".to_owned()].into_iter().chain(house.arguments()));
    let sentence = "old Windows (up to 8.1 and Server 2012 R2) cannot connect to a.test: ";
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    assert!(checked.err.contains(sentence), "{}", checked.err);
    let house = house.start();
    house.wait_for_log(&[sentence, "add an ECDSA certificate"]);
    let is_reached = || Some(openssl(&house, NAME, &["-tls1_2", "-cipher", SCHANNEL])?.code == Some(0));
    assert_ne!(is_reached(), Some(true));
    let names = || certificates(&house)["out_of_reach_of_old_windows"].clone();
    assert_eq!(names(), serde_json::json!([NAME]));

    let ecdsa = family.leaf();
    let directory = house.directory();
    directory.write("ecdsa.pem", ecdsa.pem() + &ecdsa.key_pem());
    let tables = ["0", "ecdsa"].map(|name| format!("[[certificate]]\ncert = \"{name}.pem\"\n"));
    directory.write("fullchain.toml", tables.concat());
    assert_eq!(house.reload(&[]).code, Some(0));
    assert_eq!(names(), serde_json::json!([]));
    assert_ne!(is_reached(), Some(false));
    let told = house.log().iter().filter(|line| line.contains("old Windows")).count();
    assert_eq!(told, 1, "once, however often files are read");
}

/// Counts the chains that arrive compressed.
#[derive(Debug)]
struct Counting {
    decompressor: &'static dyn CertDecompressor,
    count: AtomicUsize,
}

impl CertDecompressor for Counting {
    fn decompress(&self, input: &[u8], output: &mut [u8]) -> Result<(), DecompressionFailed> {
        assert!(input.len() < output.len());
        self.count.fetch_add(1, Ordering::Relaxed);
        self.decompressor.decompress(input, output)
    }

    fn algorithm(&self) -> CertificateCompressionAlgorithm {
        self.decompressor.algorithm()
    }
}

#[test]
fn a_client_that_decompresses_chains_gets_them_compressed_and_no_other_does() {
    let family = Family::new();
    let leaf = family.leaf();
    let house = House::of(&family, &leaf).start();
    let expected = der([&leaf, &family.issuing]);
    for decompressor in [BROTLI_DECOMPRESSOR, ZLIB_DECOMPRESSOR] {
        let counting: &'static Counting = Box::leak(Box::new(Counting {
            decompressor,
            count: AtomicUsize::new(0),
        }));
        let mut config = house.client_config(rustls::ALL_VERSIONS);
        let client = Arc::make_mut(&mut config);
        client.cert_decompressors = vec![counting];
        client.resumption = rustls::client::Resumption::disabled();
        for _ in 0..2 {
            assert_eq!(house.served_to(&config, NAME).as_ref(), Ok(&expected));
        }
        assert_eq!(counting.count.load(Ordering::Relaxed), 2);
        Arc::make_mut(&mut config).cert_decompressors = Vec::new();
        assert_eq!(house.served_to(&config, NAME).as_ref(), Ok(&expected));
        assert_eq!(counting.count.load(Ordering::Relaxed), 2);
    }
}
