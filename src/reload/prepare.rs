//! Phase one of a reload: everything that may fail. Its result is published by one store, or not at all.

use std::collections::VecDeque;
use std::sync::Arc;

use rustls::pki_types::UnixTime;

use super::departures::Departures;
use super::guard::what_is_worse;
use super::judge::{Decided, Judge};
use super::naming::vanished;
use super::reason::reason;
use super::served::Served;
use super::serving::{cannot_be_served, is_enough, lack, serve, with_chains};
use super::survey::Survey;
use super::surveyor::Surveyor;
use super::{Error, Settings};
use crate::certs::{BundleSettings, Listing};
use crate::chain::Certificate;

/// What will be served, and what there is to say about it.
pub(super) struct Prepared {
    pub(super) served: Vec<Arc<Served>>,
    pub(super) events: Vec<Event>,
    /// Certificates that are new in the configuration and cannot be served; one sentence each.
    pub(super) refused: Vec<String>,
    /// Why a start with the same configuration would fail: those of them that are configured one by one, and directories
    /// that cannot be read.
    pub(super) faults: Vec<String>,
    /// From this instant on, time alone may change the answer: a certificate becomes valid, or ends.
    pub(super) until: Option<UnixTime>,
}

/// What became of one configured certificate; the number is its place in [`Prepared::served`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Served for the first time.
    Added(usize),
    /// Another chain than before, and why.
    Replaced { place: usize, because: String },
    /// The same chain is worth more or less than before, and why.
    Judged { place: usize, because: String },
    /// The same as before though the disk says otherwise.
    Kept(usize),
    /// The same as before with another staple from its file, or one less.
    Stapled(usize),
    /// With the same staple as before, though its file is of no use by now.
    StapleKept(usize),
    /// The same as before, and the disk says so again.
    Restored(usize),
    /// No longer configured, or no longer in its directory.
    Removed {
        leaf: Arc<Certificate>,
        source: Arc<BundleSettings>,
    },
}

/// The first load: there is nothing to fall back to, so whatever cannot be loaded is an error. What lies in a
/// certificate directory is refused by itself instead: it must not take the other hosts down.
///
/// # Errors
///
/// [`Error`], naming every certificate and every directory that is at fault.
pub(super) fn first(survey: Survey, settings: &Settings, at: UnixTime) -> Result<Prepared, Error> {
    let wants_anchor = survey.wants_anchor;
    let (mut prospects, mut errors, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for (_, listing) in survey.directories {
        if let Listing::Unreadable(error) = listing {
            errors.push(error.into());
        }
    }
    for (source, prospect) in survey.prospects {
        match prospect {
            Ok(prospect) => prospects.push((source, prospect)),
            Err(error) if source.directory().is_some() => refused.push(cannot_be_served(&source, &error)),
            Err(error) => errors.push(error),
        }
    }
    if !errors.is_empty() {
        return Err(Error::Certificates(errors));
    }
    // What is refused now may be served from an instant on: a clock may be wrong at first.
    let boundaries = prospects.iter().filter_map(|(_, prospect)| prospect.assembly.until);
    let until = boundaries.min_by_key(UnixTime::as_secs);
    let mut lacking = Vec::new();
    prospects.retain(|(source, prospect)| {
        let is_enough = is_enough(prospect, settings, wants_anchor);
        match source.directory() {
            _ if is_enough => {}
            Some(_) => refused.push(cannot_be_served(source, &lack(prospect))),
            None => lacking.push(format!("{}: {}", source.certificate.display(), lack(prospect))),
        }
        is_enough
    });
    if !lacking.is_empty() {
        return Err(Error::Strict(lacking));
    }
    let mut served = Vec::new();
    for (source, prospect) in prospects {
        match serve(Arc::clone(&source), prospect, at) {
            Ok(serving) => served.push(Arc::new(serving)),
            Err(error) if source.directory().is_some() => refused.push(cannot_be_served(&source, &error)),
            Err(error) => return Err(error.into()),
        }
    }
    let events = (0..served.len()).map(Event::Added).collect();
    let boundaries = served.iter().flat_map(|served| served.boundaries());
    Ok(Prepared {
        until: boundaries.chain(until).min_by_key(UnixTime::as_secs),
        served,
        events,
        refused,
        faults: Vec::new(),
    })
}

/// A later load: for each certificate the fresh state, or the one served with the reason.
///
/// What is no longer configured goes, unless something newly configured cannot be served: that may have been meant to
/// take its place, and a slip in a path must not cost a site its name. [`Departures`] says what holds for directories.
pub(super) fn again(
    survey: Survey,
    surveyor: &mut Surveyor,
    previous: &[Arc<Served>],
    settings: &Settings,
    force: bool,
    at: UnixTime,
) -> Prepared {
    let on_disk = survey
        .prospects
        .iter()
        .filter_map(|(_, prospect)| prospect.as_ref().ok());
    let mut boundaries: Vec<UnixTime> = on_disk.filter_map(|prospect| prospect.assembly.until).collect();
    let gone = vanished(&survey, previous);
    let (directories, gaps) = (survey.directories.clone(), survey.gaps.clone());
    let judge = Judge {
        surveyor,
        settings,
        force,
        wants_anchor: survey.wants_anchor,
        at,
    };
    let decided = judge.decide(survey, previous);
    let departures = Departures {
        directories: &directories,
        gaps: &gaps,
        refused: decided.iter().filter_map(Decided::refused).collect(),
        allow_worse: force || settings.allow_worse,
    };
    let (mut removed, mut kept) = (Vec::new(), VecDeque::new());
    for (place, served) in gone {
        match departures.why_kept(served) {
            Some(reason) => kept.push_back((place, served, reason)),
            None => removed.push(Event::Removed {
                leaf: Arc::clone(served.assembly.chain.leaf()),
                source: Arc::clone(&served.source),
            }),
        }
    }
    let unreadable = directories.iter().filter_map(|(_, listing)| match listing {
        Listing::Unreadable(error) => Some(error.to_string()),
        Listing::Read | Listing::Empty => None,
    });
    let configured = departures
        .refused
        .iter()
        .filter(|(source, _)| source.directory().is_none());
    let faults = configured
        .map(|(_, sentence)| sentence.clone())
        .chain(unreadable)
        .collect();
    let mut prepared = Prepared {
        faults,
        served: Vec::with_capacity(decided.len()),
        events: removed,
        refused: departures.refused.into_iter().map(|(_, sentence)| sentence).collect(),
        until: None,
    };
    for Decided { fresh, before, .. } in decided {
        // Each keeps its place: the first of all is what a client gets that names no host.
        while kept.front().is_some_and(|(place, ..)| *place <= prepared.served.len())
            && let Some((_, served, reason)) = kept.pop_front()
        {
            prepared.keep(served, reason, surveyor, at);
        }
        prepared.add(fresh, before, surveyor, at);
    }
    for (_, served, reason) in kept {
        prepared.keep(served, reason, surveyor, at);
    }
    boundaries.extend(prepared.until);
    boundaries.extend(prepared.served.iter().flat_map(|served| served.boundaries()));
    let later = boundaries
        .into_iter()
        .filter(|boundary| boundary.as_secs() > at.as_secs());
    prepared.until = later.min_by_key(UnixTime::as_secs);
    prepared
}

impl Prepared {
    fn add(
        &mut self,
        fresh: Result<Arc<Served>, String>,
        before: Option<&Arc<Served>>,
        surveyor: &mut Surveyor,
        at: UnixTime,
    ) {
        let place = self.served.len();
        match (fresh, before) {
            (Ok(fresh), Some(before)) if Arc::ptr_eq(&fresh, before) => {
                if fresh.stapled.is_kept() {
                    self.events.push(Event::StapleKept(place));
                }
                self.served.push(fresh);
            }
            (Ok(fresh), Some(before)) => {
                self.note_change(place, before, &fresh, at);
                if before.kept_because.is_some() && fresh.identity.chain() == before.identity.chain() {
                    self.events.push(Event::Restored(place));
                }
                if fresh.stapled.is_kept() {
                    self.events.push(Event::StapleKept(place));
                } else if fresh.source.staple.is_some() && before.stapled != fresh.stapled {
                    self.events.push(Event::Stapled(place));
                }
                self.served.push(fresh);
            }
            (Ok(fresh), None) => {
                self.events.push(Event::Added(place));
                self.served.push(fresh);
            }
            (Err(reason), Some(before)) => self.keep(before, reason, surveyor, at),
            // It is among `refused`.
            (Err(_), None) => {}
        }
    }

    fn note_change(&mut self, place: usize, before: &Served, fresh: &Served, at: UnixTime) {
        let because = || reason(&before.assembly, &fresh.assembly, at);
        if fresh.identity.chain() != before.identity.chain() {
            let because = because();
            self.events.push(Event::Replaced { place, because });
        } else if fresh.assembly.status != before.assembly.status {
            let because = because();
            self.events.push(Event::Judged { place, because });
        }
    }

    /// Keeps what is `served`, with the best chains there are for it by now.
    fn keep(&mut self, served: &Arc<Served>, reason: String, surveyor: &mut Surveyor, at: UnixTime) {
        let place = self.served.len();
        let mut kept = Served::clone(served);
        kept.forget_unsound_chains(surveyor.disallowed(), at);
        if !surveyor.disallowed().contains(&served.bundle.leaf) {
            let prospect = surveyor.prospect(&served.source, &served.bundle, at);
            self.until = earlier(self.until, prospect.assembly.until);
            let prospect = prospect.with_staple_of(&served.source, served, at);
            let is_no_worse = what_is_worse(&served.assembly, &prospect.assembly, surveyor.disallowed(), at).is_empty();
            if is_no_worse && let Ok(refreshed) = with_chains(served, Arc::clone(&served.source), &prospect, at) {
                self.note_change(place, served, &refreshed, at);
                kept = refreshed;
            }
        }
        kept.take_off_what_has_ended(at);
        self.events.push(Event::Kept(place));
        kept.kept_because = Some(reason);
        self.served.push(Arc::new(kept));
    }
}

fn earlier(one: Option<UnixTime>, other: Option<UnixTime>) -> Option<UnixTime> {
    one.into_iter().chain(other).min_by_key(UnixTime::as_secs)
}
