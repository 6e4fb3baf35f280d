//! Logging.

pub mod log;
