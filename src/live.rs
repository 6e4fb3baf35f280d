//! The one cell that changes.
//!
//! Whatever becomes visible to a handshake does so as a new value in a [`Live`]. The value before it is the last-good
//! store: whoever publishes gets it back, so there is no second cache to keep in step.

use std::sync::Arc;

use arc_swap::ArcSwap;

/// Holds the current `T` for any number of readers; a reader never waits.
#[derive(Debug)]
pub struct Live<T> {
    cell: ArcSwap<T>,
}

impl<T> Live<T> {
    /// A cell that starts with `value`.
    pub fn new(value: T) -> Self {
        Self {
            cell: ArcSwap::from_pointee(value),
        }
    }

    /// The value of this instant. It stays whole for as long as the caller keeps it, whatever is published meanwhile.
    pub fn current(&self) -> Arc<T> {
        self.cell.load_full()
    }

    /// What `look` makes of the value of this instant. Cheaper than [`current`](Self::current): nothing is counted that
    /// other threads count too. It is not to take long.
    pub fn with<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.cell.load())
    }

    /// Makes `next` the current value and returns the one it replaces.
    pub fn publish(&self, next: T) -> Arc<T> {
        self.cell.swap(Arc::new(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishing_returns_the_previous_value_and_leaves_readers_theirs() {
        let live = Live::new(1);
        let held = live.current();
        assert_eq!(*live.publish(2), 1);
        assert_eq!((*held, *live.current(), live.with(|value| *value)), (1, 2, 2));
    }
}
