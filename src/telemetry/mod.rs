//! Logging.

mod causes;
mod file;
mod human;
pub mod lines;
pub mod log;
mod queue;
pub(crate) mod timestamp;

pub(crate) use causes::Causes;
