//! Certificates for the real binary, which asks the clock: their validity is around today.

use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;

use super::pki::{Entity, NOW, Recipe, ca, server};

/// The name that clients ask for.
pub(crate) const NAME: &str = "a.test";

/// A root and an issuing CA below it.
pub(crate) struct Family {
    pub(crate) root: Entity,
    pub(crate) issuing: Entity,
}

impl Family {
    pub(crate) fn new() -> Self {
        let root = around_today(ca("Root"), 1000).self_signed();
        let issuing = around_today(ca("Issuing 1"), 500).signed_by(&root);
        Self { root, issuing }
    }

    /// One more issuing CA.
    pub(crate) fn another_issuing(&self, name: &str) -> Entity {
        around_today(ca(name), 500).signed_by(&self.root)
    }

    /// A leaf for [`NAME`] that the issuing CA signed.
    pub(crate) fn leaf(&self) -> Entity {
        leaf(NAME).signed_by(&self.issuing)
    }
}

/// A leaf for `name` that is valid for 90 days more.
pub(crate) fn leaf(name: &str) -> Recipe {
    around_today(server(name), 90)
}

/// Valid from yesterday, for `days` more.
pub(crate) fn around_today(recipe: Recipe, days: i64) -> Recipe {
    recipe.valid(today() - 1, today() + days)
}

/// The present day, counted from [`NOW`].
pub(crate) fn today() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    (i64::try_from(now).unwrap() - i64::try_from(NOW).unwrap()) / 86_400
}

/// The DER of `chain`, as a client receives it.
pub(crate) fn der<'e>(chain: impl IntoIterator<Item = &'e Entity>) -> Vec<CertificateDer<'static>> {
    chain
        .into_iter()
        .map(|entity| entity.certificate.der().clone())
        .collect()
}
