//! The certificates: first those with something wrong, each with its cause and its remedy, then the others.

use maud::{Markup, html};

use super::super::certificates::{files, name, names};
use super::super::diagnosis::{Severity, Trouble, urgency};
use super::super::status::Status;
use super::bar::bar;
use super::chain::{trail, tree};
use super::class;
use super::query::Query;
use super::verdict::troubles;
use super::words::{counted, moment, time};
use crate::chain::{Certificate, Status as Worth};
use crate::reload::Served;

/// So many are shown of each; beyond that nobody reads, and the browser gets slow. Whoever looks for one asks by its name.
const MOST: usize = 200;
/// So many names of one certificate.
const MOST_NAMES: usize = 50;

/// What needs somebody: the certificates with something wrong, each with all of it, and what is about none; errors first.
pub(super) fn attention(status: &Status) -> Markup {
    let general = |severity| {
        let troubles = status.diagnosis.troubles.iter();
        let fitting = troubles.filter(move |trouble| trouble.certificate.is_none() && trouble.severity == severity);
        fitting.collect::<Vec<&Trouble>>()
    };
    let places = ailing(status);
    let of = |severity| {
        places
            .iter()
            .filter(move |place| status.diagnosis.severity(**place) == Some(severity))
    };
    let severities = [Severity::Error, Severity::Warning];
    let count = places.len()
        + severities
            .iter()
            .map(|severity| general(*severity).len())
            .sum::<usize>();
    html! {
        section #attention aria-labelledby="attention-title" data-part="attention" {
            @if count > 0 {
                h2 #attention-title { "Needs attention " span.count { (count) } }
                @for severity in severities {
                    @let troubles_of_none = general(severity);
                    @if !troubles_of_none.is_empty() {
                        article.card.{ (class(Some(severity))) } aria-label="Besides certificates" {
                            (troubles(troubles_of_none.into_iter().take(MOST)))
                        }
                    }
                    @for place in of(severity).take(MOST) {
                        @if let Some(served) = status.generation.served.get(*place) {
                            (card(status, *place, served))
                        }
                    }
                    @if of(severity).count() > MOST {
                        p.remark { (of(severity).count() - MOST) " more: look for one by its name below." }
                    }
                }
            }
        }
    }
}

/// The places of the certificates with something wrong, the worst first.
fn ailing(status: &Status) -> Vec<usize> {
    let bad = |trouble: &&Trouble| trouble.severity < Severity::Note;
    let mut places = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for trouble in status.diagnosis.troubles.iter().filter(bad) {
        places.extend(trouble.certificate.filter(|place| seen.insert(*place)));
    }
    places
}

/// A certificate with something wrong, everything about it in sight.
fn card(status: &Status, place: usize, served: &Served) -> Markup {
    let own = status
        .diagnosis
        .troubles
        .iter()
        .filter(|trouble| trouble.certificate == Some(place));
    let id = format!("card-{place}");
    html! {
        article.card.{ (class(status.diagnosis.severity(place))) } aria-labelledby=(id) {
            header {
                h3 id=(id) { (title(served.assembly.chain.leaf())) }
                (bar(&served.assembly.chain, status.at))
            }
            (troubles(own))
            (particulars(status, served, true))
        }
    }
}

/// Those that are well or fit the question, each a line that opens.
pub(super) fn all(status: &Status, query: &Query) -> Markup {
    let mut fitting: Vec<(usize, &Served)> = status
        .generation
        .served
        .iter()
        .enumerate()
        .map(|(place, served)| (place, &**served))
        .filter(|(_, served)| is_asked_for(served, query))
        .collect();
    let end = |served: &Served| served.assembly.chain.first_to_expire().not_after().as_secs();
    fitting.sort_by_key(|(place, served)| (status.diagnosis.severity(*place).unwrap_or(Severity::Note), end(served)));
    let total = status.generation.served.len();
    html! {
        section #certificates aria-labelledby="certificates-title" {
            div.heading {
                h2 #certificates-title { "Certificates" }
                form role="search" action="/" method="get" {
                    label.unseen for="q" { "Part of a name or a file" }
                    input #q name="q" type="search" value=(query.part) placeholder="Part of a name or a file"
                        autocomplete="off" spellcheck="false";
                    button type="submit" { "Show" }
                }
            }
            div data-part="certificates" {
                p.remark {
                    @if query.part.is_empty() { (counted(total as u64, "certificate")) }
                    @else { (fitting.len()) " of " (total) " with \u{201c}" (query.part) "\u{201d}; " a href="/" { "show all" } }
                    @if fitting.len() > MOST { ": the first " (MOST) " to end" }
                    "."
                }
                @for (place, served) in fitting.into_iter().take(MOST) { (line(status, place, served)) }
            }
        }
    }
}

/// The first name, and how many more.
fn title(leaf: &Certificate) -> Markup {
    let more = names(leaf).len().saturating_sub(1);
    html! { (name(leaf)) @if more > 0 { " " small { "+" (more) } } }
}

fn is_asked_for(served: &Served, query: &Query) -> bool {
    let leaf = served.assembly.chain.leaf();
    query.part.is_empty()
        || names(leaf).iter().any(|name| query.takes(name))
        || query.takes(&leaf.subject().to_string())
        || query.takes(&served.source.certificate.to_string_lossy())
}

fn line(status: &Status, place: usize, served: &Served) -> Markup {
    let severity = status.diagnosis.severity(place);
    let leaf = served.assembly.chain.leaf();
    let own = || {
        status
            .diagnosis
            .troubles
            .iter()
            .filter(|trouble| trouble.certificate == Some(place))
    };
    html! {
        details.certificate.{ (class(severity)) } data-key={ (place) " " (leaf.fingerprint()) } {
            summary {
                span.name { (title(leaf)) }
                span.state { (state(served, severity, status)) }
                (bar(&served.assembly.chain, status.at))
            }
            div.inside {
                @if severity.is_some() { (troubles(own())) }
                (particulars(status, served, false))
            }
        }
    }
}

/// How it is, in a word or two.
fn state(served: &Served, severity: Option<Severity>, status: &Status) -> &'static str {
    let worth = served.assembly.status;
    let first = served.assembly.chain.first_to_expire();
    match severity {
        _ if matches!(worth, Worth::Incomplete | Worth::Invalid) => worth.as_str(),
        Some(Severity::Error | Severity::Warning) if served.kept_because.is_some() => "renewal refused",
        Some(Severity::Error | Severity::Warning) if urgency(first, status.at).is_some() => "ends soon",
        Some(Severity::Error | Severity::Warning) => "look at it",
        Some(Severity::Note) | None => worth.as_str(),
    }
}

/// The chain, the trail, and where everything is from. In a card that is in sight the names need no list of their own.
fn particulars(status: &Status, served: &Served, is_card: bool) -> Markup {
    let leaf = served.assembly.chain.leaf();
    let names = names(leaf);
    let files = files(&served.source);
    html! {
        div.detail {
        div { (tree(&served.assembly, status.at)) }
        dl.particulars {
            @if !is_card || names.len() > 1 {
                dt { "Names" }
                dd {
                    (names.iter().take(MOST_NAMES).map(String::as_str).collect::<Vec<_>>().join(", "))
                    @if names.len() > MOST_NAMES { " and " (names.len() - MOST_NAMES) " more" }
                }
            }
            dt { (if files.len() == 1 { "File" } else { "Files" }) }
            dd { @for file in files { code { (file.display()) } " " } }
            dt { "Served" }
            dd { "since " (time(served.since, &moment(served.since))) }
            @if let Some(staple) = &served.stapled.staple {
                dt { "Staple" }
                dd { "good until " (moment(staple.good_until())) }
            }
            dt { "SHA-256" }
            dd { code { (leaf.fingerprint()) } }
        }
        }
        (trail(&served.assembly.trail, &format!("{is_card} {}", leaf.fingerprint())))
    }
}
