//! A survey: every configured certificate with the best chain for it, as the files are at one moment.

use rustls::pki_types::UnixTime;

use super::{Settings, Stapled, Unservable};
use crate::certs::{self, Bundle, BundleSettings, Files, Inventory, Roots};
use crate::chain::{Anchors, Assembly, Context, Disallowed, Signatures, Store, assemble};
use crate::tls;

/// What the files hold and what would be served of it.
#[derive(Debug)]
pub struct Survey {
    /// One entry for each configured certificate, in their order.
    pub prospects: Vec<(BundleSettings, Result<Prospect, Unservable>)>,
    /// What is broken in the store or the roots and was skipped.
    pub problems: Vec<certs::Error>,
    /// The certificates of the store, those beside the leaves included.
    pub store: Store,
    /// Where chains may end.
    pub anchors: Anchors,
    /// Whether a chain that ends at no anchor lacks something: everywhere but where the operator wants no roots. That
    /// the configured ones cannot be read, or that the operating system has none, is no excuse.
    pub wants_anchor: bool,
    /// Certificates and keys that are never used.
    pub disallowed: Disallowed,
}

/// A certificate that could be served.
#[derive(Debug)]
pub struct Prospect {
    /// Leaf, key, and what lies beside them.
    pub bundle: Bundle,
    /// The chain for the leaf.
    pub assembly: Assembly,
    /// The staple of the operator's file.
    pub stapled: Stapled,
}

impl Survey {
    /// Takes the certificates out of `files`, which were read for `certificates`, and assembles a chain for each as of
    /// the instant `at`.
    pub fn of(
        certificates: &certs::Settings,
        files: &Files,
        settings: &Settings,
        at: UnixTime,
        signatures: &Signatures,
    ) -> Self {
        let inventory = Inventory::read(certificates, files, &|key| tls::public_key(key).ok());
        let disallowed: Disallowed = certificates.disallowed.iter().copied().collect();
        let prospect = |configured: &BundleSettings, bundle: Bundle| {
            let context = Context {
                allow_ca_leaf: configured.allow_ca_leaf,
                ..context(&inventory.anchors, &disallowed, settings, at, signatures)
            };
            let assembly = assemble(&bundle.leaf, &inventory.store, &context);
            let stapled = Stapled::of_file(configured, &bundle, &assembly.chain, at);
            Prospect {
                bundle,
                assembly,
                stapled,
            }
        };
        let may_be_served = |configured: &BundleSettings, bundle: Bundle| {
            if disallowed.contains(&bundle.leaf) {
                return Err(Unservable::Disallowed {
                    certificate: configured.certificate.clone(),
                    leaf: bundle.leaf,
                });
            }
            Ok(bundle)
        };
        let prospects = certificates
            .bundles
            .iter()
            .zip(inventory.bundles)
            .map(|(configured, bundle)| {
                let bundle = bundle.map_err(Unservable::from);
                let bundle = bundle.and_then(|bundle| may_be_served(configured, bundle));
                (configured.clone(), bundle.map(|bundle| prospect(configured, bundle)))
            })
            .collect();
        Self {
            prospects,
            problems: inventory.problems,
            store: inventory.store,
            anchors: inventory.anchors,
            wants_anchor: certificates.roots != Roots::None,
            disallowed,
        }
    }
}

/// What every chain is assembled for, whatever its leaf.
pub(super) fn context<'a>(
    anchors: &'a Anchors,
    disallowed: &'a Disallowed,
    settings: &Settings,
    at: UnixTime,
    signatures: &'a Signatures,
) -> Context<'a> {
    Context {
        anchors,
        at,
        policy: settings.policy,
        disallowed,
        algorithms: tls::signature_algorithms(),
        weak_algorithms: tls::WEAK_ALGORITHMS,
        signatures,
        allow_ca_leaf: false,
        send_intermediate_anchor: settings.send_intermediate_anchor,
    }
}
