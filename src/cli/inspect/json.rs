//! What was found, for programs. `docs/JSON.md` names every field; a test holds the two together.

use serde_json::{Value, json};

use super::Inspection;
use super::look::Shown;
use super::text::name_text;
use crate::admin;
use crate::chain::{Finding, Purpose, Review, Severity, rfc3339};
use crate::cli::{aia, with_causes};
use crate::tls::{KeyKind, Offer, Presented};

pub(super) fn json(inspection: &Inspection<'_>) -> Value {
    let failed = inspection.look.failed.iter();
    let fetched = inspection.fetched;
    json!({
        "version": admin::JSON_VERSION,
        "target": inspection.arguments.target.to_string(),
        "address": inspection.look.address.to_string(),
        "name": name_text(inspection.name),
        "at": rfc3339(inspection.at),
        "well": inspection.is_well(),
        "not_spoken": failed.map(|(version, error)| json!({
            "version": version.as_str(),
            "reason": with_causes(error),
        })).collect::<Vec<_>>(),
        "fetched": fetched.found.iter().map(aia::json).collect::<Vec<_>>(),
        "not_fetched": fetched.failures.iter().map(aia::failure_json).collect::<Vec<_>>(),
        "chains": inspection.each().map(|(shown, review)| chain(inspection, shown, review)).collect::<Vec<_>>(),
    })
}

fn chain(inspection: &Inspection<'_>, shown: &Shown, review: &Review) -> Value {
    let add = review.add().map(|certificate| {
        let mut value = admin::certificate(certificate);
        value["from"] = json!(inspection.origin(certificate));
        value
    });
    let sent = review.sent.iter().map(|sent| {
        let mut value = admin::certificate(&sent.certificate);
        value["position"] = json!(sent.position);
        value["purpose"] = json!(purpose(sent.purpose));
        value
    });
    json!({
        "complete": review.severity() != Some(Severity::Error),
        "findings": review.findings.iter().map(finding).collect::<Vec<_>>(),
        "add": add.collect::<Vec<_>>(),
        "remove": review.remove().map(|sent| json!({
            "position": sent.position,
            "sha256": sent.certificate.fingerprint().to_string(),
        })).collect::<Vec<_>>(),
        "handshakes": shown.handshakes.iter().map(|(offer, seen)| handshake(*offer, seen)).collect::<Vec<_>>(),
        "sent": sent.collect::<Vec<_>>(),
        "bytes": review.size,
        "should_send": admin::assembly(&review.best),
    })
}

fn finding(finding: &Finding) -> Value {
    json!({
        "kind": finding.kind(),
        "severity": finding.severity().as_str(),
        "text": finding.to_string(),
        "sha256": finding.certificate().map(|certificate| certificate.fingerprint().to_string()),
    })
}

fn handshake(offer: Offer, seen: &Presented) -> Value {
    json!({
        "version": offer.version.as_str(),
        "key_accepted": match offer.key {
            None => "any",
            Some(KeyKind::Ecdsa) => "ecdsa",
            Some(KeyKind::Rsa) => "rsa",
        },
        "cipher_suite": seen.cipher_suite,
        "group": seen.group,
        "protocol": seen.protocol,
        "ocsp_stapled": seen.ocsp_response.is_some(),
    })
}

fn purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Chain => "chain",
        Purpose::Duplicate => "duplicate",
        Purpose::Expired => "expired",
        Purpose::OtherRoot => "other root",
        Purpose::Unplaced => "unplaced",
        Purpose::Root => "root",
        Purpose::Superfluous => "superfluous",
    }
}
