//! One after the other, some more often than others.
//!
//! The smooth weighted round robin of nginx: each turn everyone gains its weight, and the richest is taken and pays for
//! all. With weights 3 and 1 the order is A A B A and not A A A B.

/// Takes servers in turn, each as often as its weight says.
#[derive(Debug)]
pub(in crate::proxy::upstream) struct SmoothWeighted {
    shares: Vec<Share>,
}

#[derive(Debug)]
struct Share {
    weight: i64,
    credit: i64,
}

impl SmoothWeighted {
    /// Turns of servers with these weights.
    pub(super) fn new(weights: impl Iterator<Item = i64>) -> Self {
        Self {
            shares: weights.map(|weight| Share { weight, credit: 0 }).collect(),
        }
    }

    /// Lets so many turns pass.
    pub(super) fn skip(&mut self, turns: usize) {
        let round: i64 = self.shares.iter().map(|share| share.weight).sum();
        // After a whole round everything is as it was.
        let turns = usize::try_from(round).map_or(0, |round| turns.checked_rem(round).unwrap_or(0));
        for _ in 0..turns {
            self.next(|_| true);
        }
    }

    /// The next server that is `eligible`. The others gain nothing meanwhile: whoever comes back has no arrears.
    pub(super) fn next(&mut self, eligible: impl Fn(usize) -> bool) -> Option<usize> {
        let mut total = 0;
        let mut richest: Option<(usize, i64)> = None;
        for (index, share) in self.shares.iter_mut().enumerate() {
            if !eligible(index) {
                continue;
            }
            share.credit += share.weight;
            total += share.weight;
            if richest.is_none_or(|(_, credit)| share.credit > credit) {
                richest = Some((index, share.credit));
            }
        }
        let (chosen, _) = richest?;
        self.shares.get_mut(chosen)?.credit -= total;
        Some(chosen)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taken(weights: &[i64], turns: usize) -> Vec<usize> {
        let mut weighted = SmoothWeighted::new(weights.iter().copied());
        (0..turns).filter_map(|_| weighted.next(|_| true)).collect()
    }

    #[test]
    fn a_heavy_server_is_taken_often_and_not_in_a_row() {
        assert_eq!(taken(&[3, 1], 8), [0, 0, 1, 0, 0, 0, 1, 0]);
        assert_eq!(taken(&[5, 1, 1], 7), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(taken(&[1, 1, 1], 6), [0, 1, 2, 0, 1, 2]);
        assert!(taken(&[], 1).is_empty());
    }

    #[test]
    fn workers_begin_at_different_places_of_the_same_order() {
        for offset in 0..9 {
            let mut weighted = SmoothWeighted::new([3, 1].into_iter());
            weighted.skip(offset);
            let order: Vec<_> = (0..4).filter_map(|_| weighted.next(|_| true)).collect();
            assert_eq!(order, taken(&[3, 1], 13)[offset % 4..][..4]);
        }
    }

    proptest! {
        #[test]
        fn every_round_gives_each_its_weight_and_ends_where_it_began(
            weights in prop::collection::vec(1..20_i64, 1..8),
            rounds in 1..4_usize,
        ) {
            let round = usize::try_from(weights.iter().sum::<i64>()).unwrap();
            let order = taken(&weights, round * rounds);
            for chunk in order.chunks(round) {
                prop_assert_eq!(chunk, &order[..round]);
                for (index, weight) in weights.iter().enumerate() {
                    let count = chunk.iter().filter(|chosen| **chosen == index).count();
                    prop_assert_eq!(i64::try_from(count).unwrap(), *weight);
                }
            }
        }

        /// After any number of turns nobody is a whole turn, per other server, ahead or behind its share.
        #[test]
        fn at_every_moment_shares_are_near_their_weights(
            weights in prop::collection::vec(1..20_i64, 1..8),
            turns in 1..200_usize,
        ) {
            let total: i64 = weights.iter().sum();
            let order = taken(&weights, turns);
            let turns = i64::try_from(turns).unwrap();
            for (index, weight) in weights.iter().enumerate() {
                let count = order.iter().filter(|chosen| **chosen == index).count();
                let off = (i64::try_from(count).unwrap() * total - turns * weight).abs();
                prop_assert!(off <= total * i64::try_from(weights.len()).unwrap());
            }
        }

        /// Whoever comes and goes, only the eligible are taken, and all of them are sooner or later.
        #[test]
        fn only_the_eligible_are_taken_and_none_of_them_starves(
            weights in prop::collection::vec(1..20_i64, 2..6),
            absences in prop::collection::vec(any::<u8>(), 1..60),
        ) {
            let mut weighted = SmoothWeighted::new(weights.iter().copied());
            for absent in absences {
                let eligible = |index: usize| absent & (1 << index) == 0;
                match weighted.next(eligible) {
                    Some(chosen) => prop_assert!(eligible(chosen)),
                    None => prop_assert!((0..weights.len()).all(|index| !eligible(index))),
                }
            }
            let total = usize::try_from(weights.iter().sum::<i64>()).unwrap();
            let taken: Vec<_> = (0..total * 8).filter_map(|_| weighted.next(|_| true)).collect();
            prop_assert!((0..weights.len()).all(|index| taken.contains(&index)));
        }
    }
}
