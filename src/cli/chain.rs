//! Temporary.

use super::Ending;
use super::arguments::ChainArguments;

pub(super) fn run(_: &ChainArguments) -> Ending {
    Ending::Bad
}
