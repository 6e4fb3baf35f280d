//! How long a chain lasts, as a bar: the same scale for all, so that they compare.

use maud::{Markup, html};
use rustls::pki_types::UnixTime;

use super::super::certificates::common_name;
use super::super::diagnosis::{left, urgency};
use super::class;
use super::words::{date, time};
use crate::chain::{Chain, in_words};

/// What is as long as the bar, in days: the life of most certificates. What lasts longer fills it.
const DAYS: f64 = 90.0;
/// Whatever is left is seen.
const LEAST: f64 = 1.0;

/// The bar of `chain` at the instant `at`, and how long that is in words: up to the first end in the chain, and, lighter, to
/// that of the leaf.
pub(super) fn bar(chain: &Chain, at: UnixTime) -> Markup {
    let (leaf, first) = (chain.leaf(), chain.first_to_expire());
    let is_leaf = first == leaf;
    let has_ended = first.not_after().as_secs() < at.as_secs();
    let days = |certificate| {
        let days = left(certificate, at).as_secs_f64() / 86_400.0;
        format!("{:.1}", if days > 0.0 { days.clamp(LEAST, DAYS) } else { 0.0 })
    };
    let when = match has_ended {
        true => format!("ended on {}", date(first.not_after())),
        false => in_words(left(first, at)),
    };
    let label = match (has_ended, is_leaf) {
        (true, _) => format!("{} has {when}", common_name(first.subject())),
        (false, true) => format!("{when} left, until {}", date(first.not_after())),
        (false, false) => format!(
            "{when} left, until the intermediate {} ends on {}; the leaf has {}",
            common_name(first.subject()),
            date(first.not_after()),
            in_words(left(leaf, at)),
        ),
    };
    html! {
        div class={ "lasts " (class(urgency(first, at))) } {
            svg.bar role="img" aria-label=(label) viewBox={ "0 0 " (DAYS) " 6" } preserveAspectRatio="none" {
                @if !is_leaf { rect.leaf width=(days(leaf)) height="6" {} }
                rect.first width=(days(first)) height="6" {}
            }
            p.left {
                strong { (time(first.not_after(), &when)) }
                @if !is_leaf { " " small { "intermediate" } }
            }
        }
    }
}
