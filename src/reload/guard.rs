//! The guard: whether what lies on disk is worse than what is served.
//!
//! A renewal that goes wrong half-way (a new leaf without its new intermediate, an old backup, a certificate for
//! fewer names) must not take the place of one that works.

use std::collections::BTreeSet;
use std::fmt;

use rustls::pki_types::UnixTime;

use crate::chain::{Assembly, Certificate, Chain, End, KeyAlgorithm, Status, rfc3339};

/// In what way the next chain is worse than the one served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Worse {
    ExpiresEarlier { served: UnixTime, next: UnixTime },
    LessComplete { served: Status, next: Status },
    LosesIntermediates { served: usize, next: usize },
    LosesKeyType(&'static str),
    LosesNames(Vec<String>),
}

impl fmt::Display for Worse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExpiresEarlier { served, next } => {
                write!(
                    f,
                    "it expires on {}, the one served on {}",
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
        }
    }
}

/// What speaks against serving `next` in the place of `served` at the instant `at`. A served chain that has expired
/// or become invalid is worth nothing, so nothing is worse.
pub(super) fn what_is_worse(served: &Assembly, next: &Assembly, at: UnixTime) -> Vec<Worse> {
    if served.status == Status::Invalid
        || served
            .chain
            .certificates
            .iter()
            .any(|certificate| !is_valid(certificate, at))
    {
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
    let (served, next) = (served.chain.leaf(), next.chain.leaf());
    if next.not_after().as_secs() < served.not_after().as_secs() {
        worse.push(Worse::ExpiresEarlier {
            served: served.not_after(),
            next: next.not_after(),
        });
    }
    let kept = names(next);
    let lost: Vec<_> = names(served).into_iter().filter(|name| !covers(&kept, name)).collect();
    if !lost.is_empty() {
        worse.push(Worse::LosesNames(lost));
    }
    worse
}

/// Which kind of key is lost where `next` takes the place of `served`, given all leaves that are served now: of an
/// RSA and an ECDSA certificate for the same names, neither may turn into the other, since each has clients that
/// understand nothing else.
pub(super) fn lost_key_type<'c>(
    served: &Certificate,
    next: &Certificate,
    others: impl Iterator<Item = &'c Certificate>,
) -> Option<Worse> {
    let (before, after) = (key_type(served.key_algorithm()), key_type(next.key_algorithm()));
    let names = names(served);
    let others: Vec<_> = others
        .filter(|other| self::names(other).iter().any(|name| names.contains(name)))
        .map(|other| key_type(other.key_algorithm()))
        .collect();
    (before != after && !others.is_empty() && !others.contains(&before)).then_some(Worse::LosesKeyType(before))
}

fn is_valid(certificate: &Certificate, at: UnixTime) -> bool {
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

fn key_type(algorithm: KeyAlgorithm) -> &'static str {
    match algorithm {
        KeyAlgorithm::Rsa { .. } => "RSA",
        KeyAlgorithm::Ec { .. } => "ECDSA",
        KeyAlgorithm::Ed25519 => "Ed25519",
        KeyAlgorithm::Other => "other",
    }
}
