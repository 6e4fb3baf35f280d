//! What decides, for each configured certificate, between the disk and what is served.

use std::cell::OnceCell;
use std::sync::Arc;

use rustls::pki_types::UnixTime;

use super::akin::Akin;
use super::guard::{Worse, is_of_other_type, key_type, what_is_worse};
use super::naming::{by_host, by_name, name};
use super::served::Served;
use super::serving::{cannot_be_served, is_enough, lack, serve, shortcomings, with_chains};
use super::survey::{Prospect, Survey};
use super::surveyor::Surveyor;
use super::{Settings, Unservable};
use crate::certs::BundleSettings;

/// A configured certificate, what lies on disk for it, and what is served.
pub(super) type Candidate<'p> = (
    Arc<BundleSettings>,
    Result<Prospect, Unservable>,
    Option<&'p Arc<Served>>,
);

/// What is to become of one configured certificate.
pub(super) struct Decided<'p> {
    source: Arc<BundleSettings>,
    /// What lies on disk, or why it is not served.
    pub(super) fresh: Result<Arc<Served>, String>,
    /// What is served for it now.
    pub(super) before: Option<&'p Arc<Served>>,
}

impl Decided<'_> {
    /// That it is new in the configuration and cannot be served. The others must not suffer.
    pub(super) fn refused(&self) -> Option<(Arc<BundleSettings>, String)> {
        match (&self.fresh, self.before) {
            (Err(reason), None) => Some((Arc::clone(&self.source), cannot_be_served(&self.source, reason))),
            _ => None,
        }
    }
}

/// What decides between the disk and what is served.
pub(super) struct Judge<'a> {
    pub(super) surveyor: &'a Surveyor,
    pub(super) settings: &'a Settings,
    /// Let what is worse take the place of what is served.
    pub(super) force: bool,
    pub(super) wants_anchor: bool,
    pub(super) at: UnixTime,
}

impl Judge<'_> {
    /// What is to become of each certificate of `survey`, where `previous` is served.
    pub(super) fn decide<'p>(&self, survey: Survey, previous: &'p [Arc<Served>]) -> Vec<Decided<'p>> {
        let names = OnceCell::new();
        let named = || names.get_or_init(|| by_name(previous));
        let prospects = survey.prospects.into_iter().enumerate();
        let prospects: Vec<_> = prospects
            .map(|(place, (source, prospect))| {
                // Mostly everything is where it was, and there may be thousands.
                let same_place = previous
                    .get(place)
                    .filter(|served| Arc::ptr_eq(&served.source, &source));
                let before = same_place.or_else(|| named().get(&name(&source)).copied());
                let prospect = prospect.map(|prospect| match before {
                    Some(before) if !(self.force || self.settings.allow_worse) => {
                        prospect.with_staple_of(&source, before, self.at)
                    }
                    _ => prospect,
                });
                (source, prospect, before)
            })
            .collect();
        let hosts = OnceCell::new();
        let of_host = || hosts.get_or_init(|| by_host(previous));
        let leaves = OnceCell::new();
        let akin = || leaves.get_or_init(|| Akin::of(&prospects, previous));
        let decide = |(place, (source, prospect, before)): (usize, &Candidate<'p>)| Decided {
            source: Arc::clone(source),
            fresh: match (prospect, before) {
                (Ok(prospect), Some(before)) if self.stays(source, prospect, before) => Ok(Arc::clone(before)),
                // A new file for a host that another is served for must be no worse than that.
                (Ok(prospect), None) if source.host().is_some() => {
                    let key_type = key_type(prospect.bundle.leaf.key_algorithm());
                    let served = source.host().and_then(|host| of_host().get(&(host, key_type)));
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
