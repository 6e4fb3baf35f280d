//! Numbers nobody needs to be unable to guess.

/// Draws numbers: SplitMix64, which passes the usual tests and fits a register.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::proxy::upstream) struct Lots(u64);

impl Lots {
    /// Lots that depend on `seed` alone.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `below`, or zero.
    pub(super) fn draw(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // The upper half of the product: for as few servers as there are, no number is likelier than another.
        let scaled = (u128::from(mixed) * below as u128) >> 64;
        usize::try_from(scaled).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_published_generator() {
        // The first output for the seed 1234567 in the reference implementation is 6457827717110365317.
        let expected = (6_457_827_717_110_365_317_u128 * 1_000_000) >> 64;
        assert_eq!(Lots::new(1_234_567).draw(1_000_000) as u128, expected);
    }

    #[test]
    fn it_stays_below() {
        let mut lots = Lots::new(0);
        assert!((1..100).all(|below| lots.draw(below) < below));
        assert_eq!(lots.draw(0), 0);
    }
}
