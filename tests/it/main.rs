//! Every integration test, in one binary: it links once and shares the rig.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    missing_docs,
    reason = "a test fails by panicking, and its rig is read, not published"
)]

mod access_log;
mod admin;
mod aia;
mod certificate_directory;
mod chain;
mod chain_command;
mod check_command;
mod cli;
mod client_auth;
mod config;
mod documented_json;
mod documents;
mod drop_in;
mod ending;
mod file_names;
mod hardening;
mod identities;
mod inspect_advice;
mod inspect_command;
mod metrics;
mod misdirected;
mod ocsp;
mod proxying;
mod real_peers;
mod renewal;
mod rig;
mod service_manager;
mod serving;
mod smuggling;
mod socket_activation;
mod systemd_units;
mod tickets;
mod upgrade;
mod whole_run;
mod wire;
