//! What time it is, as an argument.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use tokio::time::sleep;

/// Tells the time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> UnixTime + Send + Sync>);

/// The machine may sleep and its clock be set, so a long wait looks at the clock now and then.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

impl Clock {
    /// The clock of the machine.
    pub fn of_machine() -> Self {
        Self::from(UnixTime::now)
    }

    /// The present instant.
    pub fn now(&self) -> UnixTime {
        (self.0)()
    }

    /// Waits until the clock has come to `instant`.
    pub(super) async fn reach(&self, instant: UnixTime) {
        loop {
            match instant.as_secs().checked_sub(self.now().as_secs()) {
                None | Some(0) => return,
                Some(left) => sleep(LONGEST_SLEEP.min(Duration::from_secs(left))).await,
            }
        }
    }
}

/// For rustls.
impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.now())
    }
}

impl<F: Fn() -> UnixTime + Send + Sync + 'static> From<F> for Clock {
    fn from(now: F) -> Self {
        Self(Arc::new(now))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now().as_secs()).finish()
    }
}
