//! Session tickets: what a client keeps so that its next handshake is short, readable by those who share the keys alone.
//!
//! Keys outlive every snapshot, so that sessions resume across a reload. They are of this process alone, or replicas
//! share them: as files, or derived from one secret.

mod bound;
mod epochs;
mod key;
mod shared;

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::ProducesTickets;
use rustls::time_provider::TimeProvider;

pub(super) use self::bound::Bound;
use self::epochs::Epochs;
pub use self::key::TicketKey;
use self::shared::{Keys, Shared};
use super::Error;

/// Seals and opens session tickets.
#[derive(Clone)]
pub struct Tickets {
    ticketer: Arc<dyn ProducesTickets>,
}

impl Tickets {
    /// Keys of this process alone: random, they change every 6 hours, open tickets for 6 hours more, and never leave
    /// memory.
    ///
    /// # Errors
    ///
    /// [`Error::Tickets`] where the operating system gives no randomness.
    pub fn new() -> Result<Self, Error> {
        let ticketer = Ticketer::new().map_err(Error::Tickets)?;
        Ok(Self { ticketer })
    }

    /// Tickets that `sealing` seals, and that it and the `others` open for 12 hours as `clock` has it.
    pub fn of_keys(sealing: TicketKey, others: Vec<TicketKey>, clock: Arc<dyn TimeProvider>) -> Self {
        Self::shared(Keys::Files { sealing, others }, clock)
    }

    /// Tickets under keys that are derived from `secret` for every 6 hours of `clock`. Those of the 6 hours before open
    /// too, and those of the next, since other clocks may be ahead.
    ///
    /// # Errors
    ///
    /// [`Error::TicketKey`] where the cryptographic library fails.
    pub fn of_secret(secret: &[u8], clock: Arc<dyn TimeProvider>) -> Result<Self, Error> {
        Ok(Self::shared(Keys::Secret(Epochs::of(secret)?), clock))
    }

    /// What is the same wherever tickets are made of the same `secret`, in hexadecimal; it tells nothing of that.
    ///
    /// # Errors
    ///
    /// As [`of_secret`](Self::of_secret).
    pub fn id_of_secret(secret: &[u8]) -> Result<String, Error> {
        Epochs::of(secret)?.id()
    }

    fn shared(keys: Keys, clock: Arc<dyn TimeProvider>) -> Self {
        let ticketer = Arc::new(Shared { keys, clock });
        Self { ticketer }
    }

    pub(super) fn ticketer(&self) -> Arc<dyn ProducesTickets> {
        Arc::clone(&self.ticketer)
    }
}

/// Never shows the keys.
impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}
