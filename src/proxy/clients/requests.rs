//! The rate of each client's requests.

use std::time::{Duration, Instant};

use governor::clock::Clock;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};

use super::RequestRate;
use super::address::ClientAddress;
use super::shards::{SHARDS, Shards};

/// Clients of one part that are remembered before those who have nothing to their account are forgotten.
const CROWDED: usize = 64;

/// Clients of one part at most: about 50 MB for each rate that is limited. Whoever sends from so many addresses at a time is not to be stopped
/// by a limit for each; then all of them begin anew.
const MOST: usize = (1 << 20) / SHARDS;

/// The rate of each client's requests, by the generic cell rate algorithm (GCRA).
pub(super) struct Requests<C: Clock<Instant = Nanos> = Monotonic> {
    limiter: RateLimiter<ClientAddress, Accounts, C>,
}

/// Time since it was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Monotonic(Instant);

/// For each client the time at which its account is empty again, in nanoseconds.
#[derive(Debug)]
struct Accounts {
    shards: Shards<u64>,
    /// Clients of one part at most.
    most: usize,
}

impl Requests {
    /// Nobody has sent anything yet.
    pub(super) fn new(rate: RequestRate) -> Self {
        Self::with_clock(rate, Monotonic::now(), MOST)
    }
}

impl<C: Clock<Instant = Nanos>> Requests<C> {
    fn with_clock(rate: RequestRate, clock: C, most: usize) -> Self {
        let accounts = Accounts {
            shards: Shards::default(),
            most,
        };
        let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
        Self {
            limiter: RateLimiter::new(quota, accounts, clock),
        }
    }

    /// One more request, or how long the client is to wait.
    pub(super) fn begin(&self, client: ClientAddress) -> Result<(), Duration> {
        self.limiter
            .check_key(&client)
            .map_err(|until| until.wait_time_from(self.limiter.clock().now()))
    }
}

impl<C: Clock<Instant = Nanos>> std::fmt::Debug for Requests<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Requests").finish_non_exhaustive()
    }
}

impl Monotonic {
    /// A clock that begins now.
    pub(super) fn now() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Monotonic {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

impl StateStore for Accounts {
    type Key = ClientAddress;

    fn measure_and_replace<T, F, E>(&self, client: &ClientAddress, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut accounts = self.shards.of(*client);
        if let Some(account) = accounts.get_mut(client) {
            let (outcome, new) = decide(Some(Nanos::from(*account)))?;
            *account = new.into();
            return Ok(outcome);
        }
        let (outcome, new) = decide(None)?;
        let new = u64::from(new);
        let is_full = accounts.len() >= self.most;
        if is_full || accounts.len() >= CROWDED && accounts.len() == accounts.capacity() {
            // The newcomer has one request to its account. Whoever has no more is no worse off forgotten.
            accounts.retain(|_, other| *other > new);
        }
        // Some of it is to be free, or the next newcomer would have all of them looked through again.
        if is_full && accounts.len() > self.most / 8 * 7 {
            accounts.clear();
        }
        accounts.insert(*client, new);
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::num::NonZeroU32;

    use governor::clock::FakeRelativeClock;

    use super::*;

    #[test]
    fn after_a_burst_a_client_has_its_rate() {
        let (requests, clock) = limited(2, 3);
        for _ in 0..3 {
            assert_eq!(requests.begin(client(1)), Ok(()));
        }
        assert_eq!(requests.begin(client(1)), Err(Duration::from_millis(500)));
        clock.advance(Duration::from_millis(400));
        assert_eq!(requests.begin(client(1)), Err(Duration::from_millis(100)));
        clock.advance(Duration::from_millis(100));
        assert_eq!(requests.begin(client(1)), Ok(()));
        assert!(requests.begin(client(1)).is_err());
    }

    #[test]
    fn one_client_does_not_use_up_what_another_has() {
        let (requests, _clock) = limited(1, 1);
        assert_eq!(requests.begin(client(1)), Ok(()));
        assert!(requests.begin(client(1)).is_err());
        assert_eq!(requests.begin(client(2)), Ok(()));
    }

    #[test]
    fn clients_that_have_been_silent_are_forgotten_and_the_busy_one_is_not() {
        let (requests, clock) = limited(1, 100);
        for _ in 0..100 {
            assert_eq!(requests.begin(client(0)), Ok(()));
        }
        for number in 1..100_000 {
            clock.advance(Duration::from_micros(50));
            assert_eq!(requests.begin(client(number)), Ok(()));
        }
        // Five of the hundred have come back meanwhile.
        let back = std::iter::from_fn(|| requests.begin(client(0)).ok()).count();
        assert_eq!(back, 4);
        let Accounts { shards: accounts, .. } = requests.limiter.into_state_store();
        let kept: usize = (0..=u8::MAX)
            .map(|number| accounts.of(client(number.into())).len())
            .max()
            .unwrap();
        // A second's worth is 20000 clients, over 16 parts, and the room that doubles.
        assert!(kept < 4 * 20_000 / SHARDS, "{kept}");
    }

    /// Once everybody was forgotten when a part was full, the client that sends too much among them.
    #[test]
    fn when_there_is_no_room_for_more_those_who_have_come_back_make_it() {
        // A part doubles at 448 and at 896 and is full in between.
        let (requests, clock) = limited_to(700, 1, 100);
        for _ in 0..100 {
            assert_eq!(requests.begin(client(0)), Ok(()));
        }
        // So many that every part has grown beyond what is the most; then two seconds pass, and the rest comes.
        let crowd = u32::try_from(570 * SHARDS).unwrap();
        for number in 1..crowd {
            assert_eq!(requests.begin(client(number)), Ok(()));
        }
        clock.advance(Duration::from_secs(2));
        for number in crowd..crowd / 2 * 3 {
            assert_eq!(requests.begin(client(number)), Ok(()));
        }
        let back = std::iter::from_fn(|| requests.begin(client(0)).ok()).count();
        assert_eq!(back, 2);
    }

    fn limited(per_second: u32, burst: u32) -> (Requests<FakeRelativeClock>, FakeRelativeClock) {
        limited_to(MOST, per_second, burst)
    }

    fn limited_to(most: usize, per_second: u32, burst: u32) -> (Requests<FakeRelativeClock>, FakeRelativeClock) {
        let number = |number| NonZeroU32::new(number).unwrap();
        let clock = FakeRelativeClock::default();
        let rate = RequestRate {
            per_second: number(per_second),
            burst: number(burst),
        };
        (Requests::with_clock(rate, clock.clone(), most), clock)
    }

    fn client(number: u32) -> ClientAddress {
        ClientAddress::of(IpAddr::V4(Ipv4Addr::from(number)))
    }
}
