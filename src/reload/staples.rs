//! The staples that are fetched, put on what is served.

use std::sync::Arc;

use rustls::pki_types::UnixTime;

use super::Stapled;
use super::clock::Clock;
use super::served::Served;
use crate::fetch::staples::{Link, Stapler};
use crate::fetch::{self, Client, Ocsp};
use crate::tls;

/// Keeps a staple for whatever is served without one from a file.
pub(super) struct Staples {
    stapler: Option<Stapler>,
    settings: fetch::Settings,
    metrics: fetch::Metrics,
    clock: Clock,
}

impl Staples {
    /// As `settings` say. What is fetched is counted in `metrics`.
    pub(super) fn new(settings: &fetch::Settings, metrics: &fetch::Metrics, clock: &Clock) -> Self {
        let mut staples = Self {
            stapler: None,
            settings: settings.clone(),
            metrics: metrics.clone(),
            clock: clock.clone(),
        };
        staples.begin();
        staples
    }

    fn begin(&mut self) {
        let stapler = || {
            let clock = self.clock.clone();
            Stapler::new(
                Client::new(self.settings.allow_private),
                self.settings.cache_directory.as_deref(),
                tls::signature_algorithms(),
                move || clock.now(),
            )
            .counting(self.metrics.clone())
        };
        self.stapler = (self.settings.ocsp == Ocsp::Staple).then(stapler);
    }

    /// From now on as `settings` say. What there is stays, as far as they let it.
    pub(super) fn reconfigure(&mut self, settings: &fetch::Settings) {
        let before = std::mem::replace(&mut self.settings, settings.clone());
        match &mut self.stapler {
            Some(stapler) if settings.ocsp == Ocsp::Staple => {
                if settings.allow_private != before.allow_private {
                    stapler.ask_through(Client::new(settings.allow_private));
                }
                stapler.keep_in(settings.cache_directory.as_deref());
            }
            _ => self.begin(),
        }
    }

    /// Lets everything be asked again at once that failed: somebody who has mended something asks.
    pub(super) fn forget_failures(&mut self) {
        self.stapler.iter_mut().for_each(Stapler::forget_failures);
    }

    /// From now on this is `served`. Nothing is read or asked here.
    pub(super) fn follow(&mut self, served: &[Arc<Served>]) {
        if let Some(stapler) = &mut self.stapler {
            let without_file = served.iter().filter(|served| served.source.staple.is_none());
            stapler.follow(without_file.filter_map(|served| Link::of(&served.assembly.chain)));
        }
    }

    /// Puts on `served` what there is by now, and takes off what is no longer good. Whether that changes anything.
    pub(super) fn put_on(&self, served: &mut [Arc<Served>], at: UnixTime) -> bool {
        let mut has_changed = false;
        for served in served {
            let chain = &served.assembly.chain;
            let stapled = match served.source.staple {
                Some(_) => served.stapled.at(at, chain),
                None if chain.leaf().ocsp_responders().is_empty() => continue,
                None => self.of(served, at),
            };
            if let Some(other) = served.with_stapled(stapled) {
                *served = Arc::new(other);
                has_changed = true;
            }
        }
        has_changed
    }

    fn of(&self, served: &Served, at: UnixTime) -> Stapled {
        let chain = &served.assembly.chain;
        let leaf = chain.leaf().fingerprint();
        let Some(stapler) = &self.stapler else {
            return Stapled::none(chain, None);
        };
        match stapler.staple(leaf, at) {
            Some(staple) => Stapled {
                staple: Some(Arc::clone(staple)),
                ..Stapled::default()
            },
            None => Stapled {
                is_revoked: stapler.is_revoked(leaf),
                ..Stapled::none(chain, stapler.problem(leaf).map(str::to_owned))
            },
        }
    }

    /// Asks whatever is due, and returns when something has changed. Dropped before, it loses nothing.
    pub(super) async fn changed(&mut self) {
        match &mut self.stapler {
            Some(stapler) => stapler.changed().await,
            None => std::future::pending().await,
        }
    }
}
