//! OpenSSL as the other side: what it answers is believed here, and what is stapled here is believed there.

use fullchain::ocsp::{Error, Staple, request};
use fullchain::tls::signature_algorithms;
use rustls::pki_types::UnixTime;

use crate::rig::command::{Ended, where_present};
use crate::rig::directory::Directory;
use crate::rig::family::{Family, NAME, around_today};
use crate::rig::house::House;
use crate::rig::ocsp::{Response, subject};
use crate::rig::pki::{Entity, server};

/// The response that OpenSSL gives to our request for `leaf`, out of a database with this line and the leaf's serial
/// number in place of `SERIAL`; `None` where there is no OpenSSL.
fn answer(family: &Family, leaf: &Entity, signer: &Entity, line: &str) -> Option<Vec<u8>> {
    let directory = Directory::new();
    let serial = leaf.certificate.serial_text().to_uppercase();
    directory.write("index", line.replace("SERIAL", &serial));
    directory.write("ca.pem", family.issuing.pem());
    directory.write("signer.pem", signer.pem());
    directory.write("signer.key", signer.key_pem());
    directory.write("request", request(&subject(leaf, &family.issuing)));
    let path = |name| directory.text(name);
    let [index, ca, signer, key, request, response] =
        ["index", "ca.pem", "signer.pem", "signer.key", "request", "response"].map(path);
    let ended = where_present(
        "openssl",
        &[
            "ocsp", "-index", &index, "-CA", &ca, "-rsigner", &signer, "-rkey", &key, "-reqin", &request, "-respout",
            &response, "-ndays", "7",
        ],
    )?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    Some(std::fs::read(directory.path("response")).unwrap())
}

fn verify(family: &Family, leaf: &Entity, der: &[u8]) -> Result<Staple, Error> {
    Staple::verify(
        der,
        &subject(leaf, &family.issuing),
        signature_algorithms(),
        UnixTime::now(),
    )
}

const VALID: &str = "V\t491231235959Z\t\tSERIAL\tunknown\t/CN=a.test\n";
const REVOKED: &str = "R\t491231235959Z\t260101000000Z,superseded\tSERIAL\tunknown\t/CN=a.test\n";
const ANOTHER: &str = "V\t491231235959Z\t\t01\tunknown\t/CN=b.test\n";

#[test]
fn what_openssl_answers_to_our_request_is_a_staple() {
    let family = Family::new();
    let leaf = family.leaf();
    let delegate = around_today(server("ocsp.test"), 90)
        .for_ocsp()
        .signed_by(&family.issuing);
    for signer in [&family.issuing, &delegate] {
        let Some(der) = answer(&family, &leaf, signer, VALID) else {
            return;
        };
        let staple = verify(&family, &leaf, &der).unwrap();
        let days = (staple.good_until().as_secs() - staple.this_update().as_secs()) / 86_400;
        assert_eq!(days, 7);
    }
}

#[test]
fn openssl_says_that_a_leaf_is_revoked_or_unknown() {
    let family = Family::new();
    let leaf = family.leaf();
    for (line, expected) in [
        (
            REVOKED,
            "the certificate is revoked since 2026-01-01T00:00:00Z, reason: superseded",
        ),
        (ANOTHER, "the responder does not know the certificate"),
    ] {
        let Some(der) = answer(&family, &leaf, &family.issuing, line) else {
            return;
        };
        assert_eq!(verify(&family, &leaf, &der).unwrap_err().to_string(), expected);
    }
}

#[test]
fn openssl_takes_what_is_stapled() {
    let family = Family::new();
    let leaf = family.leaf();
    let house = House::of(&family, &leaf).file("--staple", "tls.ocsp");
    let der = Response::good(&leaf, &family.issuing).around_now(24).der();
    house.directory.write("tls.ocsp", &der);
    let house = house.start();
    let address = house.address.to_string();
    let (root, issuing) = (
        house.directory().text("root.pem"),
        house.directory().text("store/issuing.pem"),
    );
    for version in ["-tls1_2", "-tls1_3"] {
        let connect = [
            "s_client",
            "-status",
            version,
            "-connect",
            &address,
            "-servername",
            NAME,
            "-CAfile",
            &root,
        ];
        let Some(Ended { out, .. }) = where_present("openssl", &connect) else {
            return;
        };
        assert!(
            out.contains("OCSP Response Status: successful") && out.contains("Cert Status: good"),
            "{out}"
        );
    }
    let (staple, cert) = (house.directory().text("tls.ocsp"), house.directory().text("tls.crt"));
    let verify = [
        "ocsp", "-respin", &staple, "-issuer", &issuing, "-cert", &cert, "-CAfile", &root,
    ];
    let ended = where_present("openssl", &verify).unwrap();
    assert!(
        ended.err.contains("Response verify OK") && ended.out.contains(": good"),
        "{ended:?}"
    );
}
