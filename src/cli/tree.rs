//! A chain as people read it: a tree from the leaf up to the root, what is sent and what is not, and what is wrong.

use std::fmt::{self, Write};

use rustls_pki_types::UnixTime;

use crate::chain::{Assembly, Certificate, Chain, End, rfc3339};

/// Draws `assembly` as of the instant `now`; with `trail`, every candidate too.
pub(super) fn tree(assembly: &Assembly, now: UnixTime, trail: bool) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = draw(&mut text, assembly, now, trail);
    text
}

fn draw(text: &mut String, assembly: &Assembly, now: UnixTime, trail: bool) -> fmt::Result {
    let chain = &assembly.chain;
    writeln!(text, "{}: {}", names(chain.leaf()), assembly.status)?;
    rungs(text, chain, now)?;
    let count = chain.certificates.len();
    let certificates = if count == 1 { "certificate" } else { "certificates" };
    writeln!(text, "  sent: {count} {certificates}, {} bytes", chain.size())?;
    for other in &assembly.to_other_anchors {
        if let End::Anchor(anchor) = &other.end {
            let (count, bytes) = (other.certificates.len(), other.size());
            writeln!(
                text,
                "  to clients that name {anchor}: {count} certificates, {bytes} bytes"
            )?;
        }
    }
    if let Some(wanted) = &assembly.wanted {
        writeln!(text, "  missing: the issuer of {}: {wanted}", wanted.issuer_of)?;
    }
    for flaw in &assembly.flaws {
        writeln!(text, "  error: {flaw}")?;
    }
    for warning in &assembly.warnings {
        writeln!(text, "  warning: {warning}")?;
    }
    if trail {
        writeln!(text, "\ntrail")?;
        for line in assembly.trail.to_string().lines() {
            writeln!(text, "  {line}")?;
        }
        if assembly.trail.steps.is_empty() {
            writeln!(text, "  no certificate of the wanted name was there to be weighed")?;
        }
        for (number, alternative) in assembly.alternatives.iter().enumerate() {
            writeln!(text, "\nnot chosen ({}), {} bytes", number + 1, alternative.size())?;
            rungs(text, alternative, now)?;
        }
    }
    Ok(())
}

/// One line for each certificate, each issuer indented below what it issued.
fn rungs(text: &mut String, chain: &Chain, now: UnixTime) -> fmt::Result {
    let mut depth = 0;
    for certificate in &chain.certificates {
        rung(text, depth, certificate, "", now)?;
        depth += 1;
    }
    match &chain.end {
        // An anchor that is sent, being an intermediate, has been drawn already.
        End::Anchor(root) if chain.certificates.contains(root) => Ok(()),
        End::Anchor(root) => rung(text, depth, root, " (root, not sent)", now),
        End::SelfSigned(root) => rung(text, depth, root, " (self-signed, no configured root, not sent)", now),
        End::Cycle => writeln!(text, "  {}issued in a circle: no root", branch(depth)),
        End::Open => writeln!(text, "  {}?", branch(depth)),
        End::Leaf => Ok(()),
    }
}

fn rung(text: &mut String, depth: usize, certificate: &Certificate, remark: &str, now: UnixTime) -> fmt::Result {
    writeln!(
        text,
        "  {}{certificate}  {}, until {} ({}){remark}",
        branch(depth),
        certificate.key_algorithm(),
        rfc3339(certificate.not_after()),
        left(certificate.not_after(), now),
    )
}

fn branch(depth: usize) -> String {
    match depth {
        0 => String::new(),
        depth => format!("{}└ ", "  ".repeat(depth - 1)),
    }
}

/// How much of a validity is left, in the unit that tells most.
fn left(until: UnixTime, now: UnixTime) -> String {
    const HOUR: u64 = 3_600;
    const DAY: u64 = 24 * HOUR;
    match until.as_secs().checked_sub(now.as_secs()) {
        None => "expired".to_owned(),
        Some(seconds) if seconds < 2 * DAY => format!("{} hours", seconds / HOUR),
        Some(seconds) => format!("{} days", seconds / DAY),
    }
}

fn names(leaf: &Certificate) -> String {
    let names: Vec<String> = leaf
        .dns_names()
        .map(|name| name.escape_default().to_string())
        .chain(leaf.ip_addresses().map(|address| address.to_string()))
        .collect();
    if names.is_empty() {
        leaf.subject().to_string()
    } else {
        names.join(", ")
    }
}
