//! Every integration test, in one binary: it links once and shares the rig.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    missing_docs,
    reason = "a test fails by panicking, and its rig is read, not published"
)]

mod aia;
mod chain;
mod chain_command;
mod check_command;
mod cli;
mod config;
mod ending;
mod ocsp;
mod proxying;
mod renewal;
mod rig;
mod serving;
mod whole_run;
mod wire;
