//! The keys of session tickets, which outlive every snapshot: with them a session resumes across a reload.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::ProducesTickets;

use super::Error;

/// Seals and opens session tickets. Made once per process and handed to every snapshot.
///
/// Keys are random, change every 6 hours, open tickets for 6 hours more, and never leave memory.
#[derive(Clone)]
pub struct Tickets {
    ticketer: Arc<dyn ProducesTickets>,
}

impl Tickets {
    /// New keys.
    ///
    /// # Errors
    ///
    /// [`Error::Tickets`] where the operating system gives no randomness.
    pub fn new() -> Result<Self, Error> {
        let ticketer = Ticketer::new().map_err(Error::Tickets)?;
        Ok(Self { ticketer })
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
