//! `schema`: the JSON Schema of the config file.

use super::{Ending, print};
use crate::config;

pub(super) fn run() -> Ending {
    print(format!("{:#}\n", config::schema().as_value()).as_bytes())
}
