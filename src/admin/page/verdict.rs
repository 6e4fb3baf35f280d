//! The sentence at the top, and what is wrong that is about no certificate.

use maud::{Markup, html};

use super::super::diagnosis::{Severity, Trouble};
use super::super::status::Status;
use super::class;

/// The worst there is, in a sentence.
pub(super) fn verdict(status: &Status) -> Markup {
    let worst = status.diagnosis.worst().filter(|worst| *worst < Severity::Note);
    let word = match worst {
        Some(Severity::Error) => "Error",
        Some(_) => "Warning",
        None => "All well",
    };
    html! {
        section.verdict aria-labelledby="verdict" data-part="verdict" data-severity=(class(worst)) {
            p.word { (word) }
            h1 #verdict { (status.diagnosis.verdict(status)) }
            @if let Some(first) = status.diagnosis.first() { (details(first)) }
            @if let Some(reason) = status.not_ready.as_ref() {
                p { "Not ready: " (reason) }
            }
        }
    }
}

/// A list of what is wrong, with what to do about it.
pub(super) fn troubles<'a>(troubles: impl Iterator<Item = &'a Trouble>) -> Markup {
    html! {
        ul.troubles {
            @for trouble in troubles {
                li class=(class(Some(trouble.severity))) {
                    p { (trouble.text) "." }
                    (details(trouble))
                }
            }
        }
    }
}

/// Why it is so, and what to do about it.
fn details(trouble: &Trouble) -> Markup {
    html! {
        @if let Some(reason) = &trouble.reason { p.reason { (reason) } }
        @if let Some(remedy) = &trouble.remedy { p.remedy { span { "To do" } " " (remedy) } }
    }
}
