//! How well a certificate's authorityKeyIdentifier fits a candidate issuer.

use super::Certificate;

/// The match of a child's authorityKeyIdentifier with a candidate, best first.
///
/// RFC 5280 leaves key identifiers as hints and only the signature decides; but OpenSSL and Windows refuse a link on
/// which any given field disagrees, so a conflict is a defect that a better chain does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyIdMatch {
    /// Issuer and serial number name this very certificate.
    Exact,
    /// The key identifiers are equal.
    KeyId,
    /// Nothing to compare.
    NoData,
    /// Something given on both sides differs.
    Conflict,
}

impl KeyIdMatch {
    /// Compares what `child` says of its issuer with what `issuer` says of itself.
    pub fn of(child: &Certificate, issuer: &Certificate) -> Self {
        let wanted = child.authority_key_id();
        let key_id = wanted
            .key_id
            .as_deref()
            .zip(issuer.subject_key_id())
            .map(|(wanted, found)| wanted == found);
        let certificate = wanted
            .issuer_and_serial
            .as_ref()
            .map(|(name, serial)| name == issuer.issuer() && **serial == *issuer.serial());
        match (key_id, certificate) {
            (Some(false), _) | (_, Some(false)) => Self::Conflict,
            (_, Some(true)) => Self::Exact,
            (Some(true), None) => Self::KeyId,
            (None, None) => Self::NoData,
        }
    }

    /// The match in words, for the trail.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Exact => "issuer and serial match",
            Self::KeyId => "key id matches",
            Self::NoData => "no key id to compare",
            Self::Conflict => "key id conflicts",
        }
    }
}
