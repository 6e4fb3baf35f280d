//! The guard: whether what lies on disk is worse than what is served.
//!
//! A renewal that goes wrong half-way (a new leaf without its new intermediate, an old backup, a certificate for
//! fewer names) must not take the place of one that works.

use std::collections::BTreeSet;
use std::fmt;

use rustls::pki_types::UnixTime;

use crate::chain::{Assembly, Certificate, Chain, Criterion, Disallowed, End, KeyAlgorithm, Status, Warning, rfc3339};

/// In what way the next chain is worse than the one served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Worse {
    ExpiresEarlier { served: UnixTime, next: UnixTime },
    LessComplete { served: Status, next: Status },
    LosesIntermediates { served: usize, next: usize },
    LosesKeyType(&'static str),
    LosesNames(Vec<String>),
    RefusedBySome(String),
}

impl fmt::Display for Worse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExpiresEarlier { served, next } => {
                write!(
                    f,
                    "its chain expires on {}, the one served on {}",
                    rfc3339(*next),
                    rfc3339(*served)
                )
            }
            Self::LessComplete { served, next } => write!(f, "its chain is {next}, the one served {served}"),
            Self::LosesIntermediates { served, next } => {
                write!(
                    f,
                    "its chain has {next} intermediates and no known root, the one served {served}"
                )
            }
            Self::LosesKeyType(key_type) => write!(f, "no {key_type} key would be left for its names"),
            Self::LosesNames(names) => write!(f, "it is not for {}", names.join(", ")),
            Self::RefusedBySome(warning) => {
                write!(f, "some clients will refuse it, though not the one served: {warning}")
            }
        }
    }
}

/// What speaks against serving `next` in the place of `served` at the instant `at`. A served chain that has expired
/// or become invalid, or that holds what must never be used, is worth nothing, so nothing is worse.
///
/// A chain that ends earlier or that some clients stumble over is still a gain where it is complete and the one served
/// is not: that is refused by more clients, and now. Lost names are no such matter: their clients have nothing else.
pub(super) fn what_is_worse(served: &Assembly, next: &Assembly, disallowed: &Disallowed, at: UnixTime) -> Vec<Worse> {
    if is_worthless(served, disallowed, at) {
        return Vec::new();
    }
    let mut worse = Vec::new();
    if next.status < served.status {
        worse.push(Worse::LessComplete {
            served: served.status,
            next: next.status,
        });
    } else if next.status == Status::Unanchored && loses_intermediates(&served.chain, &next.chain) {
        let (served, next) = (served.chain.intermediates().len(), next.chain.intermediates().len());
        worse.push(Worse::LosesIntermediates { served, next });
    }
    if next.status <= served.status {
        // Of what is served the alternatives may be gone by now.
        let (served_end, next_end) = (served.chain.first_to_expire().not_after(), end(next));
        if next_end.as_secs() < served_end.as_secs() {
            worse.push(Worse::ExpiresEarlier {
                served: served_end,
                next: next_end,
            });
        }
        let refused_by_some =
            |assembly: &'_ Assembly| assembly.warnings.iter().find(|warning| makes_refuse(warning)).cloned();
        if refused_by_some(served).is_none()
            && let Some(warning) = refused_by_some(next)
        {
            worse.push(Worse::RefusedBySome(warning.to_string()));
        }
    }
    let (served, next) = (served.chain.leaf(), next.chain.leaf());
    let kept = names(next);
    let lost: Vec<_> = names(served).into_iter().filter(|name| !covers(&kept, name)).collect();
    if !lost.is_empty() {
        worse.push(Worse::LosesNames(lost));
    }
    worse
}

/// When the chain ends, or the last of those that will do in its place: a cross-certificate may end before the leaf, and
/// nobody is cut off where another path is as good.
fn end(assembly: &Assembly) -> UnixTime {
    let alternatives = assembly.alternatives.iter();
    let as_good = alternatives.filter(|alternative| alternative.criterion >= Criterion::OutlivesLeaf);
    let chains = as_good.map(|alternative| &alternative.chain).chain([&assembly.chain]);
    let ends = chains.map(|chain| chain.first_to_expire().not_after());
    ends.max_by_key(UnixTime::as_secs)
        .unwrap_or_else(|| assembly.chain.leaf().not_after())
}

fn is_worthless(served: &Assembly, disallowed: &Disallowed, at: UnixTime) -> bool {
    let end = match &served.chain.end {
        End::Anchor(end) | End::SelfSigned(end) => Some(end),
        End::Cycle | End::Leaf | End::Open => None,
    };
    let certificates = &served.chain.certificates;
    served.status == Status::Invalid
        || certificates.iter().any(|certificate| !is_valid(certificate, at))
        || certificates
            .iter()
            .chain(end)
            .any(|certificate| disallowed.contains(certificate))
}

/// Whether `warning` is about now and about what is sent. Of the others, an early end is weighed by itself, and that
/// the root has ended holds for every chain below it.
fn makes_refuse(warning: &Warning) -> bool {
    match warning {
        Warning::AnchorExpired { .. } | Warning::ExpiresBeforeLeaf { .. } => false,
        Warning::AnchorPathLength { .. }
        | Warning::KeyIdConflict { .. }
        | Warning::NamesEncodedDifferently { .. }
        | Warning::StricterThanRfc5280 { .. } => true,
    }
}

/// Which kind of key is lost where `next` takes the place of `served`: of an RSA and an ECDSA certificate for the same
/// names, neither may turn into the other, since each has clients that understand nothing else.
///
/// The kind must be left among the other leaves for these names as they are served now, and as they would be served
/// next: whether each of them is replaced is not settled yet.
pub(super) fn lost_key_type<'c>(
    served: &Certificate,
    next: &Certificate,
    others_served: impl Iterator<Item = &'c Certificate>,
    others_next: impl Iterator<Item = &'c Certificate>,
) -> Option<Worse> {
    let (before, after) = (key_type(served.key_algorithm()), key_type(next.key_algorithm()));
    // Mostly; then the others, of which there may be thousands, need not be looked at.
    if before == after {
        return None;
    }
    let names = names(served);
    let is_akin = |other: &&Certificate| self::names(other).iter().any(|name| names.contains(name));
    let key_type_of = |other: &Certificate| key_type(other.key_algorithm());
    let others_served: Vec<_> = others_served.filter(is_akin).map(key_type_of).collect();
    let mut others_next = others_next.filter(is_akin).map(key_type_of);
    let mut stays = || others_served.contains(&before) && others_next.any(|other| other == before);
    (!others_served.is_empty() && !stays()).then_some(Worse::LosesKeyType(before))
}

/// Whether the keys of the two are of different kinds.
pub(super) fn is_of_other_type(one: &Certificate, other: &Certificate) -> bool {
    key_type(one.key_algorithm()) != key_type(other.key_algorithm())
}

pub(super) fn is_valid(certificate: &Certificate, at: UnixTime) -> bool {
    (certificate.not_before().as_secs()..=certificate.not_after().as_secs()).contains(&at.as_secs())
}

/// A torn write may end between two PEM blocks: then the file is sound, and shorter.
fn loses_intermediates(served: &Chain, next: &Chain) -> bool {
    next.end == End::Open && (served.end != End::Open || next.intermediates().len() < served.intermediates().len())
}

/// DNS names in lower case and addresses as text.
pub(super) fn names(leaf: &Certificate) -> BTreeSet<String> {
    leaf.dns_names()
        .map(str::to_ascii_lowercase)
        .chain(leaf.ip_addresses().map(|address| address.to_string()))
        .collect()
}

fn covers(names: &BTreeSet<String>, name: &str) -> bool {
    let wildcard = name.split_once('.').map(|(_, parent)| format!("*.{parent}"));
    names.contains(name) || wildcard.is_some_and(|wildcard| names.contains(&wildcard))
}

pub(super) fn key_type(algorithm: KeyAlgorithm) -> &'static str {
    match algorithm {
        KeyAlgorithm::Rsa { .. } => "RSA",
        KeyAlgorithm::Ec { .. } => "ECDSA",
        KeyAlgorithm::Ed25519 => "Ed25519",
        KeyAlgorithm::Other => "other",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SignatureAlgorithm};

    use super::*;
    use crate::chain::{Alternative, Policy, Sought, Trail};

    const NOW: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_780_272_000));

    /// A certificate for `names` that is valid for `days` from [`NOW`].
    fn certificate(names: &[&str], days: u32, key: &'static SignatureAlgorithm) -> Arc<Certificate> {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        let now = time::OffsetDateTime::from_unix_timestamp(NOW.as_secs().try_into().unwrap()).unwrap();
        params.not_before = now - Duration::from_secs(86_400);
        params.not_after = now + days * Duration::from_secs(86_400);
        let key = KeyPair::generate_for(key).unwrap();
        let der = params.self_signed(&key).unwrap().der().clone();
        Arc::new(Certificate::from_der(der).unwrap())
    }

    fn leaf(names: &[&str], days: u32) -> Arc<Certificate> {
        certificate(names, days, &PKCS_ECDSA_P256_SHA256)
    }

    fn assembly(certificates: &[&Arc<Certificate>], status: Status) -> Assembly {
        Assembly {
            chain: Chain {
                certificates: certificates.iter().map(|certificate| Arc::clone(certificate)).collect(),
                end: End::Open,
            },
            status,
            wanted: None,
            flaws: Vec::new(),
            warnings: Vec::new(),
            alternatives: Vec::new(),
            policy: Policy::Short,
            to_other_anchors: Vec::new(),
            trail: Trail::default(),
            until: None,
            sought: Sought::default(),
        }
    }

    fn complete(certificates: &[&Arc<Certificate>]) -> Assembly {
        assembly(certificates, Status::Complete)
    }

    fn worse(served: &Assembly, next: &Assembly) -> Vec<Worse> {
        what_is_worse(served, next, &Disallowed::default(), NOW)
    }

    #[test]
    fn the_first_certificate_to_expire_is_the_end_of_a_chain() {
        let (before, after) = (leaf(&["a.test"], 60), leaf(&["a.test"], 90));
        let (long, short) = (leaf(&["CA"], 500), leaf(&["CA"], 10));
        let objections = worse(&complete(&[&before, &long]), &complete(&[&after, &short]));
        assert!(
            matches!(objections[..], [Worse::ExpiresEarlier { .. }]),
            "{objections:?}"
        );
        assert_eq!(worse(&complete(&[&before, &short]), &complete(&[&after, &long])), []);
    }

    #[test]
    fn a_chain_ends_when_the_last_that_will_do_in_its_place_does() {
        let (before, after) = (leaf(&["a.test"], 60), leaf(&["a.test"], 90));
        let (long, cross) = (leaf(&["CA"], 500), leaf(&["Cross"], 20));
        let served = complete(&[&before, &long]);
        let through_cross = complete(&[&after, &long, &cross]);
        assert!(matches!(
            worse(&served, &through_cross)[..],
            [Worse::ExpiresEarlier { .. }]
        ));
        let with = |criterion| Assembly {
            alternatives: vec![Alternative {
                chain: complete(&[&after, &long]).chain,
                criterion,
            }],
            ..through_cross.clone()
        };
        assert_eq!(worse(&served, &with(Criterion::Policy)), []);
        assert_ne!(worse(&served, &with(Criterion::Anchor)), []);
    }

    #[test]
    fn a_better_status_outweighs_an_earlier_end_but_not_lost_names() {
        let (before, after) = (leaf(&["a.test", "b.test"], 90), leaf(&["a.test", "b.test"], 60));
        let incomplete = assembly(&[&before], Status::Incomplete);
        assert_eq!(worse(&incomplete, &complete(&[&after])), []);
        let fewer = complete(&[&leaf(&["a.test"], 60)]);
        assert_eq!(
            worse(&incomplete, &fewer),
            [Worse::LosesNames(vec!["b.test".to_owned()])]
        );
    }

    #[test]
    fn a_warning_that_makes_clients_refuse_is_an_objection_where_the_served_chain_has_none() {
        let (before, after, issuer) = (leaf(&["a.test"], 60), leaf(&["a.test"], 90), leaf(&["CA"], 500));
        let served = complete(&[&before, &issuer]);
        let with = |warning: Warning| Assembly {
            warnings: vec![warning],
            ..complete(&[&after, &issuer])
        };
        let (child, at) = (Arc::clone(&after), after.not_after());
        let harmless = with(Warning::ExpiresBeforeLeaf {
            certificate: Arc::clone(&issuer),
            at,
        });
        assert_eq!(worse(&served, &harmless), []);
        let conflict = with(Warning::KeyIdConflict {
            child,
            issuer: Arc::clone(&issuer),
        });
        assert!(matches!(worse(&served, &conflict)[..], [Worse::RefusedBySome(_)]));
        assert_eq!(worse(&conflict, &conflict), []);
    }

    #[test]
    fn a_served_chain_with_a_disallowed_certificate_or_key_in_it_is_worth_nothing() {
        let (before, issuer) = (leaf(&["a.test", "b.test"], 90), leaf(&["CA"], 500));
        let (served, next) = (complete(&[&before, &issuer]), complete(&[&leaf(&["a.test"], 30)]));
        assert_ne!(worse(&served, &next), []);
        for digest in [issuer.fingerprint(), issuer.key_fingerprint(), before.key_fingerprint()] {
            let disallowed: Disallowed = [digest].into_iter().collect();
            assert_eq!(what_is_worse(&served, &next, &disallowed, NOW), []);
        }
    }

    #[test]
    fn the_last_key_of_its_type_for_a_name_does_not_go_even_if_several_change_together() {
        let of = |key| certificate(&["a.test"], 90, key);
        let (old, other_old) = (of(&PKCS_ED25519), of(&PKCS_ED25519));
        let (new, other_new) = (of(&PKCS_ECDSA_P256_SHA256), of(&PKCS_ECDSA_P256_SHA256));
        let lost = |served: &[&Arc<Certificate>], next: &[&Arc<Certificate>]| {
            let [served, next] = [served, next].map(|leaves| leaves.iter().map(|leaf| &***leaf).collect::<Vec<_>>());
            lost_key_type(&old, &new, served.into_iter(), next.into_iter())
        };
        let objection = Some(Worse::LosesKeyType("Ed25519"));
        assert_eq!(lost(&[&other_old], &[&other_new]), objection);
        assert_eq!(lost(&[&other_new], &[&other_new]), objection);
        assert_eq!(lost(&[&other_old], &[&other_old]), None);
        assert_eq!(lost(&[], &[]), None);
        let elsewhere = certificate(&["b.test"], 90, &PKCS_ECDSA_P256_SHA256);
        assert_eq!(lost(&[&elsewhere], &[&elsewhere]), None);
    }
}
