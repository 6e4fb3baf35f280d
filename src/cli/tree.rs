//! A chain as people read it: the status, a tree from the leaf up to the root with every candidate that was not taken,
//! what else could be sent and what it costs, and last what is wrong and what to do about it.

use std::fmt::{self, Write};

use rustls_pki_types::UnixTime;

use super::moment::{date, left};
use crate::admin::{self, advice};
use crate::chain::{Alternative, Assembly, Certificate, Chain, End, Step, Verdict, hexadecimal};

/// Lines are broken beyond this, where there is a place to break them.
const WIDTH: usize = 100;
/// Labels are padded up to this, so that what follows them stands in a column.
const WIDEST_LABEL: usize = 64;
/// Candidates not taken that are listed for one certificate; JSON has them all.
const MOST_LISTED: usize = 10;
/// Names of one leaf that are listed.
const MOST_NAMES: usize = 3;

/// How a chain is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    /// The instant as of which it is.
    pub(super) now: UnixTime,
    /// Whether every candidate is drawn too.
    pub(super) trail: bool,
    /// What becomes of the chain, such as `sent`.
    pub(super) verb: &'a str,
    /// How an issuer that is missing might be had, beside what is always advised.
    pub(super) hint: Option<&'a str>,
}

/// Draws `assembly`.
pub(super) fn tree(assembly: &Assembly, view: View<'_>) -> String {
    format!("{}\n{}", headline(assembly), body(assembly, view))
}

/// Whom the chain is for, and what it is worth.
pub(super) fn headline(assembly: &Assembly) -> String {
    format!("{}: {}", names(assembly.chain.leaf()), assembly.status)
}

/// Everything below the headline.
pub(super) fn body(assembly: &Assembly, view: View<'_>) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = draw(&mut text, assembly, view);
    text
}

fn draw(text: &mut String, assembly: &Assembly, view: View<'_>) -> fmt::Result {
    let View { now, trail, verb, hint } = view;
    rungs(text, "  ", &assembly.chain, now, trail.then_some(assembly));
    writeln!(
        text,
        "  {verb}: {}",
        message(assembly.chain.certificates.len(), assembly.chain.size())
    )?;
    for alternative in &assembly.alternatives {
        not_chosen(text, assembly, alternative)?;
        if trail {
            rungs(text, "      ", &alternative.chain, now, None);
        }
    }
    for other in &assembly.to_other_anchors {
        if let End::Anchor(anchor) = &other.end {
            writeln!(text, "  to clients that name {}: {}", anchor.brief(), cost(other))?;
        }
    }
    if trail && assembly.trail.unlisted > 0 {
        let unlisted = assembly.trail.unlisted;
        writeln!(
            text,
            "  not listed: {unlisted} more of the same name with other key ids"
        )?;
    }
    if assembly.trail.budget_exhausted {
        writeln!(
            text,
            "  the search ended at its limit: too many certificates refer to one another"
        )?;
    }
    if let Some(wanted) = &assembly.wanted {
        let key_id = wanted.key_id.as_deref().map(hexadecimal);
        let key_id = key_id.map_or_else(String::new, |key_id| format!(", key id {key_id}"));
        let what = format!("  missing: the issuer of {}:", wanted.issuer_of.brief());
        text.push_str(&fitted(&what, &format!(" {}{key_id}", wanted.subject), "    "));
        to_do(text, Some(advice::on_missing(wanted, assembly.status, hint)))?;
    }
    for flaw in &assembly.flaws {
        writeln!(text, "  error: {flaw}")?;
        to_do(text, advice::on_flaw(flaw, assembly.chain.leaf()))?;
    }
    for warning in &assembly.warnings {
        writeln!(text, "  warning: {warning}")?;
        to_do(text, advice::on_warning(warning, &assembly.chain.end))?;
    }
    Ok(())
}

fn to_do(text: &mut String, advice: Option<String>) -> fmt::Result {
    advice.map_or(Ok(()), |advice| writeln!(text, "    to do: {advice}"))
}

/// A chain that was not chosen: what it would cost, where it ends, and why it was not.
fn not_chosen(text: &mut String, assembly: &Assembly, alternative: &Alternative) -> fmt::Result {
    let chain = &alternative.chain;
    let end = match &chain.end {
        End::Anchor(root) => format!(", to {}", root.brief()),
        End::SelfSigned(root) => format!(", to {}, no configured root", root.brief()),
        End::Cycle | End::Leaf | End::Open => String::new(),
    };
    let what = format!("  not chosen: {}{end}:", cost(chain));
    let reason = alternative.criterion.reason(assembly.policy);
    text.push_str(&fitted(&what, &format!(" {reason}"), "    "));
    Ok(())
}

fn cost(chain: &Chain) -> String {
    format!("{}, {} bytes", certificates(chain.certificates.len()), chain.size())
}

/// So many certificates in one message of so many bytes.
pub(super) fn message(count: usize, bytes: usize) -> String {
    format!(
        "{}, {bytes} bytes in the Certificate message of TLS 1.3",
        certificates(count)
    )
}

/// So many of them.
pub(super) fn certificates(count: usize) -> String {
    counted(count, "certificate")
}

/// `1 problem`, `2 problems`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// One line of the tree.
struct Rung {
    /// The branch that leads to it.
    branch: String,
    /// What it is.
    label: String,
    /// What is to be known of it; in a column if it is a certificate of the chain.
    remark: String,
    is_in_chain: bool,
    /// The branch that goes on below it, for a second line.
    below: String,
}

/// One rung for each certificate, each issuer indented below what it issued; where `of` is given, also one for each
/// candidate beside it.
fn rungs(text: &mut String, margin: &str, chain: &Chain, now: UnixTime, of: Option<&Assembly>) {
    let mut rungs = Vec::new();
    for (depth, certificate) in chain.certificates.iter().enumerate() {
        let is_anchor = depth > 0 && matches!(&chain.end, End::Anchor(anchor) if anchor == certificate);
        let remark = if is_anchor { " (root, sent)" } else { "" };
        rungs.push(certificate_rung(depth, certificate, remark, now));
        if let Some(assembly) = of {
            candidates(&mut rungs, depth + 1, certificate, assembly);
        }
    }
    let depth = chain.certificates.len();
    match &chain.end {
        // An anchor that is sent, being an intermediate, has been drawn already.
        End::Anchor(root) if chain.certificates.contains(root) => {}
        End::Anchor(root) => rungs.push(certificate_rung(depth, root, " (root, not sent)", now)),
        End::SelfSigned(root) => {
            let remark = " (self-signed, no configured root, not sent)";
            rungs.push(certificate_rung(depth, root, remark, now));
        }
        End::Cycle => rungs.push(rung(
            depth,
            "└ ",
            "issued in a circle: no root".to_owned(),
            String::new(),
        )),
        End::Open => {
            let issuer = chain
                .certificates
                .last()
                .map(|top| format!("? {}:", top.issuer().brief()));
            let missing = " in neither store nor roots".to_owned();
            rungs.push(rung(depth, "└ ", issuer.unwrap_or_default(), missing));
        }
        End::Leaf => {}
    }
    let width = |rung: &Rung| length(&rung.branch) + length(&rung.label);
    let columns = rungs.iter().filter(|rung| rung.is_in_chain).map(width);
    let column = columns.filter(|width| *width <= WIDEST_LABEL).max().unwrap_or(0);
    for rung in rungs {
        let padding = if rung.is_in_chain {
            " ".repeat(column.saturating_sub(width(&rung)) + 2)
        } else {
            String::new()
        };
        let first = format!("{margin}{}{}", rung.branch, rung.label);
        text.push_str(&fitted(
            &first,
            &format!("{padding}{}", rung.remark),
            &format!("{margin}{}", rung.below),
        ));
    }
}

fn rung(depth: usize, fork: &str, label: String, remark: String) -> Rung {
    let indent = "  ".repeat(depth.saturating_sub(1));
    let fork = if depth == 0 { "" } else { fork };
    let bar = if fork == "├ " { "│ " } else { "  " };
    Rung {
        branch: format!("{indent}{fork}"),
        label,
        remark,
        is_in_chain: false,
        below: format!("{indent}{bar}    "),
    }
}

fn certificate_rung(depth: usize, certificate: &Certificate, remark: &str, now: UnixTime) -> Rung {
    // The kind of key matters where it makes the handshake's signature.
    let key = match depth {
        0 => format!(", {}", certificate.key_algorithm()),
        _ => String::new(),
    };
    let label = format!("{}{key}", certificate.brief());
    Rung {
        is_in_chain: true,
        ..rung(depth, "└ ", label, format!("{}{remark}", validity(certificate, now)))
    }
}

/// The candidates beside the issuer of `child` that were not taken.
fn candidates(rungs: &mut Vec<Rung>, depth: usize, child: &Certificate, assembly: &Assembly) {
    let is_beside = |step: &&Step| *step.child == *child && step.verdict != Verdict::Chosen;
    let steps: Vec<_> = assembly.trail.steps.iter().filter(is_beside).collect();
    for step in steps.iter().take(MOST_LISTED) {
        let (word, reasons) = match &step.verdict {
            Verdict::Chosen => continue,
            Verdict::NotCompared => ("passed over", "too many ways to compare".to_owned()),
            Verdict::Passed(criterion) => ("passed over", criterion.reason(assembly.policy)),
            Verdict::Refused(refusals) => {
                let reasons: Vec<_> = refusals.iter().map(ToString::to_string).collect();
                ("refused", reasons.join("; "))
            }
        };
        let place = if step.is_anchor { "roots" } else { "store" };
        let label = format!("{word}: {} ({place}):", step.candidate.brief());
        rungs.push(rung(depth, "├ ", label, format!(" {reasons}")));
    }
    let more = steps.len().saturating_sub(MOST_LISTED);
    if more > 0 {
        let label = format!("and {more} more that were not taken (JSON lists them)");
        rungs.push(rung(depth, "├ ", label, String::new()));
    }
}

/// `first` and `rest` as one line, or as two where it would be too long.
fn fitted(first: &str, rest: &str, indent: &str) -> String {
    if rest.is_empty() || length(first) + length(rest) <= WIDTH {
        format!("{first}{rest}\n")
    } else {
        format!("{first}\n{indent}{}\n", rest.trim_start())
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

fn validity(certificate: &Certificate, now: UnixTime) -> String {
    let (from, until) = (certificate.not_before(), certificate.not_after());
    if now < from {
        return format!("not valid before {}", date(from));
    }
    if until < now {
        return format!("expired on {}", date(until));
    }
    format!("until {} ({})", date(until), left(until, now))
}

/// The names of a leaf, not all of them where there are many.
pub(super) fn names(leaf: &Certificate) -> String {
    let names = admin::names(leaf).into_iter();
    let names: Vec<String> = names.map(|name| name.escape_default().to_string()).collect();
    if names.is_empty() {
        return leaf.subject().to_string();
    }
    some_of(&names, MOST_NAMES)
}

/// `a, b, c and 97 more`.
pub(super) fn some_of(names: &[String], most: usize) -> String {
    let shown = names.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
