//! What the tests of this room share: fixtures, a small CA, DER by hand.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod, KeyPair,
    RevokedCertParams,
};
use rustls_pki_types::PrivateKeyDer;

use super::der::{INTEGER, OCTET_STRING, SEQUENCE, first};
use super::password::Password;

/// A file of `tests/data/certs`, whose README says what it is.
pub(super) fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/certs")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A CERTIFICATE PROPERTIES block that says what nobody knows.
pub(super) const PROPERTIES: &[u8] =
    b"-----BEGIN CERTIFICATE PROPERTIES-----\nAAQAAAAA\n-----END CERTIFICATE PROPERTIES-----\n";

pub(super) fn password(text: &str) -> Password {
    Password::first_line(text.as_bytes()).unwrap()
}

/// What the caller of this room hands in.
pub(super) fn public_key(key: &PrivateKeyDer<'_>) -> Option<Vec<u8>> {
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(key).ok()?;
    Some(key.public_key()?.to_vec())
}

/// The DER of an element with `tag` around `parts`.
pub(super) fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let mut encoding = vec![tag];
    match u8::try_from(contents.len()) {
        Ok(short @ ..=0x7f) => encoding.push(short),
        _ => {
            let octets: Vec<u8> = contents
                .len()
                .to_be_bytes()
                .into_iter()
                .skip_while(|octet| *octet == 0)
                .collect();
            encoding.push(0x80 | u8::try_from(octets.len()).unwrap());
            encoding.extend(octets);
        }
    }
    encoding.extend(contents);
    encoding
}

/// `encoding` with `to` wherever the INTEGER `from` stands, DER inside OCTET STRINGs included, and every length put
/// right.
pub(super) fn with_iterations(encoding: &[u8], from: u32, to: u32) -> Vec<u8> {
    let integer = |value: u32| {
        let octets = i64::from(value).to_be_bytes();
        let first = octets
            .iter()
            .take(7)
            .zip(&octets[1..])
            .take_while(|(a, b)| **a == 0 && **b < 0x80)
            .count();
        octets[first..].to_vec()
    };
    let mut rest = encoding;
    let mut changed = Vec::new();
    while let Some((element, after)) = first(rest) {
        let nested = element.tag & 0x20 != 0
            || element.tag == OCTET_STRING
                && first(element.contents).is_some_and(|(inner, rest)| inner.tag == SEQUENCE && rest.is_empty());
        changed.extend(match element.tag {
            INTEGER if element.contents == integer(from) => der(INTEGER, &[&integer(to)]),
            tag if nested => der(tag, &[&with_iterations(element.contents, from, to)]),
            _ => element.encoding.to_vec(),
        });
        rest = after;
    }
    assert!(rest.is_empty());
    changed
}

/// A self-signed CA.
pub(super) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    key_pem: String,
}

impl Ca {
    pub(super) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        let key_pem = key.serialize_pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
            key_pem,
        }
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    pub(super) fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// The PEM of a leaf for `key`, valid from the first of January of `year`.
    pub(super) fn leaf(&self, name: &str, key: &KeyPair, year: i32) -> String {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = rcgen::date_time_ymd(year, 1, 1);
        params.signed_by(key, &self.issuer).unwrap().pem()
    }

    /// The DER of a CRL that revokes `serials`, issued on the first of January of `year` for 30 days.
    pub(super) fn crl(&self, serials: &[u64], year: i32) -> Vec<u8> {
        let this_update = rcgen::date_time_ymd(year, 1, 1);
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: (*serial).into(),
            revocation_time: this_update,
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update,
            next_update: rcgen::date_time_ymd(year, 1, 31),
            crl_number: 1.into(),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().der().to_vec()
    }

    /// The PEM of an intermediate CA for `key`.
    pub(super) fn intermediate(&self, name: &str, key: &KeyPair) -> String {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.signed_by(key, &self.issuer).unwrap().pem()
    }
}
