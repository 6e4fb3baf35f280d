//! OCSP responses for the leaves that are served: asked for ahead of time, verified, and kept on disk.

mod ask;
mod cache;
mod entry;
mod stapler;

pub use ask::{Error, ask};
pub use stapler::{Link, Stapler};
