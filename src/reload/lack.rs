//! What the files lack for whole chains, and the search for it.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::UnixTime;
use tokio::sync::mpsc::UnboundedSender;

use super::Settings;
use super::survey::Survey;
use super::surveyor::Surveyor;
use crate::chain::{Anchors, Certificate, Context, Disallowed, Signatures, Store};
use crate::fetch::{Issuers, Outcome};
use crate::tls;

/// The leaves whose chains want an issuer, and all that it takes to look for it: a task of its own may have it.
#[derive(Clone)]
pub struct Lack {
    leaves: Vec<Arc<Certificate>>,
    store: Store,
    anchors: Anchors,
    disallowed: Disallowed,
    settings: Settings,
    signatures: Arc<Signatures>,
    at: UnixTime,
}

impl Surveyor {
    /// What is lacking in `survey`, which was made as of the instant `at`; `None` where no chain wants an issuer.
    pub fn lack(&self, survey: &Survey, at: UnixTime) -> Option<Lack> {
        let prospects = survey
            .prospects
            .iter()
            .filter_map(|(_, prospect)| prospect.as_ref().ok());
        let leaves: Vec<_> = prospects
            .filter(|prospect| prospect.assembly.wanted.is_some())
            .map(|prospect| Arc::clone(&prospect.bundle.leaf))
            .collect();
        (!leaves.is_empty()).then(|| Lack {
            leaves,
            store: self.inventory().store.clone(),
            anchors: self.inventory().anchors.clone(),
            disallowed: self.disallowed().clone(),
            settings: *self.settings(),
            signatures: Arc::clone(self.signatures()),
            at,
        })
    }
}

impl Lack {
    /// Looks for it. May take minutes, and waits for nothing but the network and the disk.
    pub async fn fetch(&self, issuers: &Issuers) -> Outcome {
        issuers.find(&self.leaves, self.store.clone(), &self.context()).await
    }

    /// The same, handing over what was found as soon as it was.
    pub(super) async fn fetch_in_parts(&self, issuers: &Issuers, parts: UnboundedSender<Outcome>) {
        let (store, context) = (self.store.clone(), self.context());
        issuers.find_in_parts(&self.leaves, store, &context, parts).await;
    }

    fn context(&self) -> Context<'_> {
        Context {
            anchors: &self.anchors,
            at: self.at,
            policy: self.settings.policy,
            disallowed: &self.disallowed,
            algorithms: tls::signature_algorithms(),
            weak_algorithms: tls::WEAK_ALGORITHMS,
            signatures: &self.signatures,
            // Whether the leaf may be served is another question.
            allow_ca_leaf: true,
            send_intermediate_anchor: self.settings.send_intermediate_anchor,
        }
    }
}

impl fmt::Debug for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lack")
            .field("leaves", &self.leaves)
            .finish_non_exhaustive()
    }
}
