//! Phase one of a reload: everything that may fail. Its result is published by one store, or not at all.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::UnixTime;

use super::akin::Akin;
use super::departures::Departures;
use super::guard::{Worse, is_of_other_type, key_type, names, what_is_worse};
use super::reason::reason;
use super::served::Served;
use super::survey::{Prospect, Survey};
use super::surveyor::Surveyor;
use super::{Error, Settings, Unservable};
use crate::certs::{BundleSettings, HostName, Listing};
use crate::chain::{Assembly, Certificate, Chain, Status};
use crate::tls;

/// What will be served, and what there is to say about it.
pub(super) struct Prepared {
    pub(super) served: Vec<Arc<Served>>,
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
        until: boundaries.min_by_key(UnixTime::as_secs),
        served,
        events,
        refused,
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
    let mut prepared = Prepared {
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

/// What is to become of one configured certificate.
struct Decided<'p> {
    source: Arc<BundleSettings>,
    /// What lies on disk, or why it is not served.
    fresh: Result<Arc<Served>, String>,
    /// What is served for it now.
    before: Option<&'p Arc<Served>>,
}

impl Decided<'_> {
    /// That it is new in the configuration and cannot be served. The others must not suffer.
    fn refused(&self) -> Option<(Arc<BundleSettings>, String)> {
        match (&self.fresh, self.before) {
            (Err(reason), None) => Some((Arc::clone(&self.source), cannot_be_served(&self.source, reason))),
            _ => None,
        }
    }
}

/// What decides between the disk and what is served.
struct Judge<'a> {
    surveyor: &'a Surveyor,
    settings: &'a Settings,
    force: bool,
    wants_anchor: bool,
    at: UnixTime,
}

impl Judge<'_> {
    fn decide<'p>(&self, survey: Survey, previous: &'p [Arc<Served>]) -> Vec<Decided<'p>> {
        let by_name = OnceCell::new();
        let by_name = || by_name.get_or_init(|| by_name_of(previous));
        let prospects = survey.prospects.into_iter().enumerate();
        let prospects: Vec<_> = prospects
            .map(|(place, (source, prospect))| {
                // Mostly everything is where it was, and there may be thousands.
                let same_place = previous
                    .get(place)
                    .filter(|served| Arc::ptr_eq(&served.source, &source));
                let before = same_place.or_else(|| by_name().get(&name(&source)).copied());
                let prospect = prospect.map(|prospect| match before {
                    Some(before) if !(self.force || self.settings.allow_worse) => {
                        prospect.with_staple_of(&source, before, self.at)
                    }
                    _ => prospect,
                });
                (source, prospect, before)
            })
            .collect();
        let by_host = OnceCell::new();
        let by_host = || by_host.get_or_init(|| by_host_of(previous));
        let leaves = OnceCell::new();
        let akin = || leaves.get_or_init(|| Akin::of(&prospects, previous));
        let decide = |(place, (source, prospect, before)): (usize, &Candidate<'p>)| Decided {
            source: Arc::clone(source),
            fresh: match (prospect, before) {
                (Ok(prospect), Some(before)) if self.stays(source, prospect, before) => Ok(Arc::clone(before)),
                // A new file for a host that another is served for must be no worse than that.
                (Ok(prospect), None) if source.host().is_some() => {
                    let key_type = key_type(prospect.bundle.leaf.key_algorithm());
                    let served = source.host().and_then(|host| by_host().get(&(host, key_type)));
                    self.judge(source, prospect, served.copied(), || None)
                }
                (Ok(prospect), before) => self.judge(source, prospect, *before, || {
                    let other_type =
                        before.is_some_and(|before| is_of_other_type(&before.bundle.leaf, &prospect.bundle.leaf));
                    other_type.then(|| akin().lost_key_type(place)).flatten()
                }),
                (Err(error), _) => Err(error.to_string()),
            },
            before: *before,
        };
        prospects.iter().enumerate().map(decide).collect()
    }

    /// Whether what lies on disk is what is served.
    fn stays(&self, source: &Arc<BundleSettings>, prospect: &Prospect, before: &Served) -> bool {
        before.source == *source
            && before.kept_because.is_none()
            && Arc::ptr_eq(&before.assembly, &prospect.assembly)
            && (source.staple.is_none() || before.stapled == prospect.stapled)
            && (self.force || is_enough(prospect, self.settings, self.wants_anchor))
    }

    fn judge(
        &self,
        source: &Arc<BundleSettings>,
        prospect: &Prospect,
        before: Option<&Arc<Served>>,
        lost_key_type: impl Fn() -> Option<Worse>,
    ) -> Result<Arc<Served>, String> {
        let worse: Vec<String> = match before {
            Some(before) if !(self.force || self.settings.allow_worse) => {
                let disallowed = self.surveyor.disallowed();
                let mut worse = what_is_worse(&before.assembly, &prospect.assembly, disallowed, self.at);
                worse.extend(lost_key_type());
                worse.iter().map(ToString::to_string).collect()
            }
            _ => Vec::new(),
        };
        if !worse.is_empty() {
            let (leaf, worse) = (&prospect.bundle.leaf, worse.join("; "));
            let shortcomings = shortcomings(&prospect.assembly);
            return Err(format!("{leaf} on disk is worse: {worse}{shortcomings}"));
        }
        if !self.force && !is_enough(prospect, self.settings, self.wants_anchor) {
            return Err(lack(prospect));
        }
        let served = match before {
            Some(before) if before.bundle.leaf == prospect.bundle.leaf => {
                with_chains(before, Arc::clone(source), prospect, self.at)
            }
            _ => serve(Arc::clone(source), prospect.clone(), self.at),
        };
        served.map(Arc::new).map_err(|error| error.to_string())
    }
}

/// A configured certificate, what lies on disk for it, and what is served.
pub(super) type Candidate<'p> = (
    Arc<BundleSettings>,
    Result<Prospect, Unservable>,
    Option<&'p Arc<Served>>,
);

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

/// Why there is nothing to serve from `source`, with its file.
fn cannot_be_served(source: &BundleSettings, reason: &dyn Display) -> String {
    let (file, reason) = (source.certificate.display().to_string(), reason.to_string());
    match reason.starts_with(&file) {
        true => reason,
        false => format!("{file} cannot be served: {reason}"),
    }
}

/// What tells one configured certificate from another. In a directory the file with the certificate alone does: a key
/// may be put beside one that had it in the same file.
fn name(source: &BundleSettings) -> (&Path, Option<&Path>) {
    let key = source.key.as_deref().filter(|_| source.directory().is_none());
    (&source.certificate, key)
}

fn by_host_of<'p>(served: &'p [Arc<Served>]) -> HashMap<(&'p HostName, &'static str), &'p Arc<Served>> {
    let entry = |served: &'p Arc<Served>| {
        let key_type = key_type(served.bundle.leaf.key_algorithm());
        served.source.host().map(|host| ((host, key_type), served))
    };
    served.iter().filter_map(entry).collect()
}

fn by_name_of(served: &[Arc<Served>]) -> HashMap<(&Path, Option<&Path>), &Arc<Served>> {
    served.iter().map(|served| (name(&served.source), served)).collect()
}

/// What is served and no longer configured, with its place.
fn vanished<'p>(survey: &Survey, previous: &'p [Arc<Served>]) -> Vec<(usize, &'p Arc<Served>)> {
    let prospects = &survey.prospects;
    let stays = |(source, served): (&Arc<BundleSettings>, &Arc<Served>)| Arc::ptr_eq(source, &served.source);
    let sources = prospects.iter().map(|(source, _)| source);
    if prospects.len() == previous.len() && sources.zip(previous).all(stays) {
        return Vec::new();
    }
    let configured: HashSet<_> = prospects.iter().map(|(source, _)| name(source)).collect();
    let is_gone = |(_, served): &(usize, &Arc<Served>)| !configured.contains(&name(&served.source));
    previous.iter().enumerate().filter(is_gone).collect()
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

fn serve(source: Arc<BundleSettings>, prospect: Prospect, at: UnixTime) -> Result<Served, tls::Error> {
    let Prospect {
        bundle,
        assembly,
        stapled,
    } = prospect;
    let names = names(&bundle.leaf).into_iter().map(Into::into).collect();
    let others = assembly.to_other_anchors.iter().map(Chain::to_der).collect();
    let identity = tls::Identity::new(assembly.chain.to_der(), bundle.key.der(), names)?.with_other_chains(others)?;
    let identity = match source.host().filter(|host| host.is_covered_by(&bundle.leaf)) {
        Some(host) => identity.made_for(host.as_str()),
        None => identity,
    };
    let identity = match stapled.der() {
        Some(staple) => identity.with_staple(Some(staple)),
        None => identity,
    };
    Ok(Served {
        source,
        bundle,
        assembly,
        identity,
        stapled,
        since: at,
        kept_because: None,
    })
}

/// What is `served`, with the chains of `prospect`, which are for the same leaf.
fn with_chains(
    served: &Served,
    source: Arc<BundleSettings>,
    prospect: &Prospect,
    at: UnixTime,
) -> Result<Served, tls::Error> {
    let sent = |assembly: &Assembly| assembly.chains().map(Chain::to_der).collect::<Vec<_>>();
    let is_stapled_alike = source.staple.is_none() || prospect.stapled == served.stapled;
    if source == served.source && is_stapled_alike && sent(&prospect.assembly) == sent(&served.assembly) {
        return Ok(Served {
            assembly: Arc::clone(&prospect.assembly),
            kept_because: None,
            ..served.clone()
        });
    }
    let fresh = serve(source, prospect.clone(), at)?;
    let is_same = fresh.identity.chain() == served.identity.chain();
    Ok(Served {
        since: if is_same { served.since } else { at },
        ..fresh
    })
}
