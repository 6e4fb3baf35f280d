//! Temporary.

use super::Ending;
use super::arguments::DemoArguments;

pub(super) fn run(_: &DemoArguments) -> Ending {
    Ending::Bad
}
