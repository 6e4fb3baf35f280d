//! What tests are made of.

pub(crate) mod client;
pub(crate) mod proxy;
pub(crate) mod upstream;

use std::time::Duration;

/// How long a test waits for something that should happen at once. Long enough for a loaded machine, short enough to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
