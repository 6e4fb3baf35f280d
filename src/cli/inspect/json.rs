//! What was found, for programs. Fields may come to it, none goes.
//!
//! | Field                                   | What it is                                                                |
//! |-----------------------------------------|---------------------------------------------------------------------------|
//! | `well`                                  | whether the exit code is 0                                                |
//! | `target`, `address`, `name`, `at`       | what was asked for, who answered, the name and the time judged by         |
//! | `not_spoken[]`                          | `version` and `reason` for each version of TLS without a handshake        |
//! | `chains[]`                              | each different list of certificates that the server sends                 |
//! | `chains[].complete`                     | whether no finding is an error                                            |
//! | `chains[].findings[]`                   | `kind`, `severity` (`error`, `warning`, `note`), `text`, `sha256`         |
//! | `chains[].add[]`, `chains[].remove[]`   | what should be sent (`from` which file or URL) and is not; what should not be    |
//! | `chains[].handshakes[]`                 | to whom it is sent, and what was agreed on                                |
//! | `chains[].sent[]`                       | the certificates in their order, with `purpose`                           |
//! | `chains[].should_send`                  | the best chain, as `chain --format json` prints it                        |

use serde_json::{Value, json};

use super::Inspection;
use super::look::Shown;
use super::text::name_text;
use crate::admin;
use crate::chain::{Finding, Purpose, Review, Severity, rfc3339};
use crate::cli::with_causes;
use crate::tls::{KeyKind, Offer, Presented};

pub(super) fn json(inspection: &Inspection<'_>) -> Value {
    let failed = inspection.look.failed.iter();
    json!({
        "target": inspection.arguments.target.to_string(),
        "address": inspection.look.address.to_string(),
        "name": name_text(inspection.name),
        "at": rfc3339(inspection.at),
        "well": inspection.is_well(),
        "not_spoken": failed.map(|(version, error)| json!({
            "version": version.as_str(),
            "reason": with_causes(error),
        })).collect::<Vec<_>>(),
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
        Purpose::Root => "root",
        Purpose::Superfluous => "superfluous",
    }
}
