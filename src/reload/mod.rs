//! Disk -> snapshot.

mod handle;
mod settings;

pub use handle::{Handle, Outcome};
pub use settings::Settings;
