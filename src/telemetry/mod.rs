//! Logging.

mod human;
pub mod log;
mod queue;
mod timestamp;
