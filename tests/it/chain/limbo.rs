//! x509-limbo: cases of certificate validation that others wrote (C2SP/x509-limbo, Apache-2.0).
//!
//! The file is read from `LIMBO_JSON`, or from `../shared/limbo/limbo.json` beside the checkout; without it these
//! tests say that they are skipped. `tests/data/limbo-exceptions.json` lists the cases in which rustls-webpki itself
//! departs, each with its reason; a case that is listed and passes fails the test too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fullchain::chain::{
    Anchors, Assembly, Certificate, Context, Disallowed, Policy, Signatures, Status, Store, assemble,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use serde::Deserialize;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

#[derive(Deserialize)]
struct Limbo {
    testcases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    validation_kind: String,
    trusted_certs: Vec<String>,
    untrusted_intermediates: Vec<String>,
    peer_certificate: String,
    validation_time: Option<String>,
    expected_result: String,
}

#[derive(Deserialize)]
struct Exception {
    id: String,
    reason: String,
}

fn limbo() -> Option<Limbo> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/limbo/limbo.json");
    let path = std::env::var_os("LIMBO_JSON").map_or(beside, PathBuf::from);
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: no x509-limbo at {}; set LIMBO_JSON", path.display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

fn exceptions() -> BTreeMap<String, String> {
    let text = include_str!("../../data/limbo-exceptions.json");
    let listed: Vec<Exception> = serde_json::from_str(text).unwrap();
    listed
        .into_iter()
        .map(|exception| (exception.id, exception.reason))
        .collect()
}

impl Case {
    fn is_server(&self) -> bool {
        self.validation_kind == "SERVER"
    }

    fn should_succeed(&self) -> bool {
        self.expected_result == "SUCCESS"
    }

    fn at(&self) -> UnixTime {
        let format = &time::format_description::well_known::Rfc3339;
        let time = self
            .validation_time
            .as_deref()
            .map_or_else(time::OffsetDateTime::now_utc, |text| {
                time::OffsetDateTime::parse(text, format).unwrap()
            });
        UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(time.unix_timestamp()).unwrap_or(0)))
    }

    fn leaf(&self) -> Option<Arc<Certificate>> {
        read(&self.peer_certificate)
    }

    fn store(&self) -> impl Iterator<Item = Arc<Certificate>> {
        self.untrusted_intermediates.iter().filter_map(|pem| read(pem))
    }

    fn assemble(&self, leaf: &Arc<Certificate>, store: &Store) -> Assembly {
        let anchors: Anchors = self.trusted_certs.iter().filter_map(|pem| read(pem)).collect();
        let context = Context {
            anchors: &anchors,
            at: self.at(),
            policy: Policy::Short,
            disallowed: &Disallowed::default(),
            algorithms: rustls::crypto::aws_lc_rs::default_provider()
                .signature_verification_algorithms
                .all,
            weak_algorithms: &[],
            signatures: &Signatures::new(),
            allow_ca_leaf: false,
            send_intermediate_anchor: true,
        };
        assemble(leaf, store, &context)
    }

    /// What rustls-webpki says of these certificates and no others.
    fn judge(&self, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Result<(), webpki::Error> {
        let ders: Vec<_> = self
            .trusted_certs
            .iter()
            .filter_map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).ok())
            .collect();
        let anchors: Vec<_> = ders
            .iter()
            .filter_map(|der| anchor_from_trusted_cert(der).ok())
            .collect();
        let algorithms = rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .all;
        EndEntityCert::try_from(leaf)?
            .verify_for_usage(
                algorithms,
                &anchors,
                others,
                self.at(),
                KeyUsage::server_auth(),
                None,
                None,
            )
            .map(|_| ())
    }

    fn judge_served(&self, assembly: &Assembly) -> Result<(), webpki::Error> {
        let ders = assembly.chain.to_der();
        self.judge(&ders[0], &ders[1..])
    }
}

/// Some cases are about certificates that cannot be read at all.
fn read(pem: &str) -> Option<Arc<Certificate>> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    Certificate::from_der(der).ok().map(Arc::new)
}

/// Runs every server case over the store that `store_of` gives and returns what surprises, with the number of chains
/// built.
fn surprises(limbo: &Limbo, store_of: impl Fn(&Case) -> Store) -> (Vec<String>, usize) {
    let exceptions = exceptions();
    let (mut surprises, mut built) = (Vec::new(), 0);
    for case in limbo.testcases.iter().filter(|case| case.is_server()) {
        let outcome = match case.leaf() {
            None => Err("the leaf cannot be read".to_owned()),
            Some(leaf) => outcome(case, &leaf, &store_of(case)),
        };
        match (&outcome, exceptions.get(&case.id)) {
            (Ok(true), None) => built += 1,
            (Ok(false), None) => {}
            (Ok(_), Some(reason)) => surprises.push(format!("{}: listed ({reason}) but passes", case.id)),
            (Err(why), None) if case.should_succeed() => surprises.push(format!("{}: {why}", case.id)),
            (Err(_), _) if case.should_succeed() => {}
            (Err(why), _) if why == "the leaf cannot be read" => {}
            (Err(why), _) => surprises.push(format!("{}: {why}", case.id)),
        }
    }
    (surprises, built)
}

/// Whether a chain was built that webpki accepts; an error where the case wants otherwise.
fn outcome(case: &Case, leaf: &Arc<Certificate>, store: &Store) -> Result<bool, String> {
    let assembly = case.assemble(leaf, store);
    let verdict = case.judge_served(&assembly);
    match (case.should_succeed(), &verdict) {
        (true, Ok(())) if assembly.status == Status::Complete => Ok(true),
        (true, _) => Err(format!(
            "{:?}, status {}, flaws {:?}\n{}",
            verdict, assembly.status, assembly.flaws, assembly.trail
        )),
        (false, Err(error)) if assembly.status == Status::Complete => Err(format!(
            "called complete, but refused: {error:?}; warnings {:?}",
            assembly.warnings
        )),
        (false, _) => Ok(false),
    }
}

fn shared_store(limbo: &Limbo) -> Vec<Arc<Certificate>> {
    limbo.testcases.iter().flat_map(Case::store).collect()
}

#[test]
fn every_case_builds_from_its_own_intermediates() {
    let Some(limbo) = limbo() else { return };
    let (surprises, built) = surprises(&limbo, |case| case.store().collect());
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
    println!("built {built} chains from {} cases", limbo.testcases.len());
}

#[test]
fn every_case_builds_from_one_store_of_all_intermediates() {
    let Some(limbo) = limbo() else { return };
    let store: Store = shared_store(&limbo).into_iter().collect();
    let (surprises, built) = surprises(&limbo, |_| store.clone());
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
    println!("built {built} chains over a store of {}", store.len());
}

#[test]
fn shuffling_the_shared_store_never_changes_the_bytes() {
    let Some(limbo) = limbo() else { return };
    let mut certificates = shared_store(&limbo);
    let leaves: Vec<_> = limbo
        .testcases
        .iter()
        .filter(|case| case.is_server())
        .filter_map(|case| case.leaf().map(|leaf| (case, leaf)))
        .collect();
    let served = |store: &Store| -> Vec<_> {
        leaves
            .iter()
            .map(|(case, leaf)| case.assemble(leaf, store).chain.to_der())
            .collect()
    };
    let expected = served(&certificates.iter().cloned().collect());
    for seed in 1..=20 {
        shuffle(&mut certificates, seed);
        let store: Store = certificates.iter().cloned().collect();
        assert!(served(&store) == expected, "shuffle {seed} changed a chain");
    }
}

/// Fisher and Yates, with a linear congruential generator (Knuth's MMIX constants).
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        items.swap(last, (state >> 33) as usize % (last + 1));
    }
}

/// The exceptions are those that webpki makes by itself, given all that the case has.
#[test]
fn every_exception_is_one_of_webpki_itself() {
    let Some(limbo) = limbo() else { return };
    let exceptions = exceptions();
    for case in limbo.testcases.iter().filter(|case| exceptions.contains_key(&case.id)) {
        let leaf = CertificateDer::from_pem_slice(case.peer_certificate.as_bytes()).unwrap();
        let others: Vec<_> = case
            .untrusted_intermediates
            .iter()
            .filter_map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).ok())
            .collect();
        assert!(case.judge(&leaf, &others).is_err(), "{}: webpki accepts it", case.id);
    }
}
