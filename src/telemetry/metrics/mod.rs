//! What is counted, and how Prometheus reads it.
//!
//! Rooms have their own structures of these and write them when asked; there is no list of everything that all would have
//! to know, and nothing is looked up by name on the way of a request.
//!
//! ```text
//! counter     a number that grows, one that goes up and down, and what holds the latter up
//! histogram   how often something took how long
//! series      the same numbers for each route, server ..., and apart for each worker
//! exposition  the text
//! process     what the operating system knows of this process
//! ```

mod counter;
mod exposition;
mod histogram;
mod process;
mod series;

pub(crate) use counter::{Counter, Gauge, Raised, SharedCounter};
pub use exposition::{Exposition, Kind, Metric};
pub(crate) use histogram::{Distribution, Histogram};
pub use process::Process;
pub(crate) use series::{PerWorker, Series};
