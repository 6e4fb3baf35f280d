//! Whose turn it is.

use std::cell::Cell;

/// Takes the upstreams in turn.
#[derive(Debug, Default)]
pub(super) struct RoundRobin {
    next: Cell<usize>,
}

impl RoundRobin {
    /// The indices of `count` upstreams, each once, beginning with the one whose turn it is.
    pub(super) fn order(&self, count: usize) -> impl Iterator<Item = usize> + use<> {
        let first = self.next.get();
        self.next.set(first.wrapping_add(1));
        (0..count).map(move |step| first.wrapping_add(step) % count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_begins_with_the_next_upstream_and_tries_all() {
        let turn = RoundRobin::default();
        let orders: Vec<Vec<usize>> = (0..4).map(|_| turn.order(3).collect()).collect();
        assert_eq!(orders, [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]);
    }

    #[test]
    fn no_upstream_is_no_turn() {
        assert_eq!(RoundRobin::default().order(0).count(), 0);
    }
}
