//! Keys that say more about something that nobody asked for.

use crate::config::error::{Fault, Place, Problem};
use crate::config::layer::Given;

/// A fault at each of `places`: what stands there means nothing.
pub(super) fn alone(
    places: impl IntoIterator<Item = Option<Place>>,
    problem: &str,
    hint: &str,
    faults: &mut Vec<Fault>,
) {
    for place in places.into_iter().flatten() {
        faults.push(Problem::new(problem).hint(hint).at(place));
    }
}

/// Where a key stands, if it does.
pub(super) fn place<T>(given: &Option<Given<T>>) -> Option<Place> {
    given.as_ref().map(|given| given.place.clone())
}

/// Where a key stands that says anything but `default`. The full config file spells defaults out: whoever turns
/// something off in it need not look for all that belongs to it.
pub(super) fn departure<T: PartialEq>(given: &Option<Given<T>>, default: &T) -> Option<Place> {
    given
        .as_ref()
        .filter(|given| given.value != *default)
        .map(|given| given.place.clone())
}
