//! A survey: every configured certificate with the best chain for it, as the files are at one moment.

use std::sync::Arc;

use rustls::pki_types::UnixTime;

use crate::certs::{Bundle, BundleSettings, Error, Files, Inventory, Roots, Settings};
use crate::chain::{Assembly, Certificate, Context, Disallowed, Policy, Signatures, assemble};
use crate::tls;

/// What the files hold and what would be served of it.
#[derive(Debug)]
pub struct Survey {
    /// One entry for each configured certificate, in their order.
    pub prospects: Vec<(BundleSettings, Result<Prospect, Error>)>,
    /// What is broken in the store or the roots and was skipped.
    pub problems: Vec<Error>,
    /// The certificates of the store, those beside the leaves included.
    pub store: Vec<Arc<Certificate>>,
    /// Whether chains can end at an anchor: not where none are wanted, nor where the operating system has none. Where roots are
    /// configured that cannot be read, that is no excuse for a chain that ends at none.
    pub has_anchors: bool,
}

/// A certificate that could be served.
#[derive(Debug)]
pub struct Prospect {
    /// Leaf, key, and what lies beside them.
    pub bundle: Bundle,
    /// The chain for the leaf.
    pub assembly: Assembly,
}

impl Survey {
    /// Takes the certificates out of `files`, which were read for `settings`, and assembles a chain for each as of
    /// the instant `at`.
    pub fn of(settings: &Settings, files: &Files, policy: Policy, at: UnixTime, signatures: &Signatures) -> Self {
        let inventory = Inventory::read(settings, files, &|key| tls::public_key(key).ok());
        let disallowed: Disallowed = settings.disallowed.iter().copied().collect();
        let prospect = |configured: &BundleSettings, bundle: Bundle| {
            let context = Context {
                anchors: &inventory.anchors,
                at,
                policy,
                disallowed: &disallowed,
                algorithms: tls::signature_algorithms(),
                weak_algorithms: tls::WEAK_ALGORITHMS,
                signatures,
                allow_ca_leaf: configured.allow_ca_leaf,
                send_intermediate_anchor: true,
            };
            let assembly = assemble(&bundle.leaf, &inventory.store, &context);
            Prospect { bundle, assembly }
        };
        let prospects = settings
            .bundles
            .iter()
            .zip(inventory.bundles)
            .map(|(configured, bundle)| (configured.clone(), bundle.map(|bundle| prospect(configured, bundle))))
            .collect();
        Self {
            prospects,
            problems: inventory.problems,
            store: inventory.store.iter().cloned().collect(),
            has_anchors: match settings.roots {
                Roots::Files(_) => true,
                Roots::None => false,
                Roots::System => !inventory.anchors.is_empty(),
            },
        }
    }
}
