//! Missing issuers fetched from outside: from honest responders, and from every other kind.

mod cache;
mod client;
mod commands;
mod issuers;
mod serving;
mod survey;

use std::time::Duration;

use fullchain::fetch::{Cache, Client, Deadlines, Issuers, Outcome};

use crate::rig::pki::Scene;

/// Long enough for a loaded machine to answer on loopback, short enough to wait for in a test.
const SHORT: Deadlines = Deadlines {
    connect: Duration::from_secs(1),
    whole: Duration::from_secs(2),
};

/// Asks loopback too, where the responders of tests are.
fn issuers(cache: Cache) -> Issuers {
    Issuers::new(Client::new(true).within(SHORT), cache)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

/// What `issuers` find for the scene's leaf.
fn find(issuers: &Issuers, scene: &Scene) -> Outcome {
    scene.with(|leaf, store, context| block_on(issuers.find(std::slice::from_ref(leaf), store.clone(), context)))
}

/// The scene with what was found in its store.
fn completed(scene: Scene, outcome: &Outcome) -> Scene {
    let found: Vec<_> = outcome.found.iter().map(|found| found.certificate.clone()).collect();
    scene.certificates(found, [])
}

/// The reasons of the failures, in words.
fn reasons(outcome: &Outcome) -> Vec<String> {
    outcome
        .failures
        .iter()
        .map(|failure| failure.reason.to_string())
        .collect()
}
