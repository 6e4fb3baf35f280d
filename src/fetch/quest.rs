//! What to ask next for one leaf. Nothing here asks.

use std::collections::HashSet;
use std::sync::Arc;

use crate::chain::{Assembly, Certificate, End, Sha256, Wanted};

/// Certificates name one URL, two or, at Microsoft's CAs, an LDAP URL before those.
const MOST_URLS: usize = 4;
/// rustls and Firefox refuse more than six intermediates; two more may prove useless.
const MOST_CERTIFICATES: usize = 8;
/// Twice the deepest chain, a second URL for each certificate in it.
const MOST_QUESTIONS: usize = 2 * MOST_CERTIFICATES;

/// The search for what is missing above one leaf.
#[derive(Debug)]
pub(super) struct Quest {
    pub(super) leaf: Arc<Certificate>,
    asked: HashSet<Question>,
}

/// Ask this URL for the issuer of this certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) url: String,
    /// The fingerprint of the certificate.
    child: Sha256,
}

impl Quest {
    pub(super) fn new(leaf: &Arc<Certificate>) -> Self {
        Self {
            leaf: leaf.clone(),
            asked: HashSet::new(),
        }
    }

    /// What to ask next, now that `assembly` is the best there is, and for whose issuer; `None` where nothing is
    /// missing or every way has been tried. The same question is never returned twice and their number is bounded, so
    /// it ends.
    ///
    /// Without `has_anchors` nobody can tell whether an intermediate's unknown issuer is a root. Where the operator's
    /// files end, the chain is meant to end; but what was `fetched` is followed up to its root.
    pub(super) fn next<'a>(
        &mut self,
        assembly: &'a Assembly,
        has_anchors: bool,
        fetched: &HashSet<Sha256>,
    ) -> Option<(Question, &'a Wanted)> {
        let wanted = assembly.wanted.as_ref()?;
        let child = wanted.issuer_of.fingerprint();
        let may_be_the_end = assembly.chain.end == End::Open && !assembly.chain.intermediates().is_empty();
        if may_be_the_end && !has_anchors && !fetched.contains(&child) {
            return None;
        }
        let children: HashSet<_> = self.asked.iter().map(|question| question.child).collect();
        let is_deep = children.len() >= MOST_CERTIFICATES && !children.contains(&child);
        if is_deep || self.asked.len() >= MOST_QUESTIONS {
            return None;
        }
        let question = urls(&wanted.ca_issuers)
            .map(|url| Question {
                url: url.to_owned(),
                child,
            })
            .find(|question| !self.asked.contains(question))?;
        self.asked.insert(question.clone());
        Some((question, wanted))
    }
}

/// The URLs that are asked. Other schemes than http are passed over and do not use up the places; where there is
/// nothing else, one of them stands for all, so that it is said why nothing is asked.
pub(super) fn urls(published: &[String]) -> impl Iterator<Item = &str> {
    let is_http = |url: &&String| url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http:"));
    let other = published.first().filter(|_| !published.iter().any(|url| is_http(&url)));
    published
        .iter()
        .filter(is_http)
        .take(MOST_URLS)
        .chain(other)
        .map(String::as_str)
}
