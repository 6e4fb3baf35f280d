//! Socket -> request -> upstream.

mod settings;

pub use settings::{Limits, Settings, Timeouts, UpstreamAddress};
