//! What is stapled to a certificate, and what is wrong where nothing is.

use std::sync::Arc;

use rustls::pki_types::UnixTime;

use super::Prospect;
use super::served::Served;
use crate::certs::{Bundle, BundleSettings};
use crate::chain::Chain;
use crate::ocsp::{Staple, Subject};
use crate::tls;

/// What is stapled to one certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stapled {
    /// The OCSP response, while it is good.
    pub staple: Option<Arc<Staple>>,
    /// Why there is none, where there should be one; or, beside a staple, why what its file holds by now is not stapled
    /// instead.
    pub problem: Option<String>,
    /// Whether the CA says that the certificate is revoked.
    pub is_revoked: bool,
}

impl Stapled {
    /// The staple of the operator's file, as of the instant `at`.
    pub(super) fn of_file(source: &BundleSettings, bundle: &Bundle, chain: &Chain, at: UnixTime) -> Self {
        let Some(bytes) = &bundle.staple else {
            return Self::none(chain, None);
        };
        let verified = match chain.issuer() {
            Some(issuer) => {
                let subject = Subject {
                    leaf: chain.leaf(),
                    issuer,
                };
                Staple::verify(bytes, &subject, tls::signature_algorithms(), at)
            }
            None => {
                return Self::none(
                    chain,
                    Some("the issuer of the leaf is not there to verify it".to_owned()),
                );
            }
        };
        let path = source.staple.as_deref().unwrap_or(&source.certificate).display();
        match verified {
            Ok(staple) => Self {
                staple: Some(Arc::new(staple)),
                ..Self::default()
            },
            Err(error) => Self {
                is_revoked: error.is_revocation(),
                ..Self::none(chain, Some(format!("{path}: {error}")))
            },
        }
    }

    /// No staple, for this reason if there is one.
    pub(super) fn none(chain: &Chain, reason: Option<String>) -> Self {
        const DEMAND: &str = "the leaf demands a staple (TLS feature, RFC 7633): some clients will refuse it without";
        let problem = match (reason, chain.leaf().must_staple()) {
            (Some(reason), true) => Some(format!("{reason}; {DEMAND}")),
            (None, true) => Some(DEMAND.to_owned()),
            (reason, false) => reason,
        };
        Self {
            problem,
            ..Self::default()
        }
    }

    /// Whether it is the last good one, the file being of no use.
    pub(super) fn is_kept(&self) -> bool {
        self.staple.is_some() && self.problem.is_some()
    }

    /// What to staple where the file gives `self` and `before` is stapled to the same leaf: a file that is of no use, torn
    /// perhaps, takes off nothing that is good at the instant `at`. A revocation does.
    #[must_use]
    pub(super) fn or_before(self, before: &Self, at: UnixTime) -> Self {
        match &before.staple {
            Some(staple) if self.staple.is_none() && !self.is_revoked && staple.is_good_at(at) => Self {
                staple: before.staple.clone(),
                problem: Some(self.problem.unwrap_or_else(|| "its file cannot be read".to_owned())),
                is_revoked: false,
            },
            _ => self,
        }
    }

    /// What is left of it at the instant `at`.
    #[must_use]
    pub(super) fn at(&self, at: UnixTime, chain: &Chain) -> Self {
        match &self.staple {
            Some(staple) if !staple.is_good_at(at) => {
                Self::none(chain, Some("the last OCSP response is no longer good".to_owned()))
            }
            _ => self.clone(),
        }
    }

    /// The DER as a handshake sends it.
    pub(super) fn der(&self) -> Option<Vec<u8>> {
        self.staple.as_ref().map(|staple| staple.der().to_vec())
    }
}

impl Prospect {
    /// The same with the staple of `before`, which is served, where that is for the same leaf and the file of `source` is of
    /// no use by now.
    pub(super) fn with_staple_of(self, source: &BundleSettings, before: &Served, at: UnixTime) -> Self {
        if source.staple.is_none() || before.bundle.leaf != self.bundle.leaf {
            return self;
        }
        Self {
            stapled: self.stapled.or_before(&before.stapled, at),
            ..self
        }
    }
}
