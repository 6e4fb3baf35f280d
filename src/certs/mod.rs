//! Files -> certificates and keys.

mod settings;

pub use settings::{BundleSettings, Roots, Settings};
