//! One chain as a tree, from the leaf to the root, and the trail that led to it.

use maud::{Markup, html};
use rustls::pki_types::UnixTime;

use super::super::certificates::common_name;
use super::super::diagnosis::{left, root, urgency};
use super::class;
use super::words::{date, time};
use crate::chain::{Assembly, Certificate, Chain, End, Status, Trail, Verdict, in_words};

/// What is sent, what is not, and what is missing.
pub(super) fn tree(assembly: &Assembly, at: UnixTime) -> Markup {
    html! {
        (branch(&assembly.chain, at, wanted(assembly)))
        @for other in &assembly.to_other_anchors {
            p.remark { "Sent instead to clients that trust another root:" }
            (branch(other, at, html! {}))
        }
    }
}

/// The links of `chain`; `beyond` stands behind the last.
fn branch(chain: &Chain, at: UnixTime, beyond: Markup) -> Markup {
    let role = |place: usize| if place == 0 { "Leaf" } else { "Intermediate" };
    let is_sent = |root: &Certificate| chain.certificates.iter().any(|sent| **sent == *root);
    html! {
        ol.chain {
            @for (place, certificate) in chain.certificates.iter().enumerate() {
                li.sent { (link(role(place), certificate, "sent", at)) }
            }
            @if let Some((root, is_trusted)) = root(&chain.end).filter(|(root, _)| !is_sent(root)) {
                @let tag = if is_trusted { "not sent: clients have it" } else { "not sent: not among the roots here" };
                li.unsent { (link("Root", root, tag, at)) }
            }
            @if chain.end == End::Cycle {
                li.missing { p { strong { "These CAs certify one another, and no root is among them" } } }
            }
            (beyond)
        }
    }
}

fn link(role: &str, certificate: &Certificate, tag: &str, at: UnixTime) -> Markup {
    let end = certificate.not_after();
    let when = match end.as_secs() < at.as_secs() {
        true => format!("ended on {}", date(end)),
        false => format!("ends on {}, in {}", date(end), in_words(left(certificate, at))),
    };
    html! {
        p { span.role { (role) } " " strong { (common_name(certificate.subject())) } " " span.tag { (tag) } }
        p.facts {
            (certificate.key_algorithm()) " \u{b7} "
            span class=(class(urgency(certificate, at))) { (time(end, &when)) }
        }
    }
}

/// The issuer that is looked for in vain.
fn wanted(assembly: &Assembly) -> Markup {
    let Some(wanted) = &assembly.wanted else {
        return html! {};
    };
    let is_grave = assembly.status != Status::Unanchored;
    html! {
        li.missing.grave[is_grave] {
            p {
                span.role { (if is_grave { "Missing" } else { "Unknown" }) } " "
                strong { (common_name(&wanted.subject)) } " "
                span.tag { (if is_grave { "not sent: it is not here" } else { "not here: perhaps a root" }) }
            }
            @if let Some(url) = wanted.ca_issuers.first() {
                p.facts { "published at " code { (url) } }
            }
        }
    }
}

/// Every candidate weighed, on a click.
pub(super) fn trail(trail: &Trail, key: &str) -> Markup {
    let count = trail.steps.len();
    html! {
        details.trail data-key={ "trail " (key) } {
            summary { "Why this chain: " (super::words::counted(count as u64, "candidate")) " weighed" }
            ol {
                @for step in &trail.steps {
                    li {
                        span class={ "verdict-word " (word(&step.verdict)) } { (word(&step.verdict)) } " "
                        strong { (step.candidate.brief()) }
                        @if step.is_anchor { " (root)" }
                        " as issuer of " (step.child.brief())
                        @if step.verdict != Verdict::Chosen { ": " (step.verdict) }
                    }
                }
            }
            @if count == 0 { p { "Nothing bears the name of its issuer." } }
            @if trail.unlisted > 0 { p { (trail.unlisted) " more of the same name have another key id." } }
            @if trail.budget_exhausted { p { "The search ended at its limit: there may be a better chain." } }
        }
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Chosen => "chosen",
        Verdict::NotCompared | Verdict::Passed(_) => "passed",
        Verdict::Refused(_) => "refused",
    }
}
