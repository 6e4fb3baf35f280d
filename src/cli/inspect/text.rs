//! What was found, for people: the verdict, what to do, what is sent, and the tree of what should be sent.

use std::fmt::{self, Write};

use rustls_pki_types::ServerName;

use super::Inspection;
use super::look::{Shown, label};
use crate::certs::Roots;
use crate::chain::{Certificate, End, Finding, Purpose, Review, Sent, Severity, rfc3339};
use crate::cli::tree::{View, message, tree};
use crate::cli::with_causes;

/// Everything.
pub(super) fn text(inspection: &Inspection<'_>) -> String {
    let mut text = verdict(inspection);
    // Writing to a String cannot fail.
    let _ = inspection
        .each()
        .try_for_each(|(shown, review)| write_section(&mut text, inspection, shown, review));
    text
}

/// One line for each thing there is to say, the worst first.
pub(super) fn verdict(inspection: &Inspection<'_>) -> String {
    let is_one = inspection.reviews.len() == 1;
    let mut lines: Vec<(Severity, String)> = Vec::new();
    for (shown, review) in inspection.each() {
        let to_whom = if is_one {
            String::new()
        } else {
            format!("{}: ", shown.label())
        };
        let findings = review.findings.iter();
        lines.extend(findings.map(|finding| (finding.severity(), format!("{to_whom}{finding}\n"))));
        if review.severity() != Some(Severity::Error) {
            // After what some clients refuse, before what none does.
            let complete = complete(inspection, review);
            lines.push((Severity::Warning, format!("{to_whom}complete: {complete}\n")));
        }
    }
    lines.sort_by_key(|(severity, _)| *severity);
    lines.into_iter().map(|(_, line)| line).collect()
}

/// What a chain without faults is good for.
fn complete(inspection: &Inspection<'_>, review: &Review) -> String {
    let name = name_text(inspection.name);
    match &review.alone.chain.end {
        End::Anchor(root) => format!("clients that trust {root} find a chain for {name}"),
        End::Leaf if inspection.arguments.roots == Roots::None => {
            "the certificate is self-signed, and no root was asked for".to_owned()
        }
        End::Leaf => format!("clients that trust the certificate itself need no other for {name}"),
        End::Cycle | End::Open | End::SelfSigned(_) => "nothing is missing, but for the root perhaps".to_owned(),
    }
}

fn write_section(text: &mut String, inspection: &Inspection<'_>, shown: &Shown, review: &Review) -> fmt::Result {
    write_advice(text, inspection, review)?;
    let address = inspection.look.address;
    let target = inspection.arguments.target.to_string();
    let at = if target == address.to_string() {
        target
    } else {
        format!("{target} ({address})")
    };
    writeln!(text, "\nsent by {at} over {}", shown.label())?;
    let names = review
        .sent
        .iter()
        .map(|sent| sent.certificate.to_string().chars().count());
    let width = names.max().unwrap_or_default();
    for sent in &review.sent {
        write_sent(text, sent, review, width)?;
    }
    writeln!(text, "  {}", message(shown.certificates.len(), review.size))?;
    write_handshakes(text, inspection, shown)?;
    let (heading, verb) = match (inspection.is_found(review), inspection.is_to_be_mended(review)) {
        (true, false) => ("what a client makes of it", "needed"),
        (true, true) => ("should be sent", "would be sent"),
        (false, _) => ("the best that can be made of it", "would be sent"),
    };
    let view = View {
        now: inspection.at,
        trail: false,
        verb,
        hint: inspection.hint(review.best.wanted.as_ref()),
    };
    write!(text, "\n{heading}\n{}", tree(&review.best, view))
}

/// What was agreed on in each handshake, and which failed.
fn write_handshakes(text: &mut String, inspection: &Inspection<'_>, shown: &Shown) -> fmt::Result {
    for (offer, seen) in &shown.handshakes {
        let stapled = seen.ocsp_response.as_ref().map(|_| "OCSP response stapled".to_owned());
        let agreed = [&seen.cipher_suite, &seen.group, &seen.protocol, &stapled];
        let agreed: Vec<&str> = agreed.into_iter().filter_map(|agreed| agreed.as_deref()).collect();
        writeln!(text, "  {}: {}", label(*offer), agreed.join(", "))?;
    }
    // Said once, where there are several lists.
    let is_first = inspection
        .look
        .shown
        .first()
        .is_some_and(|first| std::ptr::eq(first, shown));
    for (version, error) in inspection.look.failed.iter().filter(|_| is_first) {
        writeln!(text, "  {}: no handshake: {}", version.as_str(), with_causes(error))?;
    }
    Ok(())
}

/// What has to change, certificate by certificate.
fn write_advice(text: &mut String, inspection: &Inspection<'_>, review: &Review) -> fmt::Result {
    let mut advice = String::new();
    for finding in &review.findings {
        write_search(&mut advice, inspection, finding)?;
    }
    let length = advice.len();
    for certificate in review.add() {
        let from = inspection.origin(certificate);
        let from = from.map_or_else(String::new, |from| format!(" from {from}"));
        writeln!(advice, "  add {}{from}", in_full(certificate))?;
    }
    for sent in review.remove() {
        writeln!(advice, "  remove number {}, {}", sent.position, sent.certificate)?;
    }
    if review.findings.iter().any(Finding::is_order) {
        advice.push_str("  sort them as below\n");
    }
    let is_printed = inspection
        .to_print()
        .is_some_and(|printed| std::ptr::eq(printed, review));
    if advice.len() > length && inspection.is_found(review) && is_printed {
        advice.push_str("  all of that is done in what --format pem prints\n");
    }
    if !advice.is_empty() {
        write!(text, "\nto do\n{advice}")?;
    }
    Ok(())
}

/// What to look for where nobody here knows the issuer.
fn write_search(advice: &mut String, inspection: &Inspection<'_>, finding: &Finding) -> fmt::Result {
    let otherwise = |wanted| {
        let hint = inspection.hint(Some(wanted));
        hint.map_or_else(String::new, |hint| format!(", {hint}"))
    };
    match finding {
        Finding::Incomplete {
            wanted: Some(wanted), ..
        } => writeln!(
            advice,
            "  find {}, and name its file with --intermediates{}",
            wanted.subject,
            otherwise(wanted)
        ),
        Finding::Untrusted { root: Some(root), .. } => {
            writeln!(
                advice,
                "  name {} with --roots, if your clients trust it",
                root.subject()
            )
        }
        Finding::Untrusted {
            wanted: Some(wanted), ..
        } => {
            let subject = &wanted.subject;
            writeln!(
                advice,
                "  find {subject}, and name its file with --roots if it is a root, or else with --intermediates{}",
                otherwise(wanted)
            )
        }
        _ => Ok(()),
    }
}

/// Whoever looks for a certificate wants all of its fingerprint.
fn in_full(certificate: &Certificate) -> String {
    format!("{} (SHA-256 {})", certificate.subject(), certificate.fingerprint())
}

fn write_sent(text: &mut String, sent: &Sent, review: &Review, width: usize) -> fmt::Result {
    let certificate = &sent.certificate;
    write!(
        text,
        "  {} {:width$}  {}, until {}",
        sent.position,
        certificate.to_string(),
        certificate.key_algorithm(),
        rfc3339(certificate.not_after())
    )?;
    let mark = match sent.purpose {
        Purpose::Chain if !review.best.chain.certificates.contains(certificate) => Some("there is a better one"),
        Purpose::Chain => None,
        Purpose::Duplicate => Some("sent already"),
        Purpose::Expired => Some("expired and not needed"),
        Purpose::OtherRoot => {
            Some("leads to another root, for clients that lack the one below; --format pem leaves it out")
        }
        Purpose::Unplaced => Some("cannot be placed yet"),
        Purpose::Root => Some("a root, not needed"),
        Purpose::Superfluous => Some("no part of the chain"),
    };
    match mark {
        Some(mark) => writeln!(text, "  <- {mark}"),
        None => writeln!(text),
    }
}

pub(super) fn name_text(name: &ServerName<'_>) -> String {
    name.to_str().into_owned()
}
