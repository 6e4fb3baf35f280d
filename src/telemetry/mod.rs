//! Logging, and what metrics are made of.

mod causes;
mod file;
mod human;
pub mod lines;
pub mod log;
pub mod metrics;
mod queue;
pub(crate) mod timestamp;

pub(crate) use causes::Causes;
