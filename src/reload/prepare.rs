//! Phase one of a reload: everything that may fail. Its result is published by one store, or not at all.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::UnixTime;

use super::guard::{lost_key_type, what_is_worse};
use super::served::Served;
use super::survey::{Prospect, Survey};
use super::{Error, Settings};
use crate::certs::BundleSettings;
use crate::chain::{Assembly, Certificate, Status};
use crate::tls;

/// What will be served, and what there is to say about it.
pub(super) struct Prepared {
    pub(super) served: Vec<Served>,
    pub(super) events: Vec<Event>,
    /// Certificates that are new in the configuration and cannot be served; one sentence each.
    pub(super) refused: Vec<String>,
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
    /// No longer configured.
    Removed { leaf: Arc<Certificate>, file: PathBuf },
}

/// The first load: there is nothing to fall back to, so whatever cannot be loaded is an error.
///
/// # Errors
///
/// [`Error`], naming every certificate that is at fault.
pub(super) fn first(survey: Survey, settings: &Settings, at: UnixTime) -> Result<Prepared, Error> {
    let has_anchors = survey.has_anchors;
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
        .filter(|(_, prospect)| !is_enough(prospect, settings, has_anchors))
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
        served,
        events,
        refused: Vec::new(),
    })
}

/// A later load: for each certificate the fresh state, or the one served with the reason.
pub(super) fn again(survey: Survey, previous: &[Served], settings: &Settings, force: bool, at: UnixTime) -> Prepared {
    let mut prepared = Prepared {
        served: Vec::new(),
        events: removed(&survey, previous),
        refused: Vec::new(),
    };
    let allow_worse = force || settings.allow_worse;
    for (source, prospect) in survey.prospects {
        let is_same = |served: &&Served| is_same(&served.source, &source);
        let before = previous.iter().find(is_same);
        let place = prepared.served.len();
        let others = || previous.iter().filter(|other| !is_same(other));
        let fresh = prospect.map_err(|error| error.to_string()).and_then(|prospect| {
            let worse = match before {
                Some(before) if !allow_worse => objections(before, others(), &prospect, at),
                _ => Vec::new(),
            };
            if !worse.is_empty() {
                let (leaf, worse) = (&prospect.bundle.leaf, worse.join("; "));
                let shortcomings = shortcomings(&prospect.assembly);
                return Err(format!("{leaf} on disk is worse: {worse}{shortcomings}"));
            }
            if !force && !is_enough(&prospect, settings, survey.has_anchors) {
                return Err(lack(&prospect));
            }
            serve(source.clone(), prospect, at).map_err(|error| error.to_string())
        });
        match (fresh, before) {
            (Ok(fresh), Some(before)) if fresh.identity.chain() == before.identity.chain() => {
                if before.kept_because.is_some() {
                    prepared.events.push(Event::Restored(place));
                }
                prepared.served.push(Served {
                    since: before.since,
                    ..fresh
                });
            }
            (Ok(fresh), before) => {
                prepared.events.push(if before.is_some() {
                    Event::Replaced(place)
                } else {
                    Event::Added(place)
                });
                prepared.served.push(fresh);
            }
            (Err(reason), Some(before)) => {
                prepared.events.push(Event::Kept(place));
                prepared.served.push(Served {
                    kept_because: Some(reason),
                    ..before.clone()
                });
            }
            // A certificate that is new in the configuration and cannot be loaded: the others must not suffer.
            (Err(reason), None) => {
                let file = source.certificate.display();
                prepared.refused.push(format!("{file} cannot be served: {reason}"));
            }
        }
    }
    prepared
}

fn is_same(one: &BundleSettings, other: &BundleSettings) -> bool {
    one.certificate == other.certificate && one.key == other.key
}

fn removed(survey: &Survey, previous: &[Served]) -> Vec<Event> {
    let is_configured = |served: &&Served| {
        let mut sources = survey.prospects.iter().map(|(source, _)| source);
        sources.any(|source| is_same(&served.source, source))
    };
    previous
        .iter()
        .filter(|served| !is_configured(served))
        .map(|served| Event::Removed {
            leaf: Arc::clone(served.assembly.chain.leaf()),
            file: served.source.certificate.clone(),
        })
        .collect()
}

fn objections<'p>(
    before: &Served,
    others: impl Iterator<Item = &'p Served>,
    prospect: &Prospect,
    at: UnixTime,
) -> Vec<String> {
    let mut worse = what_is_worse(&before.assembly, &prospect.assembly, at);
    let others = others.map(|other| &**other.assembly.chain.leaf());
    worse.extend(lost_key_type(
        before.assembly.chain.leaf(),
        &prospect.bundle.leaf,
        others,
    ));
    worse.iter().map(ToString::to_string).collect()
}

/// Whether `strict` lets the chain pass. Where there are no anchors at all, no chain can be more than unanchored.
fn is_enough(prospect: &Prospect, settings: &Settings, has_anchors: bool) -> bool {
    match prospect.assembly.status {
        _ if !settings.strict => true,
        Status::Complete => true,
        Status::Unanchored => !has_anchors,
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
    let identity = tls::Identity::new(assembly.chain.to_der(), bundle.key.der(), names)?;
    Ok(Served {
        source,
        assembly,
        identity,
        since: at,
        kept_because: None,
    })
}
