//! A certificate revocation list (CRL, RFC 5280 section 5): read once, for whoever looks up serial numbers in it and for
//! people.

use std::fmt;
use std::time::Duration;

use rustls_pki_types::UnixTime;
use webpki::{CertRevocationList, OwnedCertRevocationList};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::time::ASN1Time;

use crate::chain::{Name, Sha256};

/// What a CA has revoked.
pub struct RevocationList {
    /// Ready for verification.
    list: CertRevocationList<'static>,
    digest: Sha256,
    issuer: Name,
    key_id: Option<Vec<u8>>,
    this_update: UnixTime,
    next_update: UnixTime,
    revoked: usize,
}

/// What was found in place of a CRL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevocationListError {
    /// Only what has changed since another CRL.
    #[error("a delta CRL, which is not read: give the complete one")]
    Delta,
    /// A CRL for certificates of other issuers than its own.
    #[error("an indirect CRL, which is not read: give the CRL of each issuer itself")]
    Indirect,
    /// RFC 5280 section 5.1.2.5: nextUpdate has to be there.
    #[error("a CRL without nextUpdate: nobody can tell when it is out of date")]
    NoNextUpdate,
    /// Version 1, which has no extensions.
    #[error("a CRL of version 1, which is not read: have the CA write version 2")]
    Version,
    /// An extension that changes what the list means, and that is not known here.
    #[error("a CRL with a critical extension that is not known")]
    CriticalExtension,
    /// Anything else.
    #[error("something that is no CRL, or a damaged one")]
    Damaged,
}

impl RevocationList {
    /// Reads the DER of one CRL.
    ///
    /// # Errors
    ///
    /// [`RevocationListError`] where it cannot be used.
    pub fn from_der(der: &[u8]) -> Result<Self, RevocationListError> {
        let (rest, parsed) = CertificateRevocationList::from_der(der).map_err(|_| RevocationListError::Damaged)?;
        if !rest.is_empty() {
            return Err(RevocationListError::Damaged);
        }
        let next_update = parsed.next_update().ok_or(RevocationListError::NoNextUpdate)?;
        let list = OwnedCertRevocationList::from_der(der).map_err(|error| RevocationListError::of(&error))?;
        let key_id = parsed.extensions().iter().find_map(|extension| {
            let ParsedExtension::AuthorityKeyIdentifier(authority) = extension.parsed_extension() else {
                return None;
            };
            Some(authority.key_identifier.as_ref()?.0.to_vec())
        });
        Ok(Self {
            list: list.into(),
            digest: Sha256::of(der),
            issuer: Name::new(parsed.issuer()),
            key_id,
            this_update: instant(parsed.last_update()),
            next_update: instant(next_update),
            revoked: parsed.iter_revoked_certificates().count(),
        })
    }

    /// What rustls-webpki looks serial numbers up in.
    pub fn list(&self) -> &CertRevocationList<'static> {
        &self.list
    }

    /// SHA-256 of the whole list.
    pub fn digest(&self) -> Sha256 {
        self.digest
    }

    /// Who issued it.
    pub fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// The key identifier of the issuer, where the list names it.
    pub fn key_id(&self) -> Option<&[u8]> {
        self.key_id.as_deref()
    }

    /// When it was issued.
    pub fn this_update(&self) -> UnixTime {
        self.this_update
    }

    /// By when there has to be a newer one.
    pub fn next_update(&self) -> UnixTime {
        self.next_update
    }

    /// How many certificates it revokes.
    pub fn revoked(&self) -> usize {
        self.revoked
    }

    /// Whether it is out of date at the instant `at`.
    pub fn has_expired(&self, at: UnixTime) -> bool {
        self.next_update.as_secs() <= at.as_secs()
    }
}

impl RevocationListError {
    fn of(error: &webpki::Error) -> Self {
        match error {
            webpki::Error::UnsupportedDeltaCrl => Self::Delta,
            webpki::Error::UnsupportedIndirectCrl => Self::Indirect,
            webpki::Error::UnsupportedCrlVersion => Self::Version,
            webpki::Error::UnsupportedCriticalExtension => Self::CriticalExtension,
            _ => Self::Damaged,
        }
    }
}

impl PartialEq for RevocationList {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for RevocationList {}

impl fmt::Debug for RevocationList {
    /// Without what it revokes, which may be a hundred thousand numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationList")
            .field("issuer", &self.issuer)
            .field("revoked", &self.revoked)
            .finish_non_exhaustive()
    }
}

/// Times before 1970 are taken for it.
fn instant(time: ASN1Time) -> UnixTime {
    let seconds = u64::try_from(time.timestamp()).unwrap_or_default();
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::certs::testing::Ca;

    #[test]
    fn a_list_says_whose_it_is_and_how_long_it_counts() {
        let list = RevocationList::from_der(&Ca::new("R").crl(&[7, 9], 2026)).unwrap();
        assert_eq!(list.issuer().to_string(), "CN=R");
        assert_eq!(list.revoked(), 2);
        assert!(list.key_id().is_some());
        let at =
            |days: u64| UnixTime::since_unix_epoch(Duration::from_secs(list.this_update().as_secs() + days * 86_400));
        assert!(!list.has_expired(at(29)));
        assert!(list.has_expired(at(31)));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let whole = Ca::new("R").crl(&[], 2026);
        for der in [
            &b""[..],
            b"junk",
            &whole[..whole.len() - 1],
            &[&whole[..], b"\0"].concat(),
        ] {
            assert_eq!(RevocationList::from_der(der), Err(RevocationListError::Damaged));
        }
    }

    proptest! {
        #[test]
        fn a_damaged_list_is_read_or_refused(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut der = Ca::new("R").crl(&[7, 9], 2026);
            *place.get_mut(&mut der) = byte;
            if let Ok(list) = RevocationList::from_der(&der) {
                let _ = (list.issuer().to_string(), list.has_expired(list.this_update()));
            }
        }
    }

    #[test]
    fn two_lists_are_the_same_if_every_byte_is() {
        let ca = Ca::new("R");
        let list = |serials: &[u64]| RevocationList::from_der(&ca.crl(serials, 2026)).unwrap();
        assert_ne!(list(&[1]), list(&[2]));
        let der = ca.crl(&[1], 2026);
        assert_eq!(RevocationList::from_der(&der), RevocationList::from_der(&der));
    }
}
