//! Tickets that other replicas open too.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand;
use rustls::pki_types::UnixTime;
use rustls::server::ProducesTickets;
use rustls::time_provider::TimeProvider;

use super::epochs::Epochs;
use super::key::{SALT, TicketKey};

/// How long a ticket counts, as with the keys of one process; RFC 8446 section 4.6.1 allows a week. Files may stay for
/// years, so that it is in the ticket when that was sealed. A clock that is so far ahead seals nothing that lasts either.
const LIFETIME_SECONDS: u32 = 12 * 60 * 60;

/// Tickets that other replicas open too.
pub(super) struct Shared {
    pub(super) keys: Keys,
    pub(super) clock: Arc<dyn TimeProvider>,
}

pub(super) enum Keys {
    Files {
        sealing: TicketKey,
        /// They only open, as the one that seals does.
        others: Vec<TicketKey>,
    },
    Secret(Epochs),
}

impl Keys {
    fn seal(&self, session: &[u8], salt: &[u8; SALT], at: UnixTime) -> Option<Vec<u8>> {
        match self {
            Self::Files { sealing, .. } => sealing.seal(session, salt, at),
            Self::Secret(epochs) => epochs.sealing(at)?.seal(session, salt, at),
        }
    }

    /// The session in `ticket`, if one of the keys sealed it not too long ago.
    fn open(&self, ticket: &[u8], at: UnixTime) -> Option<Vec<u8>> {
        let opened = match self {
            Self::Files { sealing, others } => {
                let mut keys = std::iter::once(sealing).chain(others);
                keys.find(|key| key.is_named_by(ticket))?.open(ticket)
            }
            Self::Secret(epochs) => epochs.opening(ticket, at)?.open(ticket),
        };
        let is_recent = |sealed_at: UnixTime| sealed_at.as_secs().abs_diff(at.as_secs()) <= LIFETIME_SECONDS.into();
        opened
            .filter(|opened| is_recent(opened.sealed_at))
            .map(|opened| opened.session)
    }
}

impl ProducesTickets for Shared {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME_SECONDS
    }

    fn encrypt(&self, session: &[u8]) -> Option<Vec<u8>> {
        let mut salt = [0; SALT];
        rand::fill(&mut salt).ok()?;
        self.keys.seal(session, &salt, self.clock.current_time()?)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.keys.open(ticket, self.clock.current_time()?)
    }
}

/// Never shows the keys.
impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOUR: u64 = 60 * 60;
    /// The beginning of an epoch.
    const EPOCH: u64 = 1_780_272_000;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    fn file(byte: u8) -> TicketKey {
        TicketKey::of_file(&[byte; 80]).unwrap()
    }

    fn files(sealing: u8, others: &[u8]) -> Keys {
        Keys::Files {
            sealing: file(sealing),
            others: others.iter().copied().map(file).collect(),
        }
    }

    fn secret(secret: &[u8]) -> Keys {
        Keys::Secret(Epochs::of(secret).unwrap())
    }

    /// Whether `other` opens at the instant `then` what `one` seals at the instant `now`.
    fn passes(one: &Keys, now: u64, other: &Keys, then: u64) -> bool {
        let ticket = one.seal(b"session", &[7; SALT], at(now)).unwrap();
        let opened = other.open(&ticket, at(then));
        assert!(opened.as_deref().is_none_or(|session| session == b"session"));
        opened.is_some()
    }

    #[test]
    fn one_file_seals_and_all_of_them_open() {
        let (old, both, turned, new) = (files(1, &[]), files(2, &[1]), files(1, &[2]), files(2, &[]));
        for (one, other, expected) in [
            (&old, &both, true),
            (&old, &turned, true),
            (&both, &new, true),
            (&both, &turned, true),
            (&turned, &both, true),
            (&turned, &new, false),
            (&both, &old, false),
        ] {
            assert_eq!(passes(one, EPOCH, other, EPOCH), expected);
        }
    }

    #[test]
    fn a_file_that_stays_opens_no_ticket_for_longer_than_twelve_hours() {
        let keys = files(1, &[]);
        for (then, expected) in [
            (EPOCH + 12 * HOUR, true),
            (EPOCH + 12 * HOUR + 1, false),
            (EPOCH + 9_000 * HOUR, false),
        ] {
            assert_eq!(passes(&keys, EPOCH, &keys, then), expected, "{then}");
            // As a replica sees it whose clock is behind.
            assert_eq!(passes(&keys, then, &keys, EPOCH), expected, "{then}");
        }
    }

    #[test]
    fn keys_of_a_secret_open_what_was_sealed_in_the_epoch_before_and_in_the_next() {
        let keys = secret(b"one secret of all the replicas.");
        for (now, then, expected) in [
            (EPOCH, EPOCH + 6 * HOUR - 1, true),
            (EPOCH, EPOCH + 12 * HOUR - 1, true),
            (EPOCH, EPOCH + 12 * HOUR, false),
            (EPOCH + 6 * HOUR - 1, EPOCH + 12 * HOUR, false),
            (EPOCH + 6 * HOUR - 1, EPOCH + 6 * HOUR, true),
            (EPOCH, EPOCH - 1, true),
            (EPOCH, EPOCH - 6 * HOUR, true),
            (EPOCH, EPOCH - 6 * HOUR - 1, false),
            (0, 0, true),
            (u64::MAX, u64::MAX, true),
        ] {
            assert_eq!(passes(&keys, now, &keys, then), expected, "{now} {then}");
        }
    }

    #[test]
    fn who_shares_nothing_opens_nothing() {
        let all = [
            secret(b"one secret of all the replicas."),
            secret(b"another secret of the same size."),
            files(1, &[]),
            files(2, &[3]),
            // What a file holds makes another key as a secret.
            secret(&[1; 80]),
        ];
        for (place, one) in all.iter().enumerate() {
            for (other_place, other) in all.iter().enumerate() {
                assert_eq!(passes(one, EPOCH, other, EPOCH), place == other_place);
            }
        }
    }

    #[test]
    fn each_epoch_has_a_key_of_its_own_and_every_ticket_a_salt() {
        let epochs = Epochs::of(b"one secret of all the replicas.").unwrap();
        let id = |seconds| epochs.sealing(at(seconds)).unwrap().id();
        assert_eq!(id(EPOCH), id(EPOCH + 6 * HOUR - 1));
        assert_ne!(id(EPOCH), id(EPOCH + 6 * HOUR));
        let shared = Shared {
            keys: Keys::Secret(epochs),
            clock: Arc::new(rustls::time_provider::DefaultTimeProvider),
        };
        let tickets = [(); 2].map(|()| shared.encrypt(b"session").unwrap());
        assert_ne!(tickets[0], tickets[1]);
        assert!(tickets.iter().all(|ticket| shared.decrypt(ticket).is_some()));
    }
}
