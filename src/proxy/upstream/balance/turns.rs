//! One after the other.

use std::cell::Cell;

/// Takes servers in turn.
#[derive(Debug)]
pub(in crate::proxy::upstream) struct Turns {
    next: Cell<usize>,
}

impl Turns {
    /// Turns whose first is the server at `offset`, counted round and round.
    pub(super) fn beginning_with(offset: usize) -> Self {
        Self {
            next: Cell::new(offset),
        }
    }

    /// The next of `count` servers that is `eligible`, counted from behind the one that was taken last.
    pub(super) fn next(&self, count: usize, eligible: impl Fn(usize) -> bool) -> Option<usize> {
        let first = self.next.get();
        let chosen = (0..count)
            .map(|step| (first % count + step) % count)
            .find(|index| eligible(*index))?;
        self.next.set(chosen + 1);
        Some(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_is_taken_as_often_as_the_others() {
        let turns = Turns::beginning_with(4);
        let taken: Vec<_> = (0..7).filter_map(|_| turns.next(3, |_| true)).collect();
        assert_eq!(taken, [1, 2, 0, 1, 2, 0, 1]);
    }

    #[test]
    fn what_a_missing_server_would_have_got_is_shared_by_the_others() {
        let turns = Turns::beginning_with(0);
        let taken: Vec<_> = (0..6).filter_map(|_| turns.next(3, |index| index != 1)).collect();
        assert_eq!(taken, [0, 2, 0, 2, 0, 2]);
    }

    #[test]
    fn no_server_is_no_turn() {
        let turns = Turns::beginning_with(usize::MAX);
        assert_eq!(turns.next(0, |_| true), None);
        assert_eq!(turns.next(3, |_| false), None);
        assert_eq!(turns.next(3, |index| index == 2), Some(2));
    }
}
