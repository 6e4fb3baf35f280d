//! The reload task: waits for a reason, prepares aside, publishes by one store, and tells what came of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::handle::{Handle, Outcome, Request};
use super::prepare::{self, Event, Prepared};
use super::report::report;
use super::served::{Generation, Served};
use super::survey::Survey;
use super::watch::Watch;
use super::{Error, Plan};
use crate::certs::Files;
use crate::chain::{Sha256, Signatures};
use crate::live::Live;
use crate::tls;

/// How soon files are read again after a reload that kept something: a torn write heals by itself.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// Reads the configuration again. An error, in words, leaves everything as it is.
pub type Reconfigure = Box<dyn FnMut() -> Result<Plan, String> + Send>;

/// Everything that a reload reads and changes.
pub struct Task {
    plan: Plan,
    reconfigure: Reconfigure,
    tickets: tls::Tickets,
    signatures: Arc<Signatures>,
    digest: Sha256,
    snapshot: Arc<Live<tls::Snapshot>>,
    generation: Arc<Live<Generation>>,
    requests: mpsc::Receiver<Request>,
    watch: Watch,
    /// How long to wait after a reload that kept something; `None` after one that did not.
    retry_after: Option<Duration>,
}

/// Why files are read.
enum Trigger {
    /// Somebody asked.
    Asked(Request),
    /// The file system spoke, or the time for a look has come.
    Files,
}

impl Task {
    /// Loads everything for the first time, as of the instant `at`.
    ///
    /// # Errors
    ///
    /// [`Error`] where any certificate cannot be served.
    pub fn start(
        plan: Plan,
        reconfigure: Reconfigure,
        tickets: tls::Tickets,
        at: UnixTime,
    ) -> Result<(Self, Handle), Error> {
        let signatures = Arc::new(Signatures::new());
        let files = Files::read(&plan.certificates);
        let survey = Survey::of(&plan.certificates, &files, plan.reload.policy, at, &signatures);
        let problems: Vec<String> = survey.problems.iter().map(ToString::to_string).collect();
        for problem in &problems {
            tracing::warn!(%problem, "skipped");
        }
        let prepared = prepare::first(survey, &plan.reload, at)?;
        for event in &prepared.events {
            report(event, &prepared.served);
        }
        let identities = prepared.served.iter().map(|served| served.identity.clone()).collect();
        let snapshot = tls::Snapshot::new(identities, &tickets, &plan.tls)?;
        let (handle, requests) = Handle::new();
        let mut watch = Watch::new(plan.reload.watch);
        watch.follow(files.directories_to_watch().iter().cloned());
        let task = Self {
            digest: files.digest(),
            snapshot: Arc::new(Live::new(snapshot)),
            generation: Arc::new(Live::new(Generation {
                served: prepared.served,
                problems,
                read_at: at,
            })),
            plan,
            reconfigure,
            tickets,
            signatures,
            requests,
            watch,
            retry_after: None,
        };
        Ok((task, handle))
    }

    /// What handshakes see.
    pub fn snapshot(&self) -> &Arc<Live<tls::Snapshot>> {
        &self.snapshot
    }

    /// What is served, for people.
    pub fn generation(&self) -> &Arc<Live<Generation>> {
        &self.generation
    }

    /// Reloads whenever there is a reason to, until the last [`Handle`] is gone.
    pub async fn run(mut self) {
        while let Some(trigger) = self.next().await {
            match trigger {
                Trigger::Files => {
                    self.reload(false).await;
                }
                Trigger::Asked(request) => {
                    let outcome = self.reconfigure_and_reload(request.force).await;
                    let _ = request.answer.send(outcome);
                }
            }
        }
    }

    async fn next(&mut self) -> Option<Trigger> {
        let settings = &self.plan.reload;
        let interval = self
            .retry_after
            .map_or(settings.poll_interval, |retry| retry.min(settings.poll_interval));
        let poll = async {
            match settings.watch {
                true => sleep_until(Instant::now() + interval).await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            request = self.requests.recv() => request.map(Trigger::Asked),
            () = self.watch.settled_change(settings.debounce) => Some(Trigger::Files),
            () = poll => Some(Trigger::Files),
        }
    }

    async fn reconfigure_and_reload(&mut self, force: bool) -> Outcome {
        match (self.reconfigure)() {
            Ok(plan) => {
                if plan != self.plan {
                    // What is on disk is judged anew under other settings.
                    self.digest = Sha256::of(b"");
                    self.plan = plan;
                }
            }
            Err(reason) => {
                tracing::error!(%reason, "the configuration cannot be read: the one in use stays");
                return Outcome::Kept(vec![reason]);
            }
        }
        self.reload(force).await
    }

    async fn reload(&mut self, force: bool) -> Outcome {
        let previous = self.generation.current();
        // Where the last good state was kept, time alone may change the answer: it may have expired.
        let any_kept = previous.served.iter().any(|served| served.kept_because.is_some());
        let unchanged = (!force && !any_kept).then_some(self.digest);
        let (plan, signatures, served) = (self.plan.clone(), self.signatures.clone(), previous.clone());
        let at = UnixTime::now();
        // Reading and verifying may take a while; the admin listener shares this thread.
        let prepared =
            tokio::task::spawn_blocking(move || read(&plan, &signatures, &served, unchanged, force, at)).await;
        let Read {
            digest,
            directories,
            prepared,
        } = match prepared {
            Ok(read) => read,
            Err(panic) => {
                tracing::error!(%panic, "a reload failed: everything stays as it is");
                return Outcome::Kept(vec!["the reload failed; see the log".to_owned()]);
            }
        };
        self.watch.follow(directories);
        let Some((prepared, mut problems)) = prepared else {
            return Outcome::Unchanged;
        };
        self.digest = digest;
        let is_news = |problem: &&String| !previous.problems.contains(problem);
        for problem in problems.iter().filter(is_news) {
            tracing::warn!(%problem, "skipped");
        }
        for problem in prepared.refused.iter().filter(is_news) {
            tracing::error!(%problem, "a new certificate is not served");
        }
        problems.extend(prepared.refused.iter().cloned());
        self.publish(prepared, problems, at)
    }

    /// Phase two: the one store that makes everything visible.
    fn publish(&mut self, prepared: Prepared, problems: Vec<String>, at: UnixTime) -> Outcome {
        let Prepared {
            served,
            events,
            refused,
        } = prepared;
        let identities = served.iter().map(|served| served.identity.clone()).collect();
        match tls::Snapshot::new(identities, &self.tickets, &self.plan.tls) {
            Ok(snapshot) => self.snapshot.publish(snapshot),
            Err(error) => {
                tracing::error!(%error, "a reload failed: everything stays as it is");
                return Outcome::Kept(vec![error.to_string()]);
            }
        };
        let previous = self.generation.publish(Generation {
            served,
            problems,
            read_at: at,
        });
        let current = self.generation.current();
        let is_news = |event: &&Event| match event {
            Event::Kept(place) => {
                let kept = &current.served[*place];
                let told = |before: &Served| before.source == kept.source && before.kept_because == kept.kept_because;
                !previous.served.iter().any(told)
            }
            _ => true,
        };
        let sentence = |event: &Event| report(event, &current.served);
        let is_kept = |event: &Event| matches!(event, Event::Kept(_));
        let any_kept = events.iter().any(is_kept);
        let longest = self.plan.reload.poll_interval;
        let next_retry = |retry: Duration| (retry * 2).min(longest);
        self.retry_after = any_kept.then(|| self.retry_after.map_or(FIRST_RETRY, next_retry));
        let mut sentences: Vec<String> = events.iter().filter(is_news).map(sentence).collect();
        let kept = || {
            let still = current.served.iter().filter_map(|served| served.kept_because.clone());
            still.collect::<Vec<_>>()
        };
        if any_kept && sentences.is_empty() {
            sentences = kept();
        }
        let any_refused = !refused.is_empty();
        sentences.extend(refused);
        match (any_kept || any_refused, sentences.is_empty()) {
            (true, _) => Outcome::Kept(sentences),
            (false, true) => Outcome::Unchanged,
            (false, false) => Outcome::Changed(sentences),
        }
    }
}

/// What one look at the files gave.
struct Read {
    digest: Sha256,
    directories: Vec<PathBuf>,
    /// `None` where the files are those of `unchanged`.
    prepared: Option<(Prepared, Vec<String>)>,
}

fn read(
    plan: &Plan,
    signatures: &Signatures,
    previous: &Generation,
    unchanged: Option<Sha256>,
    force: bool,
    at: UnixTime,
) -> Read {
    let files = Files::read(&plan.certificates);
    let digest = files.digest();
    let prepared = (unchanged != Some(digest)).then(|| {
        let survey = Survey::of(&plan.certificates, &files, plan.reload.policy, at, signatures);
        let problems = survey.problems.iter().map(ToString::to_string).collect();
        (
            prepare::again(survey, &previous.served, &plan.reload, force, at),
            problems,
        )
    });
    Read {
        digest,
        directories: files.directories_to_watch().iter().cloned().collect(),
        prepared,
    }
}
