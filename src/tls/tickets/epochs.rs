//! Keys of session tickets that change by themselves, the same for all who share a secret.

use aws_lc_rs::hkdf::{HKDF_SHA256, Prk};
use rustls::pki_types::UnixTime;

use super::key::{TicketKey, extract};
use crate::tls::Error;

/// Keeps keys made of the same secret for something else apart from these: a cookie's may be in the same file.
const PURPOSE: &[u8] = b"fullchain session ticket secret 1";

/// How long a key seals: as long as rustls has it for the keys of one process. Tickets open for that long at least and
/// twice as long at most; and clocks may be that far apart.
const EPOCH_SECONDS: u64 = 6 * 60 * 60;

/// Keys derived from a secret, one for each 6 hours since 1970.
pub(super) struct Epochs {
    root: Prk,
}

impl Epochs {
    pub(super) fn of(secret: &[u8]) -> Result<Self, Error> {
        let root = extract(PURPOSE, secret)?;
        Ok(Self { root })
    }

    /// What tells the secret from others.
    pub(super) fn id(&self) -> Result<String, Error> {
        TicketKey::of(self.root.clone()).map(|root| root.id())
    }

    /// The key that seals at the instant `at`.
    pub(super) fn sealing(&self, at: UnixTime) -> Option<TicketKey> {
        self.key(epoch(at))
    }

    /// The key that `ticket` names, if it is of the epoch of `at`, the one before or the next. It is derived each time,
    /// which takes some microseconds, so that nothing has to be kept and nobody waits.
    pub(super) fn opening(&self, ticket: &[u8], at: UnixTime) -> Option<TicketKey> {
        let now = epoch(at);
        let accepted = [Some(now), now.checked_sub(1), now.checked_add(1)];
        accepted
            .into_iter()
            .flatten()
            .filter_map(|epoch| self.key(epoch))
            .find(|key| key.is_named_by(ticket))
    }

    fn key(&self, epoch: u64) -> Option<TicketKey> {
        let number = epoch.to_be_bytes();
        let root = self.root.expand(&[b"epoch", &number], HKDF_SHA256).map(Prk::from);
        TicketKey::of(root.ok()?).ok()
    }
}

fn epoch(at: UnixTime) -> u64 {
    at.as_secs() / EPOCH_SECONDS
}
