//! Certificates and chains as JSON: what `/certificates` shows and `chain --format json` prints.

use serde_json::{Value, json};

use crate::chain::{Assembly, Certificate, Chain, End, Step, Verdict, rfc3339};
use crate::reload::Generation;

/// Everything that is served, as `/certificates` shows it.
pub fn certificates(generation: &Generation) -> Value {
    let served = generation.served.iter().map(|served| {
        let mut value = assembly(&served.assembly);
        value["file"] = json!(served.source.certificate);
        value["served_since"] = json!(rfc3339(served.since));
        value["staple"] = json!(served.stapled.staple.as_ref().map(|staple| json!({
            "this_update": rfc3339(staple.this_update()),
            "good_until": rfc3339(staple.good_until()),
        })));
        value["staple_problem"] = json!(served.stapled.problem);
        value["kept_because"] = json!(served.kept_because);
        value
    });
    json!({
        "read_at": rfc3339(generation.read_at),
        "certificates": served.collect::<Vec<_>>(),
        "problems": generation.problems,
    })
}

/// A chain with its status, its trail and what is wrong with it.
pub fn assembly(assembly: &Assembly) -> Value {
    let leaf = assembly.chain.leaf();
    let texts = |items: Vec<String>| json!(items);
    json!({
        "names": leaf.dns_names().map(str::to_owned).chain(leaf.ip_addresses().map(|ip| ip.to_string())).collect::<Vec<_>>(),
        "status": assembly.status.as_str(),
        "chain": chain(&assembly.chain),
        "wanted": assembly.wanted.as_ref().map(|wanted| json!({
            "issuer_of": wanted.issuer_of.fingerprint().to_string(),
            "subject": wanted.subject.to_string(),
            "key_id": wanted.key_id.as_deref().map(hexadecimal),
            "published_at": wanted.ca_issuers,
        })),
        "flaws": texts(assembly.flaws.iter().map(ToString::to_string).collect()),
        "warnings": texts(assembly.warnings.iter().map(ToString::to_string).collect()),
        "alternatives": assembly.alternatives.iter().map(chain).collect::<Vec<_>>(),
        "trail": assembly.trail.steps.iter().map(step).collect::<Vec<_>>(),
    })
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

fn certificate(certificate: &Certificate) -> Value {
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

fn step(step: &Step) -> Value {
    let (verdict, reasons) = match &step.verdict {
        Verdict::Chosen => ("chosen", Vec::new()),
        Verdict::NotCompared => ("passed over", vec!["too many ways to compare".to_owned()]),
        Verdict::Passed(criterion) => ("passed over", vec![criterion.to_string()]),
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

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
