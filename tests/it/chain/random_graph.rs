//! A random graph of certificates: assembly ends, repeats nothing, and every link of its output verifies.

use std::collections::HashSet;
use std::sync::LazyLock;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use fullchain::chain::{Certificate, Policy, Status};
use proptest::prelude::*;
use rustls::pki_types::CertificateDer;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use x509_parser::prelude::{FromDer, X509Certificate};

use crate::rig::pki::{Entity, Mesh, Scene, ca, day, server};

const AUTHORITIES: usize = 6;

/// Every certificate that one of six CAs may hold from another, valid, expired, constrained or for another purpose,
/// made once.
static CERTIFICATES: LazyLock<Vec<Entity>> = LazyLock::new(|| {
    let mut mesh = Mesh::default();
    let authorities: Vec<_> = (0..AUTHORITIES)
        .map(|number| mesh.authority(&format!("CA {}", number / 2)))
        .collect();
    // Two names a key and two keys a name: names alone never decide.
    let authorities: Vec<_> = authorities
        .iter()
        .enumerate()
        .map(|(number, authority)| match number % 2 {
            0 => authority.clone(),
            _ => ca(&format!("CA {}", number / 2)).self_signed(),
        })
        .collect();
    let mut certificates = authorities.clone();
    for (subject, subject_ca) in authorities.iter().enumerate() {
        for issuer_ca in &authorities {
            let recipe = || ca(&format!("CA {}", subject / 2)).key_of(subject_ca);
            certificates.push(recipe().signed_by(issuer_ca));
            certificates.push(recipe().valid(-900, -1).signed_by(issuer_ca));
            certificates.push(recipe().valid(-900, 30).signed_by(issuer_ca));
            certificates.push(recipe().valid(20, 900).signed_by(issuer_ca));
            certificates.push(recipe().path_length(1).signed_by(issuer_ca));
            certificates.push(recipe().permits("example.org").signed_by(issuer_ca));
        }
    }
    certificates
});

proptest! {
    // The certificates are made anew in each run, so that a failing case cannot be kept: its trail is printed instead.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn assembly_ends_and_every_link_of_its_output_verifies(
        picked in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        roots in prop::collection::vec(0..AUTHORITIES, 0..3),
        issuer in 0..AUTHORITIES,
        compat in any::<bool>(),
    ) {
        let all = &*CERTIFICATES;
        let store: Vec<&Entity> = picked.iter().map(|index| index.get(all)).collect();
        let leaf = server("www.example.test").signed_by(&all[issuer]);
        let policy = if compat { Policy::Compat } else { Policy::Short };
        let assembly = Scene::of(&leaf)
            .store(store.iter().copied())
            .roots(roots.iter().map(|number| &all[*number]))
            .policy(policy)
            .assemble();

        let served = &assembly.chain.certificates;
        let distinct: HashSet<_> = served.iter().map(|certificate| certificate.fingerprint()).collect();
        prop_assert_eq!(distinct.len(), served.len(), "a certificate is repeated");
        prop_assert!(!assembly.trail.budget_exhausted, "{}", assembly.trail);
        for pair in served.windows(2) {
            prop_assert!(is_signed_by(&pair[0], &pair[1]), "a link does not verify:\n{}", assembly.trail);
        }
        let everything: Vec<_> = [&leaf]
            .into_iter()
            .chain(store)
            .map(|entity| entity.certificate.der().clone())
            .collect();
        // webpki is slow where many certificates refer to one another, and gives up after a hundred signatures.
        if everything.len() <= 16 && is_accepted(&everything, &roots) {
            prop_assert_eq!(assembly.status, Status::Complete, "webpki finds a chain:\n{}", assembly.trail);
        }
        if assembly.status == Status::Complete && assembly.warnings.is_empty() {
            prop_assert!(is_accepted(&assembly.chain.to_der(), &roots), "webpki refuses what is called complete:\n{}", assembly.trail);
        }
    }

    #[test]
    fn an_assembly_knows_how_long_and_for_which_stores_its_answer_holds(
        picked in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        roots in prop::collection::vec(0..AUTHORITIES, 0..3),
        issuer in 0..AUTHORITIES,
        days in 0i64..100,
    ) {
        let all = &*CERTIFICATES;
        let store: Vec<&Entity> = picked.iter().map(|index| index.get(all)).collect();
        let leaf = server("www.example.test").signed_by(&all[issuer]);
        let scene = |store: &[&Entity], days| {
            let roots = roots.iter().map(|number| &all[*number]);
            Scene::of(&leaf).store(store.iter().copied()).roots(roots).on_day(days)
        };
        let now = scene(&store, 0).assemble();
        let then = scene(&store, days).assemble();
        if now.until.is_none_or(|until| day(days).as_secs() < until.as_secs()) {
            prop_assert_eq!(&now.chain, &then.chain);
            prop_assert_eq!(now.status, then.status);
        }
        let sought: Vec<&Entity> = store.into_iter().filter(|entity| now.sought.contains(entity.certificate.subject())).collect();
        let again = scene(&sought, 0).assemble();
        prop_assert_eq!(&now.chain, &again.chain);
        prop_assert_eq!(now.until, again.until);
    }
}

/// Whether the key of `issuer` signed `child`: x509-parser takes the certificates apart and aws-lc-rs verifies,
/// nothing of ours takes part.
fn is_signed_by(child: &Certificate, issuer: &Certificate) -> bool {
    let (_, child) = X509Certificate::from_der(child.der()).unwrap();
    let (_, issuer) = X509Certificate::from_der(issuer.der()).unwrap();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &issuer.public_key().subject_public_key.data);
    child.issuer() == issuer.subject()
        && key
            .verify(child.tbs_certificate.as_ref(), &child.signature_value.data)
            .is_ok()
}

/// Whether rustls-webpki finds a chain from the first of `ders` through the others to one of the roots.
fn is_accepted(ders: &[CertificateDer<'_>], roots: &[usize]) -> bool {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let anchors: Vec<_> = roots
        .iter()
        .map(|number| anchor_from_trusted_cert(CERTIFICATES[*number].certificate.der()).unwrap())
        .collect();
    let leaf = EndEntityCert::try_from(&ders[0]).unwrap();
    let algorithms = provider.signature_verification_algorithms.all;
    leaf.verify_for_usage(
        algorithms,
        &anchors,
        &ders[1..],
        day(0),
        KeyUsage::server_auth(),
        None,
        None,
    )
    .is_ok()
}
