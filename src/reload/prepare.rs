//! Phase one of a reload: everything that may fail. Its result is published by one store, or not at all.

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::UnixTime;

use super::departures::Departures;
use super::guard::{lost_key_type, what_is_worse};
use super::served::Served;
use super::survey::{Prospect, Survey};
use super::{Error, Settings, Unservable};
use crate::certs::{BundleSettings, Listing};
use crate::chain::{Assembly, Certificate, Status};
use crate::tls;

/// What will be served, and what there is to say about it.
pub(super) struct Prepared {
    pub(super) served: Vec<Served>,
    pub(super) events: Vec<Event>,
    /// Certificates that are new in the configuration and cannot be served; one sentence each.
    pub(super) refused: Vec<String>,
    /// From this instant on, time alone may change the answer: a certificate becomes valid, or ends.
    pub(super) until: Option<UnixTime>,
}

/// What became of one configured certificate; the number is its place in [`Prepared::served`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Served for the first time.
    Added(usize),
    /// Another chain than before.
    Replaced(usize),
    /// The same as before though the disk says otherwise.
    Kept(usize),
    /// The same as before, and the disk says so again.
    Restored(usize),
    /// No longer configured, or no longer in its directory.
    Removed {
        leaf: Arc<Certificate>,
        source: BundleSettings,
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
        match serve(source.clone(), prospect, at) {
            Ok(serving) => served.push(serving),
            Err(error) if source.directory().is_some() => refused.push(cannot_be_served(&source, &error)),
            Err(error) => return Err(error.into()),
        }
    }
    let events = (0..served.len()).map(Event::Added).collect();
    Ok(Prepared {
        until: next_boundary(served.iter().map(|served| &served.assembly), at),
        served,
        events,
        refused,
    })
}

/// A later load: for each certificate the fresh state, or the one served with the reason.
///
/// What is no longer configured goes, unless something newly configured cannot be served: that may have been meant to
/// take its place, and a slip in a path must not cost a site its name. [`Departures`] says what holds for directories.
pub(super) fn again(survey: Survey, previous: &[Served], settings: &Settings, force: bool, at: UnixTime) -> Prepared {
    let boundary_on_disk = {
        let prospects = survey.prospects.iter();
        let sound = prospects.filter_map(|(_, prospect)| prospect.as_ref().ok());
        next_boundary(sound.map(|prospect| &prospect.assembly), at)
    };
    let gone: Vec<_> = vanished(&survey, previous).collect();
    let directories = survey.directories.clone();
    let decided = decide(survey, previous, settings, force, at);
    let departures = Departures {
        directories: &directories,
        refused: decided.iter().filter_map(Decided::refused).collect(),
        allow_worse: force || settings.allow_worse,
    };
    let (mut removed, mut kept) = (Vec::new(), VecDeque::new());
    for (place, served) in gone {
        match departures.why_kept(served) {
            Some(reason) => kept.push_back((place, served, reason)),
            None => removed.push(Event::Removed {
                leaf: Arc::clone(served.assembly.chain.leaf()),
                source: served.source.clone(),
            }),
        }
    }
    let mut prepared = Prepared {
        served: Vec::new(),
        events: removed,
        refused: departures.refused.into_iter().map(|(_, sentence)| sentence).collect(),
        until: None,
    };
    for Decided {
        source: _,
        fresh,
        before,
    } in decided
    {
        // Each keeps its place: the first of all is what a client gets that names no host.
        while kept.front().is_some_and(|(place, ..)| *place <= prepared.served.len())
            && let Some((_, served, reason)) = kept.pop_front()
        {
            prepared.keep(served, reason);
        }
        prepared.add(fresh, before);
    }
    for (_, served, reason) in kept {
        prepared.keep(served, reason);
    }
    let boundary = next_boundary(prepared.served.iter().map(|served| &served.assembly), at);
    prepared.until = [boundary, boundary_on_disk]
        .into_iter()
        .flatten()
        .min_by_key(UnixTime::as_secs);
    prepared
}

/// What is to become of one configured certificate.
struct Decided<'p> {
    source: BundleSettings,
    /// What lies on disk, or why it is not served.
    fresh: Result<Served, String>,
    /// What is served for it now.
    before: Option<&'p Served>,
}

impl Decided<'_> {
    /// That it is new in the configuration and cannot be served. The others must not suffer.
    fn refused(&self) -> Option<(BundleSettings, String)> {
        match (&self.fresh, self.before) {
            (Err(reason), None) => Some((self.source.clone(), cannot_be_served(&self.source, reason))),
            _ => None,
        }
    }
}

fn decide<'p>(
    survey: Survey,
    previous: &'p [Served],
    settings: &Settings,
    force: bool,
    at: UnixTime,
) -> Vec<Decided<'p>> {
    let allow_worse = force || settings.allow_worse;
    let next_leaves = next_leaves(&survey, previous);
    let decide = |(source, prospect): (BundleSettings, Result<Prospect, Unservable>)| {
        let before = served_for(&source, previous);
        let fresh = prospect.map_err(|error| error.to_string()).and_then(|prospect| {
            let worse = match before {
                Some(before) if !allow_worse => {
                    let others = previous.iter().filter(|other| !is_same(&other.source, &source));
                    let others_served = others.map(|other| &**other.assembly.chain.leaf());
                    let others = next_leaves.iter().filter(|(other, _)| !is_same(other, &source));
                    let others_next = others.map(|(_, leaf)| &**leaf);
                    let mut worse = what_is_worse(&before.assembly, &prospect.assembly, &survey.disallowed, at);
                    let (served, next) = (before.assembly.chain.leaf(), &prospect.bundle.leaf);
                    worse.extend(lost_key_type(served, next, others_served, others_next));
                    worse.iter().map(ToString::to_string).collect()
                }
                _ => Vec::new(),
            };
            if !worse.is_empty() {
                let (leaf, worse) = (&prospect.bundle.leaf, worse.join("; "));
                let shortcomings = shortcomings(&prospect.assembly);
                return Err(format!("{leaf} on disk is worse: {worse}{shortcomings}"));
            }
            if !force && !is_enough(&prospect, settings, survey.wants_anchor) {
                return Err(lack(&prospect));
            }
            serve(source.clone(), prospect, at).map_err(|error| error.to_string())
        });
        Decided { source, fresh, before }
    };
    survey.prospects.into_iter().map(decide).collect()
}

impl Prepared {
    fn add(&mut self, fresh: Result<Served, String>, before: Option<&Served>) {
        let place = self.served.len();
        match (fresh, before) {
            (Ok(fresh), Some(before)) if fresh.identity.chain() == before.identity.chain() => {
                if before.kept_because.is_some() {
                    self.events.push(Event::Restored(place));
                }
                self.served.push(Served {
                    since: before.since,
                    ..fresh
                });
            }
            (Ok(fresh), before) => {
                self.events.push(if before.is_some() {
                    Event::Replaced(place)
                } else {
                    Event::Added(place)
                });
                self.served.push(fresh);
            }
            (Err(reason), Some(before)) => self.keep(before, reason),
            // It is among `refused`.
            (Err(_), None) => {}
        }
    }

    fn keep(&mut self, served: &Served, reason: String) {
        self.events.push(Event::Kept(self.served.len()));
        self.served.push(Served {
            kept_because: Some(reason),
            ..served.clone()
        });
    }
}

/// Why there is nothing to serve from `source`, with its file.
fn cannot_be_served(source: &BundleSettings, reason: &dyn Display) -> String {
    let (file, reason) = (source.certificate.display().to_string(), reason.to_string());
    match reason.starts_with(&file) {
        true => reason,
        false => format!("{file} cannot be served: {reason}"),
    }
}

fn is_same(one: &BundleSettings, other: &BundleSettings) -> bool {
    one.certificate == other.certificate && one.key == other.key
}

fn served_for<'p>(source: &BundleSettings, previous: &'p [Served]) -> Option<&'p Served> {
    previous.iter().find(|served| is_same(&served.source, source))
}

/// What is served and no longer configured, with its place.
fn vanished<'p>(survey: &Survey, previous: &'p [Served]) -> impl Iterator<Item = (usize, &'p Served)> {
    let is_configured = |served: &Served| {
        let mut sources = survey.prospects.iter().map(|(source, _)| source);
        sources.any(|source| is_same(&served.source, source))
    };
    previous
        .iter()
        .enumerate()
        .filter(move |(_, served)| !is_configured(served))
}

/// The leaf on disk for each configured certificate; the one served where there is none.
fn next_leaves(survey: &Survey, previous: &[Served]) -> Vec<(BundleSettings, Arc<Certificate>)> {
    let leaf = |(source, prospect): &(BundleSettings, Result<Prospect, Unservable>)| {
        let leaf = match prospect {
            Ok(prospect) => &prospect.bundle.leaf,
            Err(_) => served_for(source, previous)?.assembly.chain.leaf(),
        };
        Some((source.clone(), Arc::clone(leaf)))
    };
    survey.prospects.iter().filter_map(leaf).collect()
}

/// The first instant after `at` at which a certificate of these chains becomes valid, or is so no more.
fn next_boundary<'a>(assemblies: impl Iterator<Item = &'a Assembly>, at: UnixTime) -> Option<UnixTime> {
    let certificates = assemblies.flat_map(|assembly| &assembly.chain.certificates);
    certificates
        // The last second of validity is part of it (RFC 5280 section 4.1.2.5).
        .flat_map(|certificate| {
            [
                certificate.not_before().as_secs(),
                certificate.not_after().as_secs().saturating_add(1),
            ]
        })
        .filter(|boundary| *boundary > at.as_secs())
        .min()
        .map(|seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
}

/// Whether `strict` lets the chain pass. Where no roots are wanted, no chain can be more than unanchored.
fn is_enough(prospect: &Prospect, settings: &Settings, wants_anchor: bool) -> bool {
    match prospect.assembly.status {
        _ if !settings.strict => true,
        Status::Complete => true,
        Status::Unanchored => !wants_anchor,
        _ => false,
    }
}

/// What the chain lacks, in a sentence.
fn lack(prospect: &Prospect) -> String {
    let assembly = &prospect.assembly;
    let shortcomings = shortcomings(assembly);
    format!(
        "the chain of {} is {}{shortcomings}",
        assembly.chain.leaf(),
        assembly.status
    )
}

/// What is wrong with the chain and which issuer it lacks, each after a semicolon.
fn shortcomings(assembly: &Assembly) -> String {
    let mut text = String::new();
    for flaw in &assembly.flaws {
        text.push_str(&format!("; {flaw}"));
    }
    if let Some(wanted) = &assembly.wanted {
        text.push_str(&format!("; wanted: {wanted}"));
    }
    text
}

fn serve(source: BundleSettings, prospect: Prospect, at: UnixTime) -> Result<Served, tls::Error> {
    let Prospect { bundle, assembly } = prospect;
    let names = super::guard::names(&bundle.leaf).into_iter().map(Into::into).collect();
    let mut identity = tls::Identity::new(assembly.chain.to_der(), bundle.key.der(), names)?;
    if let Some(host) = source.host().filter(|host| host.is_covered_by(&bundle.leaf)) {
        identity = identity.made_for(host.as_str());
    }
    Ok(Served {
        source,
        assembly,
        identity,
        since: at,
        kept_because: None,
    })
}
