//! A random graph of certificates: assembly ends, repeats nothing, and every link of its output verifies.

use std::collections::HashSet;
use std::sync::LazyLock;

use fullchain::chain::{Policy, Status};
use proptest::prelude::*;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::rig::pki::{Entity, Mesh, Scene, ca, server};

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
            certificates.push(recipe().path_length(1).signed_by(issuer_ca));
            certificates.push(recipe().permits("example.org").signed_by(issuer_ca));
        }
    }
    certificates
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn assembly_ends_and_every_link_of_its_output_verifies(
        picked in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        roots in prop::collection::vec(0..AUTHORITIES, 0..3),
        issuer in 0..AUTHORITIES,
        compat in any::<bool>(),
    ) {
        let all = &*CERTIFICATES;
        let store: Vec<_> = picked.iter().map(|index| index.get(all)).collect();
        let leaf = server("www.example.test").signed_by(&all[issuer]);
        let policy = if compat { Policy::Compat } else { Policy::Short };
        let assembly = Scene::of(&leaf)
            .store(store)
            .roots(roots.iter().map(|number| &all[*number]))
            .policy(policy)
            .assemble();

        let served = &assembly.chain.certificates;
        let distinct: HashSet<_> = served.iter().map(|certificate| certificate.fingerprint()).collect();
        prop_assert_eq!(distinct.len(), served.len(), "a certificate is repeated");
        prop_assert!(!assembly.trail.budget_exhausted);
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        for pair in served.windows(2) {
            // One link at a time, the upper certificate trusted: time and constraints of the rest do not matter here.
            let anchor = [anchor_from_trusted_cert(pair[1].der()).unwrap()];
            let lower = EndEntityCert::try_from(pair[0].der()).unwrap();
            let verdict = lower.verify_for_usage(
                provider.signature_verification_algorithms.all,
                &anchor,
                &[],
                pair[0].not_before(),
                KeyUsage::server_auth(),
                None,
                None,
            );
            let only_role_is_wrong = matches!(
                verdict.err(),
                None | Some(webpki::Error::CaUsedAsEndEntity | webpki::Error::NameConstraintViolation)
            );
            prop_assert!(only_role_is_wrong, "a link does not verify:\n{}", assembly.trail);
        }
        if assembly.status == Status::Complete {
            prop_assert!(assembly.flaws.is_empty());
        }
    }
}
