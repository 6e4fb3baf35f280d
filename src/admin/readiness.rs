//! Whether the process takes connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// A flag that only moves forward: from starting through ready, or failed, to draining. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    stage: Arc<AtomicU8>,
}

const STARTING: u8 = 0;
const READY: u8 = 1;
const FAILED: u8 = 2;
const DRAINING: u8 = 3;

impl Readiness {
    /// A process that starts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Connections are accepted from now on; too late once it drains.
    pub fn ready(&self) {
        self.stage.fetch_max(READY, Ordering::Relaxed);
    }

    /// Connections are still accepted, but something has ended that only a restart brings back.
    pub fn fail(&self) {
        self.stage.fetch_max(FAILED, Ordering::Relaxed);
    }

    /// No connection is accepted any more, or soon none will be.
    pub fn drain(&self) {
        self.stage.fetch_max(DRAINING, Ordering::Relaxed);
    }

    /// # Errors
    ///
    /// Why no connections are taken or should be sent, in one word.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        match self.stage.load(Ordering::Relaxed) {
            STARTING => Err("starting"),
            READY => Ok(()),
            FAILED => Err("failed"),
            _ => Err("draining"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_only_moves_forward() {
        let readiness = Readiness::new();
        assert_eq!(readiness.check(), Err("starting"));
        readiness.ready();
        assert_eq!(readiness.check(), Ok(()));
        readiness.fail();
        readiness.ready();
        assert_eq!(readiness.check(), Err("failed"));
        readiness.drain();
        readiness.fail();
        assert_eq!(readiness.clone().check(), Err("draining"));
    }
}
