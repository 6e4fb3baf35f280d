//! What tests are made of.

pub(crate) mod access;
pub(crate) mod browser;
pub(crate) mod chromium;
pub(crate) mod client;
pub(crate) mod command;
pub(crate) mod curl;
pub(crate) mod directory;
pub(crate) mod estate;
pub(crate) mod exchange;
pub(crate) mod family;
pub(crate) mod frames;
pub(crate) mod handshake;
pub(crate) mod house;
pub(crate) mod hyper_upstream;
pub(crate) mod ntlm;
pub(crate) mod ocsp;
pub(crate) mod openssl;
pub(crate) mod peer;
pub(crate) mod pki;
pub(crate) mod plain;
pub(crate) mod proxy;
pub(crate) mod responder;
pub(crate) mod scrape;
pub(crate) mod service_manager;
pub(crate) mod strict;
pub(crate) mod upstream;
pub(crate) mod web_server;

use std::time::{Duration, Instant};

/// How long a test waits for something that should happen at once. Long enough for a loaded machine, short enough to
/// end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until `condition` holds, for [`PATIENCE`] at most.
#[track_caller]
pub(crate) fn eventually(what: &str, condition: impl FnMut() -> bool) {
    eventually_within(PATIENCE, what, condition);
}

/// Waits until `condition` holds, for `patience` at most: for what takes a while even on an idle machine.
#[track_caller]
pub(crate) fn eventually_within(patience: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < patience, "not in {patience:?}: {what}");
        pause();
    }
}

/// Lets others have the processor between two looks at a condition.
pub(crate) fn pause() {
    std::thread::park_timeout(Duration::from_millis(2));
}
