//! Which certificates of the chains served end soon, and when to say so.
//!
//! Every certificate of a chain is looked at, the anchor included: an intermediate or a root that nobody thought of
//! ends a site as surely as its leaf does.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::UnixTime;

use super::served::{LogName, Served};
use crate::chain::{Certificate, Chain, End, Sha256, in_words, rfc3339};

pub(super) const DAY: u64 = 86_400;
/// From this long before the end there are warnings: the renewal of a certificate for 90 days is due then, as ACME
/// clients do it.
const NOTICE: u64 = 30 * DAY;
/// But not earlier than in the last third of its life: otherwise a certificate for a week would always be warned about.
const LAST_PART: u64 = 3;
/// Lines at once; with thousands of certificates nobody reads more.
const MOST_LINES: usize = 50;
/// Names in one line.
const MOST_NAMES: usize = 5;

/// When each ending was last spoken of.
#[derive(Debug, Default)]
pub(super) struct Endings {
    told: HashMap<Sha256, UnixTime>,
}

/// A certificate that ends soon, or has ended.
#[derive(Debug)]
struct Ending<'a> {
    certificate: &'a Arc<Certificate>,
    role: &'static str,
    /// The chains it is in.
    chains: Vec<&'a Served>,
}

impl Endings {
    /// Logs what ends soon at the instant `at`, each once a day, and tells when there will be something to say next.
    pub(super) fn tell(&mut self, served: &[Arc<Served>], at: UnixTime) -> Option<UnixTime> {
        let (endings, next) = endings(served, at);
        self.told.retain(|fingerprint, _| endings.contains_key(fingerprint));
        let again = |told: &UnixTime| told.as_secs().saturating_add(DAY);
        let is_due = |ending: &&Ending<'_>| {
            let told = self.told.get(&ending.certificate.fingerprint());
            told.is_none_or(|told| again(told) <= at.as_secs())
        };
        let mut due: Vec<&Ending<'_>> = endings.values().filter(is_due).collect();
        due.sort_by_key(|ending| {
            (
                ending.certificate.not_after().as_secs(),
                ending.certificate.fingerprint(),
            )
        });
        due.iter().take(MOST_LINES).for_each(|ending| ending.log(at));
        if due.len() > MOST_LINES {
            tracing::warn!(
                more = due.len() - MOST_LINES,
                "further certificates end soon: see `fullchain check --within 30d`"
            );
        }
        self.told
            .extend(due.iter().map(|ending| (ending.certificate.fingerprint(), at)));
        let next_told = self.told.values().map(again).min();
        next.into_iter().chain(next_told).min().map(instant)
    }
}

impl Ending<'_> {
    fn log(&self, at: UnixTime) {
        let Self {
            certificate,
            role,
            chains,
        } = self;
        let mut names: Vec<_> = chains
            .iter()
            .take(MOST_NAMES)
            .map(|served| LogName(served.assembly.chain.leaf()).to_string())
            .collect();
        if chains.len() > MOST_NAMES {
            names.push(format!("{} more", chains.len() - MOST_NAMES));
        }
        let names = names.join(", ");
        let (serial, sha256) = (certificate.serial_text(), certificate.fingerprint());
        let not_after = rfc3339(certificate.not_after());
        match certificate.not_after().as_secs().checked_sub(at.as_secs()) {
            Some(left) => tracing::warn!(
                %names, %certificate, serial, %sha256, not_after,
                "the {role} expires in {}", in_words(Duration::from_secs(left))
            ),
            None => tracing::error!(%names, %certificate, serial, %sha256, not_after, "the {role} has expired"),
        }
    }
}

/// What ends soon or has ended, and the instant at which there will be more, in seconds.
fn endings(served: &[Arc<Served>], at: UnixTime) -> (HashMap<Sha256, Ending<'_>>, Option<u64>) {
    let mut endings = HashMap::<Sha256, Ending<'_>>::new();
    let mut next: Option<u64> = None;
    for served in served {
        for (role, certificate) in links(served) {
            let notice = notice_from(certificate);
            if notice > at.as_secs() {
                next = Some(next.map_or(notice, |next| next.min(notice)));
                continue;
            }
            let ending = endings.entry(certificate.fingerprint()).or_insert_with(|| Ending {
                certificate,
                role,
                chains: Vec::new(),
            });
            // It may be in several chains of one leaf.
            if !ending.chains.last().is_some_and(|last| std::ptr::eq(*last, &**served)) {
                ending.chains.push(served);
            }
        }
    }
    (endings, next)
}

/// Whether the end of `certificate` is near at the instant `at`, or past: 30 days before it, but in the last third of its life
/// at most.
pub fn is_near(certificate: &Certificate, at: UnixTime) -> bool {
    notice_from(certificate) <= at.as_secs()
}

/// The second from which the end of `certificate` is near.
pub(super) fn notice_from(certificate: &Certificate) -> u64 {
    let (begin, end) = (certificate.not_before().as_secs(), certificate.not_after().as_secs());
    end.saturating_sub(NOTICE.min(end.saturating_sub(begin) / LAST_PART))
}

/// Of every chain that some client may be sent.
fn links(served: &Served) -> impl Iterator<Item = (&'static str, &Arc<Certificate>)> {
    served.assembly.chains().flat_map(links_of)
}

fn links_of(chain: &Chain) -> impl Iterator<Item = (&'static str, &Arc<Certificate>)> {
    let anchor = match &chain.end {
        End::Anchor(root) | End::SelfSigned(root) => Some(("root", root)),
        End::Cycle | End::Leaf | End::Open => None,
    };
    let intermediates = chain
        .intermediates()
        .iter()
        .map(|certificate| ("intermediate", certificate));
    [("leaf", chain.leaf())].into_iter().chain(intermediates).chain(anchor)
}

fn instant(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}
