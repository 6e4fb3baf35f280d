//! A directory whose files are certificates, each named after its host.

mod departures;

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use fullchain::admin::client;
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};
use serde_json::Value;

use crate::rig::command::fullchain;
use crate::rig::directory::Directory;
use crate::rig::family::{Family, leaf};
use crate::rig::handshake::handshake;
use crate::rig::house::{House, Running};
use crate::rig::pki::Entity;
use crate::rig::{PATIENCE, eventually, eventually_within};

/// A house that serves what is in certs/, and nothing else.
fn house(family: &Family) -> House {
    let house = House::bare(family).file("--certificate-directory", "certs");
    fs::create_dir(house.directory.path("certs")).unwrap();
    house
}

/// Leaf and key in one file.
fn whole(leaf: &Entity) -> String {
    leaf.pem() + &leaf.key_pem()
}

fn pfx(leaf: &Entity, password: &str) -> Vec<u8> {
    let certificate = Certificate::from_der(leaf.certificate.der()).unwrap();
    let key = PrivateKey::from_der(&leaf.key.serialize_der()).unwrap();
    let mut store = KeyStore::new();
    let chain = PrivateKeyChain::new("leaf", key, [certificate]);
    store.add_entry("leaf", KeyStoreEntry::PrivateKeyChain(chain));
    store.writer(password).write().unwrap()
}

fn write_pair(directory: &Directory, name: &str, leaf: &Entity) {
    directory.write(format!("{name}.crt"), leaf.pem());
    directory.write(format!("{name}.key"), leaf.key_pem());
}

/// The certificate that a client gets for `name`, if it accepts what it gets.
fn served(house: &Running, name: &str) -> Option<CertificateDer<'static>> {
    let config = house.client_config(rustls::ALL_VERSIONS);
    Some(house.served_to(&config, name).ok()?.remove(0))
}

fn is_served(house: &Running, name: &str, leaf: &Entity) -> bool {
    served(house, name).is_some_and(|served| served == *leaf.certificate.der())
}

#[track_caller]
fn assert_served(house: &Running, name: &str, leaf: &Entity) {
    assert!(is_served(house, name, leaf), "{name}");
}

#[track_caller]
fn wait_until_served(house: &Running, name: &str, leaf: &Entity) {
    eventually(&format!("{name} is served"), || is_served(house, name, leaf));
}

#[track_caller]
fn wait_until_gone(house: &Running, name: &str) {
    eventually(&format!("{name} is gone"), || served(house, name).is_none());
}

fn shown(house: &Running) -> Value {
    let answer = client::get(house.admin(), "/certificates", PATIENCE).unwrap();
    serde_json::from_str(&answer.body).unwrap()
}

fn problems(house: &Running) -> String {
    shown(house)["problems"].to_string()
}

#[test]
fn every_layout_is_served_under_its_names() {
    let family = Family::new();
    let of = |name: &str| leaf(name).signed_by(&family.issuing);
    let house = house(&family).file("--certificate-directory-password-file", "password");
    let (iis, wildcard, pem) = (of("iis.test"), of("*.wild.test"), of("pem.test"));
    let (pair, haproxy, certbot, kubernetes) = (of("pair.test"), of("ha.test"), of("certbot.test"), of("k8s.test"));
    let directory = &house.directory;
    directory.write("password", "secret\n");
    directory.write("certs/iis.test.pfx", pfx(&iis, "secret"));
    directory.write("certs/_.wild.test.pfx", pfx(&wildcard, "secret"));
    directory.write("certs/pem.test.pem", whole(&pem));
    write_pair(directory, "certs/pair.test", &pair);
    directory.write("certs/ha.test.pem", haproxy.pem());
    directory.write("certs/ha.test.pem.key", haproxy.key_pem());
    directory.write("certs/certbot.test/fullchain.pem", certbot.pem());
    directory.write("certs/certbot.test/privkey.pem", certbot.key_pem());
    let files = [("tls.crt", kubernetes.pem()), ("tls.key", kubernetes.key_pem())];
    directory.project("certs/shop-tls", 0, &files);
    directory.write("certs/README", "read me");
    directory.write("certs/pem.test.conf", "settings");
    let house = house.start();
    for (name, leaf) in [
        ("iis.test", &iis),
        ("any.wild.test", &wildcard),
        ("pem.test", &pem),
        ("pair.test", &pair),
        ("ha.test", &haproxy),
        ("certbot.test", &certbot),
        ("k8s.test", &kubernetes),
    ] {
        assert_served(&house, name, leaf);
    }
    assert_eq!(problems(&house), "[]");
    let log = house.log().join("\n");
    assert!(!log.contains("secret"), "{log}");
    assert!(!log.contains("named after"), "{log}");

    let renewed = of("k8s.test");
    let files = [("tls.crt", renewed.pem()), ("tls.key", renewed.key_pem())];
    house.directory().project("certs/shop-tls", 1, &files);
    wait_until_served(&house, "k8s.test", &renewed);
}

#[test]
fn certbot_renews_by_swapping_links_into_its_archive() {
    let family = Family::new();
    let house = House::bare(&family).file("--certificate-directory", "letsencrypt");
    let first = family.leaf();
    let archive = |directory: &Directory, number: usize, leaf: &Entity| {
        for (name, contents) in [
            ("cert", leaf.pem()),
            ("chain", family.issuing.pem()),
            ("fullchain", leaf.pem() + &family.issuing.pem()),
            ("privkey", leaf.key_pem()),
        ] {
            directory.write(format!("letsencrypt/archive/a.test/{name}{number}.pem"), contents);
            let link = directory.path(format!("letsencrypt/live/a.test/{name}.pem"));
            // As certbot does: not even a rename.
            let _ = fs::remove_file(&link);
            symlink(format!("../../archive/a.test/{name}{number}.pem"), link).unwrap();
        }
    };
    house.directory.write("letsencrypt/live/README", "");
    house.directory.write("letsencrypt/live/a.test/README", "");
    house
        .directory
        .write("letsencrypt/keys/0000_key-certbot.pem", first.key_pem());
    archive(&house.directory, 1, &first);
    let house = house.start();
    house.assert_served([&first, &family.issuing]);
    let trickle = house.trickle();
    let second = family.leaf();
    archive(house.directory(), 2, &second);
    house.wait_until_served([&second, &family.issuing]);
    trickle.assert_none_failed();
}

#[test]
fn a_new_file_is_served_a_removed_one_no_more_and_a_broken_one_hurts_its_own_host_only() {
    let family = Family::new();
    let of = |name: &str| leaf(name).signed_by(&family.issuing);
    let house = house(&family);
    let (a, b, c) = (of("a.test"), of("b.test"), of("c.test"));
    house.directory.write("certs/a.test.pem", whole(&a));
    house.directory.write("certs/b.test.pem", whole(&b));
    house.directory.write("certs/broken.test.pem", &whole(&c)[..200]);
    write_pair(&house.directory, "certs/mixed.test", &of("mixed.test"));
    house.directory.write("certs/mixed.test.key", c.key_pem());
    house.directory.write("certs/lone.test.key", c.key_pem());
    let house = house.start();
    assert_served(&house, "a.test", &a);
    let log = house.log().join("\n");
    assert!(log.contains("a certificate is not served"), "{log}");
    let told = problems(&house);
    for part in ["broken.test.pem", "mixed.test.crt", "lone.test.key", "lone.test.crt"] {
        assert!(told.contains(part), "{part}\n{told}");
        assert!(log.contains(part), "{part}\n{log}");
    }

    house.directory().replace("certs/c.test.pem", whole(&c));
    wait_until_served(&house, "c.test", &c);
    // The broken ones have been there all the time.
    house.directory().remove("certs/b.test.pem");
    wait_until_gone(&house, "b.test");
    house.wait_for_log(&["no longer in its directory", "b.test"]);
    assert_served(&house, "a.test", &a);

    let renewed = of("a.test");
    house.directory().replace("certs/a.test.pem", &whole(&renewed)[..200]);
    house.wait_for_log(&["the last good one stays", "a.test.pem"]);
    assert_served(&house, "a.test", &a);
    house.directory().replace("certs/a.test.pem", whole(&renewed));
    wait_until_served(&house, "a.test", &renewed);

    house
        .directory()
        .replace("certs/broken.test.pem", whole(&of("broken.test")));
    eventually("the broken one is mended", || served(&house, "broken.test").is_some());
}

#[test]
fn a_host_stays_while_its_key_or_its_successor_cannot_be_served() {
    let family = Family::new();
    let house = house(&family);
    let (a, other) = (family.leaf(), leaf("b.test").signed_by(&family.issuing));
    write_pair(&house.directory, "certs/a.test", &a);
    house.directory.write("certs/b.test.pem", whole(&other));
    let house = house.start();
    house.directory().remove("certs/a.test.key");
    house.wait_for_log(&["the last good one stays", "a.test.crt", "expected a private key"]);
    assert_served(&house, "a.test", &a);
    house.directory().write("certs/a.test.key", a.key_pem());
    house.wait_for_log(&["what lies on disk is what is served again"]);

    // Another format, torn at first.
    let successor = family.leaf();
    let directory = house.directory();
    directory.write("certs/a.test.pem", &whole(&successor)[..100]);
    directory.remove("certs/a.test.crt");
    directory.remove("certs/a.test.key");
    house.wait_for_log(&["the last good one stays", "is gone, but", "a.test.pem"]);
    assert_served(&house, "a.test", &a);
    directory.replace("certs/a.test.pem", whole(&successor));
    wait_until_served(&house, "a.test", &successor);
    assert_eq!(shown(&house)["certificates"].as_array().unwrap().len(), 2);
}

#[test]
fn a_directory_that_is_not_there_any_more_or_empty_costs_no_host_its_name() {
    let family = Family::new();
    let house = house(&family);
    let a = family.leaf();
    house.directory.write("certs/a.test.pem", whole(&a));
    let house = house.start();
    let directory = house.directory();
    fs::rename(directory.path("certs"), directory.path("unmounted")).unwrap();
    house.wait_for_log(&["the last good one stays", "certs: cannot be read: No such file"]);
    assert_served(&house, "a.test", &a);
    fs::create_dir(directory.path("certs")).unwrap();
    house.wait_for_log(&["the last good one stays", "found nothing at all"]);
    assert_served(&house, "a.test", &a);

    let b = leaf("b.test").signed_by(&family.issuing);
    fs::rename(directory.path("unmounted"), directory.path("certs")).unwrap();
    directory.write("certs/b.test.pem", whole(&b));
    wait_until_served(&house, "b.test", &b);
    directory.remove("certs/a.test.pem");
    wait_until_gone(&house, "a.test");
    directory.remove("certs/b.test.pem");
    house.wait_for_log(&["the last good one stays", "b.test"]);
    let outcome = house.reload(&["--force"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    wait_until_gone(&house, "b.test");
}

#[test]
fn a_broken_file_in_the_directory_holds_nothing_back_that_the_configuration_drops() {
    let family = Family::new();
    let of = |name: &str| leaf(name).signed_by(&family.issuing);
    let house = House::bare(&family).file("--config", "fullchain.toml");
    write_pair(&house.directory, "tls", &of("configured.test"));
    house.directory.write("certs/a.test.pem", whole(&family.leaf()));
    house.directory.write("certs/torn.test.pem", "torn");
    let directory = "certificate_directory = \"certs\"\n";
    let table = "[[certificate]]\ncert = \"tls.crt\"\nkey = \"tls.key\"\n";
    house.directory.write("fullchain.toml", format!("{directory}{table}"));
    let house = house.start();
    assert!(served(&house, "configured.test").is_some() && served(&house, "a.test").is_some());
    house.directory().replace("fullchain.toml", directory);
    let outcome = house.reload(&[]);
    assert!(
        outcome.err.contains("no longer configured: configured.test"),
        "{outcome:?}"
    );
    assert!(served(&house, "configured.test").is_none());

    // A slip in the configuration that is to replace the directory.
    let slip = table.replace("tls.crt", "slip.crt");
    house.directory().replace("fullchain.toml", slip);
    let outcome = house.reload(&[]);
    assert!(outcome.err.contains("slip.crt: cannot be read"), "{outcome:?}");
    assert!(served(&house, "a.test").is_some());
    house.directory().replace("fullchain.toml", table);
    assert_eq!(house.reload(&[]).code, Some(0));
    assert!(served(&house, "configured.test").is_some() && served(&house, "a.test").is_none());
}

#[test]
fn an_empty_directory_is_warned_about_and_filled_later() {
    let family = Family::new();
    let house = house(&family).start();
    assert!(served(&house, "a.test").is_none());
    house.wait_for_log(&["WARN", "there is no certificate to serve"]);
    let a = family.leaf();
    house.directory().write("certs/a.test.pem", whole(&a));
    wait_until_served(&house, "a.test", &a);
}

#[test]
fn a_directory_that_is_missing_at_start_is_an_error_and_so_is_its_password() {
    let family = Family::new();
    let ended = House::bare(&family).file("--certificate-directory", "certs").fail();
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(
        ended.err.contains("certs: cannot be read: No such file"),
        "{}",
        ended.err
    );
    let ended = house(&family)
        .file("--certificate-directory-password-file", "password")
        .fail();
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("password: cannot be read"), "{}", ended.err);
}

#[test]
fn the_file_named_after_a_host_goes_before_every_other_certificate_for_it() {
    let family = Family::new();
    let of_both = || leaf("a.test").also_named("b.test").signed_by(&family.issuing);
    let (a, b, configured) = (of_both(), of_both(), of_both());
    let wildcard = leaf("*.wild.test").signed_by(&family.issuing);
    let exact = leaf("other.test")
        .also_named("www.wild.test")
        .signed_by(&family.issuing);
    let house = house(&family).file("--cert", "tls.crt").file("--key", "tls.key");
    write_pair(&house.directory, "tls", &configured);
    house.directory.write("certs/A.TEST.pem", whole(&a));
    house.directory.write("certs/b.test.pem", whole(&b));
    house.directory.write("certs/www.wild.test.pem", whole(&wildcard));
    house.directory.write("certs/other.test.pem", whole(&exact));
    let house = house.start();
    assert_served(&house, "a.test", &a);
    assert_served(&house, "b.test", &b);
    assert_served(&house, "www.wild.test", &wildcard);
    assert_served(&house, "mail.wild.test", &wildcard);
    house.directory().remove("certs/A.TEST.pem");
    wait_until_served(&house, "a.test", &configured);
}

#[test]
fn a_leaf_that_is_not_for_the_host_of_its_file_is_served_for_its_names_and_warned_about() {
    let family = Family::new();
    let house = house(&family);
    let a = family.leaf();
    house.directory.write("certs/b.test.pem", whole(&a));
    let mut arguments = vec!["check".to_owned()];
    arguments.extend(house.arguments());
    let checked = fullchain(arguments);
    assert!(
        checked.out.contains("not for b.test, which the file is named after"),
        "{checked:?}"
    );
    let house = house.start();
    house.wait_for_log(&["WARN", "named after", "b.test"]);
    assert_served(&house, "a.test", &a);
    assert!(served(&house, "b.test").is_none());
    assert_eq!(shown(&house)["certificates"][0]["host"], "b.test");
}

#[test]
fn of_an_rsa_and_an_ecdsa_file_for_one_host_each_client_gets_what_it_understands() {
    let family = Family::new();
    let (rsa, ecdsa) = (leaf("a.test").rsa().signed_by(&family.issuing), family.leaf());
    for (rsa_file, ecdsa_file) in [
        ("a.test.rsa.pem", "a.test.ecdsa.pem"),
        ("a.test.pem.rsa", "a.test.pem.ecdsa"),
        ("a.test.pem", "a.test.ecdsa.pem"),
    ] {
        let house = house(&family);
        house.directory.write(format!("certs/{rsa_file}"), whole(&rsa));
        house.directory.write(format!("certs/{ecdsa_file}"), whole(&ecdsa));
        let house = house.start();
        let got = |schemes: &[SignatureScheme]| {
            let config = with_schemes(&family.root, schemes);
            let connection = handshake(house.address, &config, "a.test").unwrap();
            connection.peer_certificates().unwrap()[0].clone()
        };
        let ecdsa_only = [SignatureScheme::ECDSA_NISTP256_SHA256];
        assert_eq!(got(&ecdsa_only), *ecdsa.certificate.der(), "{ecdsa_file}");
        assert_served(&house, "a.test", &ecdsa);
        let rsa_only = [SignatureScheme::RSA_PSS_SHA256];
        assert_eq!(got(&rsa_only), *rsa.certificate.der(), "{rsa_file}");
    }
}

#[test]
fn under_strict_an_incomplete_chain_in_the_directory_is_refused_by_itself() {
    let family = Family::new();
    let stranger = family.another_issuing("Somebody else");
    let house = house(&family).switch("--strict");
    let a = family.leaf();
    house.directory.write("certs/a.test.pem", whole(&a));
    house
        .directory
        .write("certs/b.test.pem", whole(&leaf("b.test").signed_by(&stranger)));
    let house = house.start();
    assert_served(&house, "a.test", &a);
    assert!(
        problems(&house).contains("b.test.pem cannot be served: the chain of"),
        "{}",
        problems(&house)
    );
    // What is missing may lie in the directory too.
    house.directory().write("certs/b.test.chain", stranger.pem());
    eventually("the chain is complete", || served(&house, "b.test").is_some());
}

#[test]
fn two_thousand_files_are_served_and_one_more() {
    let family = Family::new();
    // The log of a failed test is printed.
    let house = house(&family).flag("--log-level", "warn,fullchain::app=info");
    let key = family.leaf();
    let of = |number: usize| {
        leaf(&format!("host{number}.test"))
            .key_of(&key)
            .signed_by(&family.issuing)
    };
    for number in 0..2_000 {
        house
            .directory
            .write(format!("certs/host{number}.test.pem"), whole(&of(number)));
    }
    let mut house = house.spawn();
    eventually_within(6 * PATIENCE, "it serves", || house.has_logged(&["serving TLS"]));
    house.address = house.logged_address("serving TLS");
    for number in (0..2_000).step_by(50) {
        let name = format!("host{number}.test");
        let served = served(&house, &name).unwrap_or_else(|| panic!("{name}"));
        let served = fullchain::chain::Certificate::from_der(served).unwrap();
        assert_eq!(served.dns_names().collect::<Vec<_>>(), [&name]);
    }
    let late = of(2_000);
    house.directory().write("certs/host2000.test.pem", whole(&late));
    eventually_within(6 * PATIENCE, "one more", || is_served(&house, "host2000.test", &late));
}

#[test]
fn check_shows_what_is_in_the_directory_and_ends_with_1_where_something_is_broken() {
    let family = Family::new();
    let house = house(&family);
    let check = || {
        let mut arguments = vec!["check".to_owned()];
        arguments.extend(house.arguments());
        fullchain(arguments)
    };
    let empty = check();
    assert_eq!(empty.code, Some(0), "{empty:?}");
    assert!(empty.err.contains("certs: it is empty"), "{empty:?}");
    house.directory.write("certs/a.test.pem", whole(&family.leaf()));
    let sound = check();
    assert_eq!((sound.code, &*sound.err), (Some(0), ""));
    assert!(
        sound.out.contains("certs/a.test.pem") && sound.out.contains("a.test: complete"),
        "{}",
        sound.out
    );
    house.directory.write("certs/b.test.pem", "torn");
    let broken = check();
    assert_eq!(broken.code, Some(1));
    assert!(
        broken.err.contains("b.test.pem") && broken.out.contains("a.test: complete"),
        "{broken:?}"
    );
    fs::remove_dir_all(house.directory.path("certs")).unwrap();
    assert_eq!(check().code, Some(1));
}

/// A client that trusts `root` and accepts only `schemes` in the handshake; certificates may be signed with any.
fn with_schemes(root: &Entity, schemes: &[SignatureScheme]) -> Arc<ClientConfig> {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    let algorithms = &mut provider.signature_verification_algorithms;
    let kept = algorithms.mapping.iter().filter(|(scheme, _)| schemes.contains(scheme));
    algorithms.mapping = kept.copied().collect::<Vec<_>>().leak();
    let mut roots = RootCertStore::empty();
    roots.add(root.certificate.der().clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions();
    Arc::new(builder.unwrap().with_root_certificates(roots).with_no_client_auth())
}
