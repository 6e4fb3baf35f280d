//! Integration tests: one binary, one rig.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests may panic as tests do; clippy knows only the latter"
)]

mod proxying;
mod rig;
