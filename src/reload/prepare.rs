//! Phase one of a reload: everything that may fail. Its result is published by one store, or not at all.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::UnixTime;

use super::guard::{lost_key_type, what_is_worse};
use super::served::Served;
use super::survey::{Prospect, Survey};
use super::{Error, Settings, Stapled, Unservable};
use crate::certs::BundleSettings;
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
    /// The same as before with another staple, or one less.
    Stapled(usize),
    /// The same as before, and the disk says so again.
    Restored(usize),
    /// No longer configured.
    Removed { leaf: Arc<Certificate>, file: PathBuf },
}

/// The first load: there is nothing to fall back to, so whatever cannot be loaded is an error.
///
/// # Errors
///
/// [`Error`], naming every certificate that is at fault.
pub(super) fn first(survey: Survey, settings: &Settings, at: UnixTime) -> Result<Prepared, Error> {
    let wants_anchor = survey.wants_anchor;
    let (mut prospects, mut errors) = (Vec::new(), Vec::new());
    for (source, prospect) in survey.prospects {
        match prospect {
            Ok(prospect) => prospects.push((source, prospect)),
            Err(error) => errors.push(error),
        }
    }
    if !errors.is_empty() {
        return Err(Error::Certificates(errors));
    }
    let lacking: Vec<_> = prospects
        .iter()
        .filter(|(_, prospect)| !is_enough(prospect, settings, wants_anchor))
        .map(|(source, prospect)| format!("{}: {}", source.certificate.display(), lack(prospect)))
        .collect();
    if !lacking.is_empty() {
        return Err(Error::Strict(lacking));
    }
    let mut served = Vec::new();
    for (source, prospect) in prospects {
        served.push(serve(source, prospect, at)?);
    }
    let events = (0..served.len()).map(Event::Added).collect();
    Ok(Prepared {
        until: next_boundary(served.iter().map(|served| (&served.assembly, &served.stapled)), at),
        served,
        events,
        refused: Vec::new(),
    })
}

/// A later load: for each certificate the fresh state, or the one served with the reason.
///
/// What is no longer configured goes, unless something newly configured cannot be served: that may have been meant to
/// take its place, and a slip in a path must not cost a site its name.
pub(super) fn again(survey: Survey, previous: &[Served], settings: &Settings, force: bool, at: UnixTime) -> Prepared {
    let boundary_on_disk = {
        let prospects = survey.prospects.iter();
        let sound = prospects.filter_map(|(_, prospect)| prospect.as_ref().ok());
        next_boundary(sound.map(|prospect| (&prospect.assembly, &prospect.stapled)), at)
    };
    let mut gone: VecDeque<_> = vanished(&survey, previous).collect();
    let decided = decide(survey, previous, settings, force, at);
    let refused: Vec<_> = decided.iter().filter_map(Decided::refused).collect();
    let mut prepared = Prepared {
        served: Vec::new(),
        events: Vec::new(),
        refused,
        until: None,
    };
    if prepared.refused.is_empty() {
        let gone = gone.drain(..).map(|(_, served)| Event::Removed {
            leaf: Arc::clone(served.assembly.chain.leaf()),
            file: served.source.certificate.clone(),
        });
        prepared.events.extend(gone);
    }
    for Decided {
        source: _,
        fresh,
        before,
    } in decided
    {
        // Each keeps its place: the first of all is what a client gets that names no host.
        while gone.front().is_some_and(|(place, _)| *place <= prepared.served.len()) {
            prepared.keep_vanished(gone.pop_front().map(|(_, served)| served), at);
        }
        prepared.add(fresh, before, at);
    }
    for (_, served) in gone {
        prepared.keep_vanished(Some(served), at);
    }
    let served = prepared.served.iter();
    let boundary = next_boundary(served.map(|served| (&served.assembly, &served.stapled)), at);
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
    fn refused(&self) -> Option<String> {
        match (&self.fresh, self.before) {
            (Err(reason), None) => {
                let file = self.source.certificate.display();
                Some(format!("{file} cannot be served: {reason}"))
            }
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
    fn add(&mut self, fresh: Result<Served, String>, before: Option<&Served>, at: UnixTime) {
        let place = self.served.len();
        match (fresh, before) {
            (Ok(fresh), Some(before)) if fresh.identity.chain() == before.identity.chain() => {
                if before.kept_because.is_some() {
                    self.events.push(Event::Restored(place));
                } else if before.stapled != fresh.stapled {
                    self.events.push(Event::Stapled(place));
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
            (Err(reason), Some(before)) => self.keep(before, reason, at),
            // It is among `refused`.
            (Err(_), None) => {}
        }
    }

    fn keep(&mut self, served: &Served, reason: String, at: UnixTime) {
        self.events.push(Event::Kept(self.served.len()));
        let stapled = served.stapled.at(at, &served.assembly.chain);
        let identity = match stapled == served.stapled {
            true => served.identity.clone(),
            false => served.identity.with_staple(stapled.der()),
        };
        self.served.push(Served {
            identity,
            stapled,
            kept_because: Some(reason),
            ..served.clone()
        });
    }

    fn keep_vanished(&mut self, served: Option<&Served>, at: UnixTime) {
        let Some(served) = served else { return };
        let file = served.source.certificate.display();
        let reason = format!("{file} is no longer configured, but {}", self.refused.join("; "));
        self.keep(served, reason, at);
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

/// The first instant after `at` at which a certificate of these chains becomes valid, or is so no more, or a staple is no
/// longer good.
fn next_boundary<'a>(chains: impl Iterator<Item = (&'a Assembly, &'a Stapled)>, at: UnixTime) -> Option<UnixTime> {
    let boundaries = |(assembly, stapled): (&'a Assembly, &'a Stapled)| {
        let certificates = assembly.chain.certificates.iter().flat_map(|certificate| {
            // The last second of validity is part of it (RFC 5280 section 4.1.2.5).
            [
                certificate.not_before().as_secs(),
                certificate.not_after().as_secs().saturating_add(1),
            ]
        });
        let staple = stapled.staple.iter().map(|staple| staple.good_until().as_secs());
        certificates.chain(staple)
    };
    chains
        .flat_map(boundaries)
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
    let Prospect {
        bundle,
        assembly,
        stapled,
    } = prospect;
    let names = super::guard::names(&bundle.leaf).into_iter().map(Into::into).collect();
    let mut identity = tls::Identity::new(assembly.chain.to_der(), bundle.key.der(), names)?;
    if let Some(staple) = stapled.der() {
        identity = identity.with_staple(Some(staple));
    }
    Ok(Served {
        source,
        assembly,
        identity,
        stapled,
        since: at,
        kept_because: None,
    })
}
