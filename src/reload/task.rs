//! The reload task: waits for a reason, prepares aside, publishes by one store, and tells what came of it.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use tokio::time::{Instant, sleep_until};

use super::handle::{Handle, Outcome, Request, Requests};
use super::prepare::{self, Event, Prepared};
use super::read::{Read, read};
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
    /// Of the files that what is served was made of, or was kept in spite of; `None` where they are to be judged anew.
    digest: Option<Sha256>,
    /// From this instant on, the same files may give another answer.
    until: Option<UnixTime>,
    /// What is configured and was refused, for whoever asks again while the files are the same.
    refused: Vec<String>,
    snapshot: Arc<Live<tls::Snapshot>>,
    generation: Arc<Live<Generation>>,
    requests: Requests,
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
        let survey = Survey::of(&plan.certificates, &files, &plan.reload, at, &signatures);
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
            digest: Some(files.digest()),
            until: prepared.until,
            refused: prepared.refused,
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
                    request.answer(&outcome);
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
            request = self.requests.next() => request.map(Trigger::Asked),
            () = self.watch.settled_change(settings.debounce) => Some(Trigger::Files),
            () = poll => Some(Trigger::Files),
        }
    }

    async fn reconfigure_and_reload(&mut self, force: bool) -> Outcome {
        match (self.reconfigure)() {
            Ok(plan) => {
                if plan != self.plan {
                    // What is on disk is judged anew under other settings.
                    self.digest = None;
                    if plan.reload.watch != self.plan.reload.watch {
                        self.watch = Watch::new(plan.reload.watch);
                    }
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
        let at = UnixTime::now();
        let is_due = self.until.is_some_and(|until| at.as_secs() >= until.as_secs());
        let unchanged = self.digest.filter(|_| !force && !is_due);
        let (plan, signatures, served) = (self.plan.clone(), self.signatures.clone(), previous.clone());
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
            self.retry_after = self.retry_after.map(|retry| self.next_retry(retry));
            return self.standing(&previous);
        };
        let is_news = |problem: &&String| !previous.problems.contains(problem);
        for problem in problems.iter().filter(is_news) {
            tracing::warn!(%problem, "skipped");
        }
        for problem in prepared.refused.iter().filter(is_news) {
            tracing::error!(%problem, "a new certificate is not served");
        }
        problems.extend(prepared.refused.iter().cloned());
        match self.publish(prepared, problems, digest, at) {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::error!(%error, "a reload failed: everything stays as it is");
                Outcome::Kept(vec![error.to_string()])
            }
        }
    }

    /// What there is to say where the files are the same as before.
    fn standing(&self, current: &Generation) -> Outcome {
        let kept = current.served.iter().filter_map(|served| served.kept_because.clone());
        let sentences: Vec<_> = kept.chain(self.refused.iter().cloned()).collect();
        match sentences.is_empty() {
            true => Outcome::Unchanged,
            false => Outcome::Kept(sentences),
        }
    }

    fn next_retry(&self, retry: Duration) -> Duration {
        (retry * 2).min(self.plan.reload.poll_interval)
    }

    /// Phase two: the one store that makes everything visible.
    fn publish(
        &mut self,
        prepared: Prepared,
        problems: Vec<String>,
        digest: Sha256,
        at: UnixTime,
    ) -> Result<Outcome, tls::Error> {
        let Prepared {
            served,
            events,
            refused,
            until,
        } = prepared;
        let identities = served.iter().map(|served| served.identity.clone()).collect();
        self.snapshot
            .publish(tls::Snapshot::new(identities, &self.tickets, &self.plan.tls)?);
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
        // What was kept beside something that changed may be judged otherwise next to that.
        let is_settled = !any_kept || events.iter().all(is_kept);
        self.digest = is_settled.then_some(digest);
        (self.until, self.refused) = (until, refused.clone());
        let retry = self.retry_after.map_or(FIRST_RETRY, |retry| self.next_retry(retry));
        self.retry_after = any_kept.then_some(retry);
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
        Ok(match (any_kept || any_refused, sentences.is_empty()) {
            (true, _) => Outcome::Kept(sentences),
            (false, true) => Outcome::Unchanged,
            (false, false) => Outcome::Changed(sentences),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::certs::{self, BundleSettings, Roots};
    use crate::chain::Policy;
    use crate::reload::Settings;

    fn plan(directory: &Path) -> Plan {
        Plan {
            certificates: certs::Settings {
                bundles: vec![BundleSettings {
                    certificate: directory.join("tls.crt"),
                    key: Some(directory.join("tls.key")),
                    password_file: None,
                    staple: None,
                    allow_ca_leaf: false,
                }],
                roots: Roots::None,
                ..certs::Settings::default()
            },
            tls: tls::Settings {
                handshake_timeout: Duration::from_secs(10),
                strict_sni: false,
            },
            reload: Settings {
                strict: false,
                policy: Policy::Short,
                send_intermediate_anchor: true,
                watch: false,
                poll_interval: Duration::from_secs(30),
                debounce: Duration::ZERO,
                allow_worse: false,
            },
        }
    }

    #[tokio::test]
    async fn what_is_kept_is_judged_again_only_when_files_or_time_say_so() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        let key = KeyPair::generate().unwrap();
        let pem = || {
            CertificateParams::new(vec!["a.test".to_owned()])
                .unwrap()
                .self_signed(&key)
                .unwrap()
                .pem()
        };
        write("tls.key", &key.serialize_pem());
        write("tls.crt", &pem());
        let plan = plan(directory.path());
        let reconfigure = Box::new(|| Err(String::new()));
        let tickets = tls::Tickets::new().unwrap();
        let (mut task, _handle) = Task::start(plan, reconfigure, tickets, UnixTime::now()).unwrap();

        write("tls.crt", "torn");
        assert!(matches!(task.reload(false).await, Outcome::Kept(_)));
        let kept = task.generation.current();
        assert!(matches!(task.reload(false).await, Outcome::Kept(_)));
        assert!(Arc::ptr_eq(&task.generation.current(), &kept));
        assert_eq!(task.retry_after, Some(FIRST_RETRY * 2));

        task.until = Some(UnixTime::now());
        assert!(matches!(task.reload(false).await, Outcome::Kept(_)));
        assert!(!Arc::ptr_eq(&task.generation.current(), &kept));

        write("tls.crt", &pem());
        assert!(matches!(task.reload(false).await, Outcome::Changed(_)));
        assert_eq!((task.reload(false).await, task.retry_after), (Outcome::Unchanged, None));
    }
}
