//! The staple of a file, from the directory to the client.

use std::sync::{Arc, Mutex};

use fullchain::admin::client;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion};
use serde_json::Value;

use crate::rig::command::fullchain;
use crate::rig::family::{Family, NAME, leaf};
use crate::rig::handshake::handshake;
use crate::rig::house::{House, Running};
use crate::rig::ocsp::{Response, in_hours};
use crate::rig::pki::Entity;
use crate::rig::{PATIENCE, eventually};

/// Verifies as usual and keeps the staple that came.
#[derive(Debug)]
struct Keeping {
    usual: Arc<WebPkiServerVerifier>,
    staple: Mutex<Vec<u8>>,
}

impl ServerCertVerifier for Keeping {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.staple.lock().unwrap() = ocsp_response.to_vec();
        self.usual
            .verify_server_cert(leaf, intermediates, name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

/// What is stapled for a client that speaks these versions.
pub(super) fn stapled_in(house: &Running, family: &Family, versions: &[&'static SupportedProtocolVersion]) -> Vec<u8> {
    let mut roots = RootCertStore::empty();
    roots.add(family.root.certificate.der().clone()).unwrap();
    let keeping = Arc::new(Keeping {
        usual: WebPkiServerVerifier::builder(Arc::new(roots)).build().unwrap(),
        staple: Mutex::default(),
    });
    let config = ClientConfig::builder_with_protocol_versions(versions)
        .dangerous()
        .with_custom_certificate_verifier(keeping.clone())
        .with_no_client_auth();
    handshake(house.address, &Arc::new(config), NAME).unwrap();
    let staple = keeping.staple.lock().unwrap();
    staple.clone()
}

pub(super) fn stapled(house: &Running, family: &Family) -> Vec<u8> {
    stapled_in(house, family, rustls::ALL_VERSIONS)
}

/// What `/certificates` shows of the one certificate.
pub(super) fn shown(house: &Running) -> Value {
    let answer = client::get(house.admin(), "/certificates", PATIENCE).unwrap();
    let shown: Value = serde_json::from_str(&answer.body).unwrap();
    shown["certificates"][0].clone()
}

/// A house with a staple file.
fn house_with(family: &Family, leaf: &Entity, staple: &[u8]) -> House {
    let house = House::of(family, leaf).file("--staple", "tls.ocsp");
    house.directory.write("tls.ocsp", staple);
    house
}

fn good(family: &Family, leaf: &Entity) -> Vec<u8> {
    Response::good(leaf, &family.issuing).around_now(24).der()
}

#[test]
fn the_staple_of_a_file_reaches_clients_of_both_versions() {
    let family = Family::new();
    let leaf = family.leaf();
    let der = good(&family, &leaf);
    let house = house_with(&family, &leaf, &der).start();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        assert_eq!(stapled_in(&house, &family, &[version]), der);
    }
}

#[test]
fn a_renewed_file_is_stapled_and_one_that_is_of_no_use_is_told_while_the_last_staple_stays() {
    let family = Family::new();
    let leaf = family.leaf();
    let house = house_with(&family, &leaf, &good(&family, &leaf)).start();
    let renewed = Response::good(&leaf, &family.issuing).around_now(48).der();
    house.directory().replace("tls.ocsp", &renewed);
    eventually("the new staple is sent", || stapled(&house, &family) == renewed);
    house.wait_for_log(&["INFO", "OCSP staple replaced", NAME]);

    house.directory().replace("tls.ocsp", good(&family, &family.leaf()));
    house.wait_for_log(&[
        "WARN",
        "OCSP staple not replaced: the last good one stays",
        "tls.ocsp: expected an answer for this certificate",
    ]);
    assert_eq!(stapled(&house, &family), renewed);
    let shown = shown(&house);
    assert!(
        shown["staple"].is_object() && shown["staple_problem"].is_string(),
        "{shown}"
    );
    let asked = house.reload(&[]);
    assert!(
        asked.out.contains("the last good OCSP staple of a.test stays")
            || asked.err.contains("the last good OCSP staple"),
        "{} {}",
        asked.out,
        asked.err
    );
    house.assert_served([&leaf, &family.issuing]);

    let last = Response::good(&leaf, &family.issuing).around_now(72).der();
    let finish = house.directory().tear("tls.ocsp", &last);
    house.wait_for_log(&["not replaced", "expected the DER of an OCSP response"]);
    assert_eq!(stapled(&house, &family), renewed);
    finish();
    eventually("the whole staple is sent", || stapled(&house, &family) == last);

    house.directory().remove("tls.ocsp");
    house.wait_for_log(&["WARN", "tls.ocsp: cannot be read"]);
    house.wait_for_log(&["not replaced", "its file cannot be read"]);
    assert_eq!(stapled(&house, &family), last);
    assert_eq!(house.reload(&["--force"]).code, Some(0));
    assert_eq!(stapled(&house, &family), [0_u8; 0]);
}

#[test]
fn a_file_that_says_revoked_takes_the_last_staple_off() {
    let family = Family::new();
    let leaf = family.leaf();
    let house = house_with(&family, &leaf, &good(&family, &leaf)).start();
    assert!(!stapled(&house, &family).is_empty());
    let revoked = Response::good(&leaf, &family.issuing).around_now(24);
    house
        .directory()
        .replace("tls.ocsp", revoked.revoked(in_hours(-1), Some(1)).der());
    eventually("no staple is sent", || stapled(&house, &family).is_empty());
    house.wait_for_log(&["ERROR", "the certificate is revoked: replace it"]);
}

#[test]
fn a_leaf_renewed_before_its_staple_is_served_without() {
    let family = Family::new();
    let before = family.leaf();
    let house = house_with(&family, &before, &good(&family, &before)).start();
    let after = family.leaf();
    house.directory().replace("tls.key", after.key_pem());
    house.directory().replace("tls.crt", after.pem());
    house.wait_until_served([&after, &family.issuing]);
    assert_eq!(stapled(&house, &family), [0_u8; 0]);
    let der = good(&family, &after);
    house.directory().replace("tls.ocsp", &der);
    eventually("the new staple is sent", || stapled(&house, &family) == der);
}

#[test]
fn a_leaf_that_is_revoked_is_an_error_in_the_log_and_not_stapled() {
    let family = Family::new();
    let leaf = family.leaf();
    let revoked = Response::good(&leaf, &family.issuing)
        .around_now(24)
        .revoked(in_hours(-1), Some(1));
    let house = house_with(&family, &leaf, &revoked.der()).start();
    house.wait_for_log(&["ERROR", "the certificate is revoked: replace it", "keyCompromise", NAME]);
    assert_eq!(stapled(&house, &family), [0_u8; 0]);
}

#[test]
fn a_leaf_that_demands_a_staple_and_has_none_is_a_warning() {
    let family = Family::new();
    let demanding = leaf(NAME).must_staple().signed_by(&family.issuing);
    let house = House::of(&family, &demanding).start();
    house.wait_for_log(&["WARN", "no OCSP staple", "the leaf demands a staple"]);
    let shown = shown(&house);
    assert!(shown["staple"].is_null(), "{shown}");
    let problem = shown["staple_problem"].as_str().unwrap();
    assert!(problem.starts_with("the leaf demands a staple"), "{problem}");
    let file = house_with(&family, &demanding, &good(&family, &demanding));
    let satisfied = file.start();
    assert!(!stapled(&satisfied, &family).is_empty());
    assert!(!satisfied.has_logged(&["demands a staple"]));
    let shown = self::shown(&satisfied);
    assert!(
        shown["staple"]["good_until"].is_string() && shown["staple_problem"].is_null(),
        "{shown}"
    );
}

#[test]
fn check_shows_the_staple_or_why_there_is_none() {
    let family = Family::new();
    let leaf = family.leaf();
    let check = |house: House| fullchain([vec!["check".to_owned()], house.arguments()].concat());
    let ended = check(house_with(&family, &leaf, &good(&family, &leaf)));
    assert!(ended.out.contains("  OCSP staple: good until "), "{}", ended.out);
    let ended = check(house_with(&family, &leaf, b"<html>"));
    let expected = "tls.ocsp: expected the DER of an OCSP response";
    assert!(
        ended.out.contains("  warning: no OCSP staple: ") && ended.out.contains(expected),
        "{}",
        ended.out
    );
    assert_eq!(ended.code, Some(0));
}
