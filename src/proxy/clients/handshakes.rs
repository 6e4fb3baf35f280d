//! The rate of handshakes, of all clients together.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use super::requests::Monotonic;

/// The rate of handshakes: one atomic number for all workers.
#[derive(Debug)]
pub(super) struct Handshakes<C: Clock<Instant = Nanos> = Monotonic> {
    limiter: RateLimiter<NotKeyed, InMemoryState, C>,
}

impl Handshakes {
    /// No handshake yet, and `most` in each second.
    pub(super) fn new(most: NonZeroU32) -> Self {
        Self::with_clock(most, Monotonic::now())
    }
}

impl<C: Clock<Instant = Nanos>> Handshakes<C> {
    fn with_clock(most: NonZeroU32, clock: C) -> Self {
        // A tenth of a second's worth at once: evenly, and yet a worker that was away for a moment can make up for it.
        let burst = NonZeroU32::new(most.get().div_ceil(10)).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(most).allow_burst(burst);
        Self {
            limiter: RateLimiter::new(quota, InMemoryState::default(), clock),
        }
    }

    /// One more, or how long it is to wait.
    pub(super) fn begin(&self) -> Result<(), Duration> {
        self.limiter
            .check()
            .map_err(|until| until.wait_time_from(self.limiter.clock().now()))
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    #[test]
    fn a_second_has_as_many_handshakes_as_it_may() {
        let clock = FakeRelativeClock::default();
        let handshakes = Handshakes::with_clock(NonZeroU32::new(50).unwrap(), clock.clone());
        let mut begun = 0;
        for _ in 0..1000 {
            clock.advance(Duration::from_millis(1));
            begun += u32::from(handshakes.begin().is_ok());
        }
        assert!((50..=55).contains(&begun), "{begun}");
        while handshakes.begin().is_ok() {}
        assert!(handshakes.begin().unwrap_err() <= Duration::from_millis(20));
    }
}
