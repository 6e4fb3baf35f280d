//! What the files lack for whole chains, and what becomes of it once it has been fetched.

use std::sync::Arc;

use rustls::pki_types::UnixTime;

use super::survey::{Survey, context};
use super::{Prospect, Settings, Stapled};
use crate::chain::{Anchors, Certificate, Context, Disallowed, Signatures, Store, assemble};
use crate::fetch::{Issuers, Outcome};

/// The leaves whose chains want an issuer, and all that it takes to look for it: a task of its own may have it.
#[derive(Clone, Debug)]
pub struct Lack {
    leaves: Vec<Arc<Certificate>>,
    store: Store,
    anchors: Anchors,
    disallowed: Disallowed,
    settings: Settings,
    at: UnixTime,
}

impl Survey {
    /// What is lacking; `None` where no chain wants an issuer. `settings` and `at` are those of the survey.
    pub fn lack(&self, settings: &Settings, at: UnixTime) -> Option<Lack> {
        let prospects = self.prospects.iter().filter_map(|(_, prospect)| prospect.as_ref().ok());
        let leaves: Vec<_> = prospects
            .filter(|prospect| prospect.assembly.wanted.is_some())
            .map(|prospect| prospect.bundle.leaf.clone())
            .collect();
        (!leaves.is_empty()).then(|| Lack {
            leaves,
            store: self.store.clone(),
            anchors: self.anchors.clone(),
            disallowed: self.disallowed.clone(),
            settings: *settings,
            at,
        })
    }

    /// Assembles the chains that want an issuer once more, with `fetched` beside the store. A chain that wants none
    /// stays as it is: nothing from outside has a say in it. Neither does it where the chain would be worth less.
    pub fn add<'c>(
        &mut self,
        fetched: impl IntoIterator<Item = &'c Arc<Certificate>>,
        settings: &Settings,
        at: UnixTime,
        signatures: &Signatures,
    ) {
        let mut fetched = fetched.into_iter().peekable();
        let wants = |prospect: &Prospect| prospect.assembly.wanted.is_some();
        let prospects = || self.prospects.iter().filter_map(|(_, prospect)| prospect.as_ref().ok());
        if fetched.peek().is_none() || !prospects().any(wants) {
            return;
        }
        let mut store = self.store.clone();
        store.extend(fetched.cloned());
        for (configured, prospect) in &mut self.prospects {
            let Ok(prospect) = prospect else { continue };
            if !wants(prospect) {
                continue;
            }
            let context = Context {
                allow_ca_leaf: configured.allow_ca_leaf,
                ..context(&self.anchors, &self.disallowed, settings, at, signatures)
            };
            let assembly = assemble(&prospect.bundle.leaf, &store, &context);
            if assembly.status >= prospect.assembly.status {
                prospect.assembly = assembly;
                prospect.stapled = Stapled::of_file(configured, &prospect.bundle, &prospect.assembly.chain, at);
            }
        }
    }
}

impl Lack {
    /// Looks for it. May take minutes, and waits for nothing but the network and the disk.
    pub async fn fetch(&self, issuers: &Issuers, signatures: &Signatures) -> Outcome {
        let context = Context {
            // Whether the leaf may be served is another question.
            allow_ca_leaf: true,
            ..context(&self.anchors, &self.disallowed, &self.settings, self.at, signatures)
        };
        issuers.find(&self.leaves, self.store.clone(), &context).await
    }
}
