//! Certificates and chains as JSON: what `/certificates` shows, and `chain` and `check` print with `--format json`.
//!
//! `docs/JSON.md` names every field; a test holds the two together.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::client_auth::in_force;
use super::tickets;
use crate::certs::{BundleSettings, HostName};
use crate::chain::{Alternative, Assembly, Certificate, Chain, End, Name, Policy, Step, Verdict, hexadecimal, rfc3339};
use crate::reload::{Generation, Stapled};
use crate::tls::OutOfReach;

/// The version of the shape of everything here: it grows when a field goes or changes its meaning, not when one is
/// added.
pub const JSON_VERSION: u32 = 1;

/// Everything that is served, as `/certificates` shows it.
pub fn certificates(generation: &Generation) -> Value {
    let served = generation.served.iter().map(|served| {
        let mut value = assembly(&served.assembly);
        value["file"] = json!(served.source.certificate);
        value["files"] = json!(files(&served.source));
        value["host"] = json!(served.source.host().map(HostName::as_str));
        value["staple"] = staple(&served.stapled);
        value["served_since"] = json!(rfc3339(served.since));
        value["staple_problem"] = json!(served.stapled.problem);
        value["kept_because"] = json!(served.kept_because);
        value
    });
    let leaves = generation.served.iter().map(|served| &**served.assembly.chain.leaf());
    json!({
        "version": JSON_VERSION,
        "read_at": rfc3339(generation.read_at),
        "certificates": served.collect::<Vec<_>>(),
        "client_auth": generation.client_auth.policies.iter().map(in_force).collect::<Vec<_>>(),
        "tickets": tickets::in_force(&generation.tickets),
        "problems": generation.problems,
        "out_of_reach_of_old_windows": OutOfReach::of(leaves).names().collect::<Vec<_>>(),
    })
}

/// Every file that it is made of.
pub(super) fn files(source: &BundleSettings) -> Vec<&Path> {
    let BundleSettings {
        certificate,
        key,
        password_file,
        staple,
        ..
    } = source;
    let others = [key, password_file, staple].into_iter().flatten();
    [certificate].into_iter().chain(others).map(PathBuf::as_path).collect()
}

/// The OCSP response that is stapled, if any.
pub fn staple(stapled: &Stapled) -> Value {
    json!(stapled.staple.as_ref().map(|staple| json!({
        "this_update": rfc3339(staple.this_update()),
        "good_until": rfc3339(staple.good_until()),
    })))
}

/// A chain with its status, its trail and what is wrong with it.
pub fn assembly(assembly: &Assembly) -> Value {
    let leaf = assembly.chain.leaf();
    let policy = assembly.policy;
    let alternatives: Vec<_> = assembly
        .alternatives
        .iter()
        .map(|other| alternative(other, policy))
        .collect();
    let steps: Vec<_> = assembly.trail.steps.iter().map(|one| step(one, policy)).collect();
    let texts = |items: Vec<String>| json!(items);
    json!({
        "names": names(leaf),
        "status": assembly.status.as_str(),
        "policy": policy.to_string(),
        "holds_until": assembly.until.map(rfc3339),
        "chain": chain(&assembly.chain),
        "wanted": assembly.wanted.as_ref().map(|wanted| json!({
            "issuer_of": wanted.issuer_of.fingerprint().to_string(),
            "subject": wanted.subject.to_string(),
            "key_id": wanted.key_id.as_deref().map(hexadecimal),
            "published_at": wanted.ca_issuers,
        })),
        "flaws": texts(assembly.flaws.iter().map(ToString::to_string).collect()),
        "warnings": texts(assembly.warnings.iter().map(ToString::to_string).collect()),
        "to_other_anchors": assembly.to_other_anchors.iter().map(chain).collect::<Vec<_>>(),
        "alternatives": alternatives,
        "trail": steps,
        "unlisted": assembly.trail.unlisted,
        "budget_exhausted": assembly.trail.budget_exhausted,
    })
}

/// A chain that was not chosen, and why.
fn alternative(alternative: &Alternative, policy: Policy) -> Value {
    let mut value = chain(&alternative.chain);
    value["criterion"] = json!(alternative.criterion.as_str());
    value["reason"] = json!(alternative.criterion.reason(policy));
    value
}

fn chain(chain: &Chain) -> Value {
    let (end, top) = match &chain.end {
        End::Anchor(anchor) => ("anchor", Some(anchor)),
        End::Cycle => ("cycle", None),
        End::Leaf => ("leaf", None),
        End::Open => ("open", None),
        End::SelfSigned(root) => ("self-signed", Some(root)),
    };
    json!({
        "sent": chain.certificates.iter().map(|sent| certificate(sent)).collect::<Vec<_>>(),
        "bytes": chain.size(),
        "end": end,
        "root": top.map(|top| certificate(top)),
    })
}

/// The DNS names and IP addresses of a leaf.
pub fn names(leaf: &Certificate) -> Vec<String> {
    let addresses = leaf.ip_addresses().map(|address| address.to_string());
    leaf.dns_names().map(str::to_owned).chain(addresses).collect()
}

/// What a leaf is called in a sentence: its first name.
pub(super) fn name(leaf: &Certificate) -> String {
    names(leaf)
        .into_iter()
        .next()
        .unwrap_or_else(|| common_name(leaf.subject()))
}

/// What people call somebody of this name.
pub(super) fn common_name(name: &Name) -> String {
    let brief = name.brief();
    brief.strip_prefix("CN=").map(str::to_owned).unwrap_or(brief)
}

/// A certificate: what tells it from others, and how long it is valid.
pub fn certificate(certificate: &Certificate) -> Value {
    json!({
        "subject": certificate.subject().to_string(),
        "issuer": certificate.issuer().to_string(),
        "serial": certificate.serial_text(),
        "sha256": certificate.fingerprint().to_string(),
        "not_before": rfc3339(certificate.not_before()),
        "not_after": rfc3339(certificate.not_after()),
        "key": certificate.key_algorithm().to_string(),
    })
}

fn step(step: &Step, policy: Policy) -> Value {
    let (verdict, reasons) = match &step.verdict {
        Verdict::Chosen => ("chosen", Vec::new()),
        Verdict::NotCompared => ("passed over", vec!["too many ways to compare".to_owned()]),
        Verdict::Passed(criterion) => ("passed over", vec![criterion.reason(policy)]),
        Verdict::Refused(refusals) => ("refused", refusals.iter().map(ToString::to_string).collect()),
    };
    json!({
        "issuer_of": step.child.fingerprint().to_string(),
        "candidate": step.candidate.subject().to_string(),
        "sha256": step.candidate.fingerprint().to_string(),
        "anchor": step.is_anchor,
        "verdict": verdict,
        "reasons": reasons,
    })
}
