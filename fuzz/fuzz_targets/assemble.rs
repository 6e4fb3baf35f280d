//! A random graph of certificates: assembly ends, repeats nothing, and every link of its output verifies.
//!
//! The input picks certificates from a pool. Its keys come from fixed seeds and Ed25519 signatures from nothing else, so the
//! pool is the same in every process and an input that fails once fails every time.
#![no_main]

use std::collections::HashSet;
use std::sync::LazyLock;

use fullchain::chain::{Certificate, Policy, Status};
use libfuzzer_sys::fuzz_target;
use rcgen::KeyPair;
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::pki::{Authority, Entity, Recipe, Scene, ca, server};

#[allow(dead_code, reason = "the rig of the tests, of which this uses a part")]
#[path = "../../tests/it/rig/pki.rs"]
mod pki;

/// Two CAs share each name, so that names alone never decide.
const AUTHORITIES: usize = 6;

static POOL: LazyLock<Pool> = LazyLock::new(Pool::new);

fuzz_target!(|input: (u8, u8, u8, bool, i8, Vec<u8>)| {
    let (issuer, some, others, compat, days, picked) = input;
    let pool = &*POOL;
    // Few roots, so that a chain has a way to go.
    let roots = (0..AUTHORITIES).filter(|number| (some & others) >> number & 1 == 1);
    let assembly = Scene::of(&pool.leaves[usize::from(issuer) % pool.leaves.len()])
        .store(
            picked
                .iter()
                .map(|index| &pool.certificates[usize::from(*index) % pool.certificates.len()]),
        )
        .roots(roots.map(|number| &pool.certificates[number]))
        .policy(if compat { Policy::Compat } else { Policy::Short })
        .on_day(i64::from(days))
        .assemble();

    let served = &assembly.chain.certificates;
    let distinct: HashSet<_> = served.iter().map(|certificate| certificate.fingerprint()).collect();
    assert_eq!(
        distinct.len(),
        served.len(),
        "a certificate is repeated\n{}",
        assembly.trail
    );
    assert!(!assembly.trail.budget_exhausted);
    for link in served.windows(2) {
        assert!(
            is_signed_by(&link[0], &link[1]),
            "a link does not verify\n{}",
            assembly.trail
        );
    }
    if assembly.status == Status::Complete {
        assert_eq!(assembly.flaws, []);
    }
});

struct Pool {
    /// The self-signed certificates first, one for each CA.
    certificates: Vec<Entity>,
    leaves: Vec<Entity>,
}

impl Pool {
    fn new() -> Self {
        let recipe = |number: usize| ca(&format!("CA {}", number / 2)).key(key(number));
        let authorities: Vec<Entity> = (0..AUTHORITIES).map(|number| recipe(number).self_signed()).collect();
        // At most 255, so that a byte reaches each.
        let variants: [fn(Recipe) -> Recipe; 7] = [
            |recipe| recipe,
            |recipe| recipe.valid(-900, -1),
            |recipe| recipe.path_length(1),
            |recipe| recipe.permits("example.org"),
            |recipe| recipe.without_key_id().authority(Authority::None),
            |recipe| recipe.authority(Authority::KeyId(vec![0; 20])),
            |recipe| recipe.without_cert_sign(),
        ];
        let mut certificates = authorities.clone();
        for subject in 0..AUTHORITIES {
            for (number, issuer) in authorities.iter().enumerate() {
                // Beyond the first, variants of every other link do.
                let variants = variants.iter().take(if (subject + number) % 2 == 0 { 7 } else { 4 });
                certificates.extend(variants.map(|variant| variant(recipe(subject)).signed_by(issuer)));
            }
        }
        let leaf = |issuer| server("www.example.test").key(key(AUTHORITIES)).signed_by(issuer);
        Self {
            leaves: authorities.iter().map(leaf).collect(),
            certificates,
        }
    }
}

/// The Ed25519 key whose seed is `number` over and over, as PKCS#8 (RFC 8410 section 7).
fn key(number: usize) -> KeyPair {
    let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
    der.extend([number as u8; 32]);
    KeyPair::try_from(der).unwrap()
}

/// Independent of the code under test: it reads the certificates anew and knows one algorithm.
fn is_signed_by(child: &Certificate, issuer: &Certificate) -> bool {
    let (_, child) = X509Certificate::from_der(child.der()).unwrap();
    let (_, issuer) = X509Certificate::from_der(issuer.der()).unwrap();
    let key = &issuer.public_key().subject_public_key.data;
    let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
    let ed25519 = algorithms
        .mapping
        .iter()
        .filter(|(scheme, _)| *scheme == SignatureScheme::ED25519);
    ed25519.flat_map(|(_, algorithms)| *algorithms).any(|algorithm| {
        algorithm
            .verify_signature(key, child.tbs_certificate.as_ref(), &child.signature_value.data)
            .is_ok()
    })
}
