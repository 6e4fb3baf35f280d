//! Why another chain is served than before, in words.

use rustls::pki_types::UnixTime;

use crate::chain::{Assembly, Certificate, End, Verdict, rfc3339};

/// What made `after` the answer at the instant `at`, where `before` was it.
pub(super) fn reason(before: &Assembly, after: &Assembly, at: UnixTime) -> String {
    let reasons = reasons(before, after, at);
    match reasons.is_empty() {
        true => "the configuration or the trusted roots have changed".to_owned(),
        false => reasons.join("; "),
    }
}

fn reasons(before: &Assembly, after: &Assembly, at: UnixTime) -> Vec<String> {
    let (old, new) = (before.chain.leaf(), after.chain.leaf());
    let mut reasons = Vec::new();
    if old != new {
        reasons.push(format!("{new} has taken the place of {old} on disk"));
    }
    // Where one is not used any more, nobody looks for those above it: that says nothing about them.
    let mut has_parted = old != new;
    for certificate in links(before) {
        if certificate.not_after().as_secs() < at.as_secs() {
            reasons.push(format!("{certificate} expired on {}", rfc3339(certificate.not_after())));
        } else if !has_parted {
            reasons.extend(departure(after, certificate));
        }
        has_parted |= !links(after).any(|link| link == certificate);
    }
    for certificate in links(after) {
        let has_begun = |until: UnixTime| certificate.not_before().as_secs() >= until.as_secs();
        if before.until.is_some_and(has_begun) {
            reasons.push(format!(
                "{certificate} is valid since {}",
                rfc3339(certificate.not_before())
            ));
        } else if old == new && !is_known(before, certificate) {
            reasons.push(format!("{certificate} has come into the store"));
        }
    }
    reasons
}

/// Why `certificate` is not used in `after`, unless another is merely better.
fn departure(after: &Assembly, certificate: &Certificate) -> Option<String> {
    if links(after).any(|link| link == certificate) {
        return None;
    }
    let mut steps = after.trail.steps.iter();
    match steps.find(|step| *step.candidate == *certificate) {
        Some(step) if matches!(step.verdict, Verdict::Refused(_)) => Some(format!("{certificate} is {}", step.verdict)),
        Some(_) => None,
        None => Some(format!("{certificate} is no longer there")),
    }
}

/// What is sent, and where it ends.
fn links(assembly: &Assembly) -> impl Iterator<Item = &Certificate> {
    let end = match &assembly.chain.end {
        End::Anchor(end) | End::SelfSigned(end) => Some(end),
        End::Cycle | End::Leaf | End::Open => None,
    };
    assembly
        .chain
        .certificates
        .iter()
        .chain(end)
        .map(|certificate| &**certificate)
}

fn is_known(assembly: &Assembly, certificate: &Certificate) -> bool {
    let mut candidates = assembly.trail.steps.iter().map(|step| &*step.candidate);
    links(assembly).any(|link| link == certificate) || candidates.any(|candidate| candidate == certificate)
}
