//! Whose turn it is.
//!
//! Each worker takes turns on its own; where it matters how busy a server is, what it is told are the figures of the
//! whole process.

mod lots;
mod turns;
mod weighted;

use std::cell::{Cell, RefCell};
use std::num::NonZeroU16;

use self::lots::Lots;
use self::turns::Turns;
use self::weighted::SmoothWeighted;
use super::settings::Balance;

/// Chooses among the servers of a backend, for one worker.
#[derive(Debug)]
pub(super) enum Balancer {
    RoundRobin(Turns),
    Weighted(RefCell<SmoothWeighted>),
    LeastConnections(Turns),
    RandomTwo(Cell<Lots>),
}

impl Balancer {
    /// A balancer of `count` servers. Workers differ in `offset`, so that not all of them begin with the same server;
    /// `seed` is what lots are drawn from.
    pub(super) fn new(balance: &Balance, count: usize, offset: usize, seed: u64) -> Self {
        match balance {
            Balance::RoundRobin => Self::RoundRobin(Turns::beginning_with(offset)),
            Balance::Weighted(weights) => {
                let weight = |index: usize| {
                    weights
                        .get(index)
                        .map_or(1, |weight: &NonZeroU16| i64::from(weight.get()))
                };
                let mut turns = SmoothWeighted::new((0..count).map(weight));
                turns.skip(offset);
                Self::Weighted(RefCell::new(turns))
            }
            Balance::LeastConnections => Self::LeastConnections(Turns::beginning_with(offset)),
            Balance::RandomTwo => Self::RandomTwo(Cell::new(Lots::new(seed))),
        }
    }

    /// One of the `count` servers that are `eligible`, if there is any. `load` tells how many requests are in progress
    /// at a server.
    pub(super) fn choose(
        &self,
        count: usize,
        eligible: impl Fn(usize) -> bool,
        load: impl Fn(usize) -> usize,
    ) -> Option<usize> {
        match self {
            Self::RoundRobin(turns) => turns.next(count, eligible),
            Self::Weighted(turns) => turns.borrow_mut().next(eligible),
            Self::LeastConnections(turns) => {
                let least = (0..count).filter(|index| eligible(*index)).map(&load).min()?;
                // Meanwhile another worker may have sent requests to it.
                turns
                    .next(count, |index| eligible(index) && load(index) <= least)
                    .or_else(|| turns.next(count, eligible))
            }
            Self::RandomTwo(lots) => {
                let mut drawn = lots.take();
                let chosen = better_of_two(count, eligible, load, |below| drawn.draw(below));
                lots.set(drawn);
                chosen
            }
        }
    }
}

/// Of two different servers drawn by lot, the one with less to do, the first where they are even. `draw` gives a number
/// below its argument.
fn better_of_two(
    count: usize,
    eligible: impl Fn(usize) -> bool,
    load: impl Fn(usize) -> usize,
    mut draw: impl FnMut(usize) -> usize,
) -> Option<usize> {
    let among = || (0..count).filter(|index| eligible(*index));
    let number = among().count();
    if number < 2 {
        return among().next();
    }
    let first = draw(number);
    // One fewer to draw from, and the first is stepped over: both are never the same.
    let second = draw(number - 1);
    let second = if second >= first { second + 1 } else { second };
    // Meanwhile there may be fewer.
    match (among().nth(first), among().nth(second)) {
        (Some(first), Some(second)) if load(second) < load(first) => Some(second),
        (first, second) => first.or(second).or_else(|| among().next()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_busy_server_is_taken_and_even_ones_take_turns() {
        let balancer = Balancer::new(&Balance::LeastConnections, 3, 0, 0);
        let choose = |loads: [usize; 3]| balancer.choose(3, |_| true, |index| loads[index]);
        assert_eq!(choose([2, 1, 3]), Some(1));
        assert_eq!(choose([2, 1, 0]), Some(2));
        let even: Vec<_> = (0..4).filter_map(|_| choose([5, 5, 7])).collect();
        assert_eq!(even, [0, 1, 0, 1]);
        assert_eq!(balancer.choose(3, |index| index == 0, |index| 9 - index), Some(0));
        assert_eq!(balancer.choose(3, |_| false, |_| 0), None);
    }

    #[test]
    fn a_server_that_another_worker_makes_busy_meanwhile_is_still_one() {
        let balancer = Balancer::new(&Balance::LeastConnections, 2, 0, 0);
        let looks = Cell::new(0);
        let busier_at_each_look = |_| {
            looks.set(looks.get() + 1);
            looks.get()
        };
        assert!(balancer.choose(2, |_| true, busier_at_each_look).is_some());
        // Of three that there were only the last is left when it comes to choosing.
        let asked = Cell::new(0);
        let fewer = |index| {
            asked.set(asked.get() + 1);
            asked.get() <= 3 || index == 2
        };
        assert_eq!(better_of_two(3, fewer, |_| 0, |below| below - 1), Some(2));
    }

    #[test]
    fn of_two_drawn_the_less_busy_is_taken() {
        let loads = [4, 1, 3, 0];
        for (draws, expected) in [
            ([0, 0], 1), // 0 and 1
            ([1, 1], 1), // 1 and 2
            ([2, 2], 3), // 2 and 3
            ([2, 0], 2), // 2 and 0
            ([3, 2], 3), // 3 and 2
        ] {
            let mut draws = draws.into_iter();
            let chosen = better_of_two(4, |_| true, |index| loads[index], |_| draws.next().unwrap());
            assert_eq!(chosen, Some(expected));
        }
    }

    #[test]
    fn what_is_drawn_from_are_those_that_are_eligible() {
        let mut drawn = Vec::new();
        let chosen = better_of_two(
            5,
            |index| index == 1 || index == 4,
            |index| 10 - index,
            |below| {
                drawn.push(below);
                0
            },
        );
        assert_eq!((chosen, drawn), (Some(4), vec![2, 1]));
        assert_eq!(better_of_two(5, |index| index == 2, |_| 0, |_| unreachable!()), Some(2));
        assert_eq!(better_of_two(0, |_| true, |_| 0, |_| unreachable!()), None);
    }

    #[test]
    fn even_servers_get_even_shares_by_lot() {
        let balancer = Balancer::new(&Balance::RandomTwo, 4, 0, 7);
        let mut shares = [0; 4];
        for _ in 0..4000 {
            shares[balancer.choose(4, |_| true, |_| 0).unwrap()] += 1;
        }
        // The seed is fixed, so these are facts and not chances.
        assert!(shares.iter().all(|share| (900..1100).contains(share)), "{shares:?}");
    }

    #[test]
    fn the_busier_of_two_is_avoided() {
        let balancer = Balancer::new(&Balance::RandomTwo, 3, 0, 7);
        let busiest = (0..300).filter(|_| balancer.choose(3, |_| true, |index| index) == Some(2));
        assert_eq!(busiest.count(), 0);
    }
}
