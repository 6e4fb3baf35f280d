//! Repairs chains in the background: looks for what they lack, one search at a time, while the best there is gets served.

use std::time::Duration;

use rustls::pki_types::UnixTime;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until};

use super::Lack;
use crate::fetch::{self, Issuers, Outcome};

/// What is found within this time is served together: after a start there may be thousands.
const GATHER: Duration = Duration::from_secs(1);

/// The search for missing issuers.
pub(super) struct Repair {
    issuers: Option<Issuers>,
    running: Option<Running>,
    /// What came up while a search was running, for the next one.
    next: Option<Lack>,
    /// When it may be worth while to ask again what gave no answer.
    pub(super) retry_at: Option<UnixTime>,
}

/// A search under way.
struct Running {
    parts: UnboundedReceiver<Outcome>,
    /// What came since it was last told.
    gathered: Outcome,
    tell_at: Option<Instant>,
    worker: JoinHandle<()>,
}

impl Repair {
    /// As `settings` say: mostly nothing is fetched. What is, is counted in `metrics`.
    pub(super) fn new(settings: &fetch::Settings, metrics: &fetch::Metrics) -> Self {
        Self {
            issuers: Issuers::of(settings).map(|issuers| issuers.counting(metrics.clone())),
            running: None,
            next: None,
            retry_at: None,
        }
    }

    /// Whether anything is to be fetched at all.
    pub(super) fn is_wanted(&self) -> bool {
        self.issuers.is_some()
    }

    /// Looks for what is lacking: now, or after the search that is under way.
    pub(super) fn start(&mut self, lack: Option<Lack>) {
        self.retry_at = None;
        self.next = lack;
        if self.running.is_none() {
            self.begin();
        }
    }

    fn begin(&mut self) {
        if let (Some(issuers), Some(lack)) = (&self.issuers, self.next.take()) {
            self.retry_at = None;
            let (issuers, runtime) = (issuers.clone(), Handle::current());
            let (sender, parts) = mpsc::unbounded_channel();
            self.running = Some(Running {
                parts,
                gathered: Outcome::default(),
                tell_at: None,
                // Thousands of chains take a while to assemble, and the admin listener shares this thread.
                worker: spawn_blocking(move || runtime.block_on(lack.fetch_in_parts(&issuers, sender))),
            });
        }
    }

    /// Waits for what the search that is under way finds, if there is one: for a part of it, or for the end. Dropped
    /// before, it loses nothing.
    pub(super) async fn outcome(&mut self) -> Outcome {
        let Some(running) = &mut self.running else {
            return std::future::pending().await;
        };
        let (outcome, has_ended) = running.outcome().await;
        self.retry_at = [self.retry_at, outcome.retry_at]
            .into_iter()
            .flatten()
            .min_by_key(UnixTime::as_secs);
        if has_ended {
            self.running = None;
            self.begin();
        }
        report(&outcome);
        outcome
    }

    /// Lets everything be asked again: somebody who has mended something asks. Tells whether there was anything. May
    /// take as long as a slow file system does.
    pub(super) fn forget_failures(&self, at: UnixTime) -> impl FnOnce() -> bool + Send + use<> {
        let issuers = self.issuers.clone();
        move || issuers.is_some_and(|issuers| issuers.forget_failures(at))
    }
}

impl Running {
    /// What came, and whether it is the last.
    async fn outcome(&mut self) -> (Outcome, bool) {
        loop {
            let tell_at = self.tell_at;
            let tell = async {
                match tell_at {
                    Some(instant) => sleep_until(instant).await,
                    None => std::future::pending().await,
                }
            };
            let part = tokio::select! {
                part = self.parts.recv() => part,
                () = tell => {
                    self.tell_at = None;
                    return (std::mem::take(&mut self.gathered), false);
                }
            };
            let Some(part) = part else { break };
            self.tell_at.get_or_insert_with(|| Instant::now() + GATHER);
            self.gathered.add(part);
        }
        if let Err(panic) = (&mut self.worker).await {
            tracing::error!(%panic, "the search for missing issuers failed");
        }
        (std::mem::take(&mut self.gathered), true)
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
