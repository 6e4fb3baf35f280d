//! OCSP responses for the leaves that are served: asked for ahead of time, verified, and kept on disk.

mod ask;
mod cache;
mod disk;
mod entry;
mod hosts;
mod link;
mod stapler;

pub use link::Link;
pub use stapler::Stapler;
