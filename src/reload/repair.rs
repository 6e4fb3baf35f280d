//! Repairs chains in the background: looks for what they lack, one search at a time, while the best there is gets served.

use rustls::pki_types::UnixTime;
use tokio::task::JoinHandle;

use super::Lack;
use crate::fetch::{self, Issuers, Outcome};

/// The search for missing issuers.
pub(super) struct Repair {
    issuers: Option<Issuers>,
    running: Option<JoinHandle<Outcome>>,
    /// When it may be worth while to ask again what gave no answer.
    pub(super) retry_at: Option<UnixTime>,
}

impl Repair {
    /// As `settings` say: mostly nothing is fetched.
    pub(super) fn new(settings: &fetch::Settings) -> Self {
        Self {
            issuers: Issuers::of(settings),
            running: None,
            retry_at: None,
        }
    }

    /// Whether anything is to be fetched at all.
    pub(super) fn is_wanted(&self) -> bool {
        self.issuers.is_some()
    }

    /// Begins to look for what is lacking, unless a search is under way: its end brings the next.
    pub(super) fn start(&mut self, lack: Option<Lack>) {
        self.retry_at = None;
        if let (Some(issuers), Some(lack), None) = (&self.issuers, lack, &self.running) {
            let issuers = issuers.clone();
            self.running = Some(tokio::spawn(async move { lack.fetch(&issuers).await }));
        }
    }

    /// Waits for the search that is under way, if there is one. Dropped before, it loses nothing.
    pub(super) async fn outcome(&mut self) -> Outcome {
        let outcome = match &mut self.running {
            Some(running) => running.await,
            None => std::future::pending().await,
        };
        self.running = None;
        let outcome = outcome.unwrap_or_else(|panic| {
            tracing::error!(%panic, "the search for missing issuers failed");
            Outcome::default()
        });
        self.retry_at = outcome.retry_at;
        report(&outcome);
        outcome
    }

    /// Lets everything be asked again: somebody who has mended something asks. May take as long as a slow file system
    /// does.
    pub(super) fn forget_failures(&self) -> impl FnOnce() + Send + use<> {
        let issuers = self.issuers.clone();
        move || issuers.iter().for_each(Issuers::forget_failures)
    }
}

fn report(outcome: &Outcome) {
    for found in &outcome.found {
        let certificate = &found.certificate;
        tracing::info!(
            %certificate, serial = certificate.serial_text(), sha256 = %certificate.fingerprint(), url = found.url,
            "a missing issuer was found where certificates say that it is published"
        );
    }
    for failure in &outcome.failures {
        tracing::warn!(%failure, "a missing issuer was not found");
    }
    if let Some(problem) = &outcome.cache_problem {
        tracing::warn!(%problem, "what was fetched ends with this process");
    }
}
