//! The staples that are fetched, put on what is served.

use std::sync::Arc;

use rustls::pki_types::UnixTime;

use super::Stapled;
use super::served::Served;
use crate::fetch::staples::{Link, Stapler};
use crate::fetch::{self, Client, Ocsp};
use crate::tls;

/// Keeps a staple for whatever is served without one from a file.
pub(super) struct Staples(Option<Stapler>);

impl Staples {
    /// As `settings` say.
    pub(super) fn new(settings: &fetch::Settings) -> Self {
        let stapler = || {
            Stapler::new(
                Client::new(settings.allow_private),
                settings.cache_directory.as_deref(),
                tls::signature_algorithms(),
            )
        };
        Self((settings.ocsp == Ocsp::Staple).then(stapler))
    }

    /// From now on this is `served`. What the last process kept on disk is read for what is new: it may take as long as
    /// a slow file system does.
    pub(super) fn follow(&mut self, served: &[Arc<Served>], at: UnixTime) {
        if let Some(stapler) = &mut self.0 {
            let without_file = served.iter().filter(|served| served.source.staple.is_none());
            stapler.follow(without_file.filter_map(|served| Link::of(&served.assembly.chain)), at);
        }
    }

    /// Puts on `served` what there is by now. Whether that changes anything.
    pub(super) fn put_on(&self, served: &mut [Arc<Served>], at: UnixTime) -> bool {
        let mut has_changed = false;
        for served in served {
            let chain = &served.assembly.chain;
            if served.source.staple.is_some() || chain.leaf().ocsp_responders().is_empty() {
                continue;
            }
            if let Some(other) = served.with_stapled(self.of(served, at)) {
                *served = Arc::new(other);
                has_changed = true;
            }
        }
        has_changed
    }

    fn of(&self, served: &Served, at: UnixTime) -> Stapled {
        let chain = &served.assembly.chain;
        let leaf = chain.leaf().fingerprint();
        let Some(stapler) = &self.0 else {
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
        match &mut self.0 {
            Some(stapler) => stapler.changed().await,
            None => std::future::pending().await,
        }
    }
}
