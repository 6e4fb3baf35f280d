//! The reload task: waits for a reason, prepares aside, publishes by one store, and tells what came of it.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, sleep_until, timeout};

use super::clock::Clock;
use super::endings::Endings;
use super::handle::{Handle, Outcome, Request, Requests};
use super::history::{Cause, History};
use super::metrics::Metrics;
use super::prepare;
use super::publish::{FIRST_RETRY, identities, warn_if_none};
use super::read::{Occasion, Read, read};
use super::repair::Repair;
use super::report::{report, report_out_of_reach};
use super::served::Generation;
use super::staples::Staples;
use super::surveyor::Surveyor;
use super::trust_endings::TrustEndings;
use super::watch::Watch;
use super::{Error, Lack, Plan, Reconfiguration, client_auth, tickets};
use crate::certs::Look;
use crate::live::Live;
use crate::{fetch, tls};

/// Reads the configuration again. An error, in words, leaves everything as it is.
pub type Reconfigure = Box<dyn FnMut() -> Result<Reconfiguration, String> + Send>;

/// Why nothing has changed, in sentences.
type Faults = Vec<String>;

/// How long a reload waits for the disk with what was fetched: as long as the staples do.
const CACHE_PATIENCE: Duration = Duration::from_secs(5);

/// Everything that a reload reads and changes.
pub struct Task {
    pub(super) plan: Plan,
    /// Those of this process, for where none are shared.
    tickets: tls::Tickets,
    pub(super) clock: Clock,
    /// What is remembered of the files; `None` while a reload has it, and after one that failed.
    surveyor: Option<Surveyor>,
    /// What is served was made of the files as they are, or kept in spite of them: they need not be judged anew.
    pub(super) is_settled: bool,
    /// From this instant on, the same files may give another answer.
    pub(super) until: Option<UnixTime>,
    pub(super) repair: Repair,
    /// What the chains of the start lack, until the search for it begins.
    lack: Option<Lack>,
    pub(super) staples: Staples,
    pub(super) endings: Endings,
    pub(super) trust_endings: TrustEndings,
    /// When there will be an end to speak of.
    pub(super) next_ending: Option<UnixTime>,
    /// Why a configuration that was asked for is not in force yet: files that it names are not as they should be. It is
    /// tried again with them.
    awaited: Option<Faults>,
    /// What is configured and was refused, for whoever asks again while the files are the same.
    pub(super) refused: Vec<String>,
    pub(super) snapshot: Arc<Live<tls::Snapshot>>,
    pub(super) generation: Arc<Live<Generation>>,
    metrics: Arc<Metrics>,
    /// What came of the latest reloads.
    history: History,
    requests: Requests,
    watch: Watch,
    /// How long to wait after a reload that kept something or failed; `None` after one that did not.
    pub(super) retry_after: Option<Duration>,
    /// When to look at every file without being told to. Nothing but such a look puts it off.
    next_poll: Instant,
}

/// Why there is something to do.
enum Trigger {
    /// Somebody asked.
    Asked(Request),
    /// The file system spoke, or the time for a look has come.
    Files(Look),
    /// A search for missing issuers has ended.
    Found(fetch::Outcome),
    /// Staples were fetched, or are no longer good.
    Staples,
    /// An instant has come from which the same files may give another answer.
    Time,
}

impl Trigger {
    /// Why there is a reload; `None` where there is none.
    fn cause(&self) -> Option<Cause> {
        match self {
            Self::Asked(_) => Some(Cause::Asked),
            Self::Files(_) => Some(Cause::Files),
            Self::Found(_) => Some(Cause::Found),
            Self::Staples => None,
            Self::Time => Some(Cause::Time),
        }
    }
}

impl Task {
    /// Loads everything for the first time. Session tickets are under the keys of `tickets` where replicas share none.
    ///
    /// # Errors
    ///
    /// [`Error`] where any certificate cannot be served.
    pub fn start(plan: Plan, tickets: tls::Tickets, clock: Clock) -> Result<(Self, Handle), Error> {
        let at = clock.now();
        let mut surveyor = Surveyor::new(plan.certificates.clone(), plan.reload);
        let survey = surveyor.survey(at);
        let mut problems = survey.all_problems();
        for problem in &problems {
            tracing::warn!(%problem, "skipped");
        }
        let fetches = fetch::Metrics::default();
        let repair = Repair::new(&plan.fetch, &fetches);
        let lack = repair.is_wanted().then(|| surveyor.lack(&survey, at)).flatten();
        let client_auth = client_auth::first(&plan.client_auth, &survey.client_trust, at).map_err(Error::ClientAuth)?;
        let tickets_in_force = tickets::first(survey.tickets.as_ref(), &tickets, &clock, at).map_err(Error::Tickets)?;
        let mut prepared = prepare::first(survey, &plan.reload, at)?;
        // What the last process kept is read in the background: a start waits for no cache.
        let mut staples = Staples::new(&plan.fetch, &fetches, &clock);
        staples.follow(&prepared.served);
        staples.put_on(&mut prepared.served, at);
        for problem in &prepared.refused {
            tracing::error!(%problem, "a certificate is not served");
        }
        problems.extend(prepared.refused.iter().cloned());
        for event in &prepared.events {
            report(event, &prepared.served);
        }
        warn_if_none(&prepared.served);
        report_out_of_reach(&[], &prepared.served);
        let (mut endings, mut trust_endings) = (Endings::default(), TrustEndings::default());
        let next_endings = [endings.tell(&prepared.served, at), trust_endings.tell(&client_auth, at)];
        let next_ending = next_endings.into_iter().flatten().min_by_key(UnixTime::as_secs);
        let snapshot = tls::Snapshot::new(identities(&prepared.served), tickets_in_force.tls(), &plan.tls)?;
        let snapshot = snapshot.with_client_auth(Arc::clone(client_auth.tls()));
        let (handle, requests) = Handle::new();
        let mut watch = Watch::new(plan.reload.watch);
        watch.follow(surveyor.directories_to_watch(), &Look::Everywhere);
        let generation = Arc::new(Live::new(Generation {
            served: prepared.served,
            client_auth,
            tickets: tickets_in_force,
            problems,
            read_at: at,
        }));
        let task = Self {
            metrics: Arc::new(Metrics::new(at, Arc::clone(&generation), fetches)),
            surveyor: Some(surveyor),
            next_poll: Instant::now() + plan.reload.poll_interval,
            is_settled: true,
            until: prepared.until,
            repair,
            staples,
            lack,
            endings,
            trust_endings,
            next_ending,
            awaited: None,
            refused: prepared.refused,
            snapshot: Arc::new(Live::new(snapshot)),
            generation,
            plan,
            tickets,
            clock,
            history: History::default(),
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

    /// The directories in which its files were found, those that links lead through among them.
    pub fn directories(&self) -> BTreeSet<PathBuf> {
        let surveyor = self.surveyor.as_ref();
        surveyor.map_or_else(BTreeSet::new, |surveyor| surveyor.directories_to_watch().clone())
    }

    /// What is served, for people.
    pub fn generation(&self) -> &Arc<Live<Generation>> {
        &self.generation
    }

    /// What is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// What came of the latest reloads, for people.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Reloads whenever there is a reason to, until the last [`Handle`] is gone. Who asks for it has the configuration read
    /// again by `reconfigure`.
    pub async fn run(mut self, mut reconfigure: Reconfigure) {
        self.repair.start(self.lack.take());
        while let Some(trigger) = self.next().await {
            let cause = trigger.cause();
            let mut asked = None;
            let outcome = match trigger {
                Trigger::Files(_) if self.awaited.is_some() => {
                    Some(self.reconfigure_and_reload(&mut reconfigure, false).await)
                }
                Trigger::Files(look) => Some(self.reload(look, false).await),
                Trigger::Found(outcome) => self.learn(outcome).await,
                Trigger::Staples => {
                    self.put_on_staples();
                    None
                }
                Trigger::Time => Some(self.reload(Look::Nowhere, false).await),
                Trigger::Asked(request) => {
                    let outcome = self.reconfigure_and_reload(&mut reconfigure, request.force).await;
                    asked = Some(request);
                    Some(outcome)
                }
            };
            if let Some((cause, outcome)) = cause.zip(outcome) {
                let now = self.clock.now();
                self.metrics.reloaded(&outcome, now);
                self.history.note(now, cause, &outcome);
                // Whoever asked finds it noted.
                asked.into_iter().for_each(|request: Request| request.answer(&outcome));
            }
        }
    }

    async fn next(&mut self) -> Option<Trigger> {
        let settings = &self.plan.reload;
        let poll = async {
            match settings.watch {
                true => sleep_until(self.next_poll).await,
                false => std::future::pending().await,
            }
        };
        let instants = [self.until, self.next_ending, self.repair.retry_at];
        let next_instant = instants.into_iter().flatten().min_by_key(UnixTime::as_secs);
        let due = async {
            match next_instant {
                Some(instant) => self.clock.reach(instant).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            request = self.requests.next() => request.map(Trigger::Asked),
            look = self.watch.settled_change(settings.debounce) => Some(Trigger::Files(look)),
            () = poll => Some(Trigger::Files(Look::Everywhere)),
            () = due => Some(Trigger::Time),
            outcome = self.repair.outcome() => Some(Trigger::Found(outcome)),
            () = self.staples.changed() => Some(Trigger::Staples),
        }
    }

    /// Where anything is wrong with a changed configuration, nothing of it takes effect: half of it may be worse than none.
    async fn reconfigure_and_reload(&mut self, reconfigure: &mut Reconfigure, force: bool) -> Outcome {
        let Reconfiguration { plan, commit } = match reconfigure() {
            Ok(reconfiguration) => reconfiguration,
            Err(reason) => {
                tracing::error!(%reason, "the configuration cannot be used: the one in force stays");
                self.awaited = None;
                return Outcome::Refused(vec![reason]);
            }
        };
        let is_new = plan != self.plan;
        let before = self.adopt(plan);
        self.staples.forget_failures();
        let forget = self.repair.forget_failures(self.clock.now());
        // A panic there leaves what failed to be asked later.
        let forgot = self.beside_staples(tokio::task::spawn_blocking(forget));
        // Where the disk with the cache does not answer, files are still to be read.
        let forgot = timeout(CACHE_PATIENCE, forgot).await;
        if forgot.is_ok_and(Result::unwrap_or_default) {
            // A survey says who is to ask again.
            self.is_settled = false;
        }
        match self.try_to_reload(Look::Everywhere, force, is_new).await {
            Ok(outcome) => {
                self.awaited = None;
                outcome.with(commit())
            }
            Err(faults) if is_new => {
                self.adopt(before);
                self.reload(Look::Everywhere, false).await;
                self.await_files(&faults);
                Outcome::Refused(faults)
            }
            Err(faults) => Outcome::Refused(faults),
        }
    }

    /// Notes that the configuration that was asked for is to be tried again when its files may be as they should.
    fn await_files(&mut self, faults: &Faults) {
        if self.awaited.as_ref() != Some(faults) {
            let reasons = faults.join("; ");
            tracing::error!(
                reasons,
                "the new configuration is not in force: it is tried again when its files change"
            );
        }
        self.awaited = Some(faults.clone());
        let retry = self.retry_after.map_or(FIRST_RETRY, |retry| self.next_retry(retry));
        self.retry_after = Some(retry);
        self.next_poll = self.next_poll.min(Instant::now() + retry);
    }

    /// From now on works by `plan`; the one before.
    fn adopt(&mut self, plan: Plan) -> Plan {
        if plan != self.plan {
            // What is on disk is judged anew under other settings.
            self.is_settled = false;
            if plan.reload.watch != self.plan.reload.watch {
                self.watch = Watch::new(plan.reload.watch);
            }
            if plan.fetch != self.plan.fetch {
                self.repair = Repair::new(&plan.fetch, self.metrics.fetches());
                self.staples.reconfigure(&plan.fetch);
            }
            if let (false, Some(surveyor)) = (self.repair.is_wanted(), &mut self.surveyor) {
                surveyor.unlearn();
            }
        }
        std::mem::replace(&mut self.plan, plan)
    }

    async fn learn(&mut self, outcome: fetch::Outcome) -> Option<Outcome> {
        let found = outcome.found.into_iter().map(|found| found.certificate);
        let is_news = self.surveyor.as_mut().is_some_and(|surveyor| surveyor.learn(found));
        if !is_news {
            return None;
        }
        self.is_settled = false;
        Some(self.reload(Look::Nowhere, false).await)
    }

    /// Waits for `work`, which may take as long as a slow file system does. Staples come and go meanwhile.
    async fn beside_staples<T>(&mut self, mut work: JoinHandle<T>) -> Result<T, JoinError> {
        loop {
            let (now, current) = (self.clock.now(), self.generation.current());
            let end = current.next_staple_end(now);
            let ended = async {
                match end {
                    Some(end) => self.clock.reach(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                done = &mut work => return done,
                () = self.staples.changed() => {}
                () = ended => {}
            }
            self.put_on_staples();
        }
    }

    async fn reload(&mut self, look: Look, force: bool) -> Outcome {
        let outcome = self.try_to_reload(look, force, false).await;
        outcome.unwrap_or_else(Outcome::Refused)
    }

    /// Reloads, or changes nothing. A plan `on_trial` has to be free of what a start would fail for.
    async fn try_to_reload(&mut self, look: Look, force: bool, on_trial: bool) -> Result<Outcome, Faults> {
        let is_poll = look == Look::Everywhere;
        let outcome = self.read_and_publish(look, force, on_trial).await;
        let interval = self.plan.reload.poll_interval;
        let next = Instant::now() + self.retry_after.map_or(interval, |retry| retry.min(interval));
        self.next_poll = if is_poll { next } else { next.min(self.next_poll) };
        outcome
    }

    async fn read_and_publish(&mut self, look: Look, force: bool, on_trial: bool) -> Result<Outcome, Faults> {
        let previous = self.generation.current();
        let at = self.clock.now();
        let instants = self.until.into_iter().chain(self.repair.retry_at);
        // A clock that was set back: what was judged in the future is judged again.
        let is_back = at.as_secs() < previous.read_at.as_secs();
        let is_due = is_back || instants.into_iter().any(|instant| at.as_secs() >= instant.as_secs());
        let occasion = Occasion {
            look,
            is_due: is_due || !self.is_settled,
            force,
            repairs: self.repair.is_wanted(),
            at,
        };
        let (plan, served) = (self.plan.clone(), previous.clone());
        let (own_tickets, clock) = (self.tickets.clone(), self.clock.clone());
        let surveyor = self.surveyor.take();
        // Reading and verifying may take a while; the admin listener shares this thread.
        let read = tokio::task::spawn_blocking(move || {
            let mut surveyor = surveyor.unwrap_or_else(|| Surveyor::new(plan.certificates.clone(), plan.reload));
            let read = read(&mut surveyor, &plan, &served, &occasion, (&own_tickets, &clock));
            (surveyor, read, occasion.look)
        });
        let read = match self.beside_staples(read).await {
            Ok((surveyor, read, look)) => {
                self.watch.follow(surveyor.directories_to_watch(), &look);
                self.surveyor = Some(surveyor);
                read
            }
            Err(panic) => {
                tracing::error!(%panic, "a reload failed: everything stays as it is");
                self.failed(at);
                return Err(vec!["the reload failed; see the log".to_owned()]);
            }
        };
        let Some(Read {
            mut prepared,
            client_auth,
            tickets,
            mut problems,
            lack,
        }) = read
        else {
            self.retry_after = self.retry_after.map(|retry| self.next_retry(retry));
            self.tell_endings(&previous, at);
            return Ok(self.standing(&previous));
        };
        if on_trial {
            let faults = [&*prepared.faults, &*client_auth.refused, &*tickets.faults].concat();
            if !faults.is_empty() {
                return Err(faults);
            }
        }
        self.staples.follow(&prepared.served);
        self.staples.put_on(&mut prepared.served, self.clock.now());
        self.repair.start(lack);
        let known: HashSet<&String> = previous.problems.iter().collect();
        let is_news = |problem: &&String| !known.contains(*problem);
        for problem in problems.iter().filter(is_news) {
            tracing::warn!(%problem, "skipped");
        }
        for problem in prepared.refused.iter().filter(is_news) {
            tracing::error!(%problem, "a new certificate is not served");
        }
        for problem in client_auth.refused.iter().filter(is_news) {
            tracing::error!(%problem, "client authentication stays as it is");
        }
        problems.extend(prepared.refused.iter().chain(&client_auth.refused).cloned());
        self.publish(prepared, client_auth, tickets, problems, at)
            .map_err(|error| {
                tracing::error!(%error, "a reload failed: everything stays as it is");
                self.failed(at);
                vec![error.to_string()]
            })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::certs::{self, BundleSettings, Origin, Roots};
    use crate::chain::Policy;
    use crate::reload::Settings;

    fn plan(directory: &Path) -> Plan {
        Plan {
            certificates: certs::Settings {
                bundles: vec![BundleSettings {
                    origin: Origin::Configuration,
                    certificate: directory.join("tls.crt"),
                    key: Some(directory.join("tls.key")),
                    password_file: None,
                    staple: None,
                    allow_ca_leaf: false,
                    policy: None,
                }],
                roots: Roots::None,
                ..certs::Settings::default()
            },
            tls: tls::Settings {
                handshake_timeout: Duration::from_secs(10),
                strict_sni: false,
                key_log: false,
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
            client_auth: Vec::new(),
            fetch: fetch::Settings {
                ocsp: fetch::Ocsp::Off,
                ..fetch::Settings::default()
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
        let tickets = tls::Tickets::new().unwrap();
        let (mut task, _handle) = Task::start(plan, tickets, Clock::of_machine()).unwrap();

        write("tls.crt", "torn");
        assert!(matches!(task.reload(Look::Everywhere, false).await, Outcome::Kept(_)));
        let kept = task.generation.current();
        assert!(matches!(task.reload(Look::Everywhere, false).await, Outcome::Kept(_)));
        assert!(Arc::ptr_eq(&task.generation.current(), &kept));
        assert_eq!(task.retry_after, Some(FIRST_RETRY * 2));

        task.until = Some(UnixTime::now());
        assert!(matches!(task.reload(Look::Everywhere, false).await, Outcome::Kept(_)));
        assert!(!Arc::ptr_eq(&task.generation.current(), &kept));

        write("tls.crt", &pem());
        assert!(matches!(
            task.reload(Look::Everywhere, false).await,
            Outcome::Changed(_)
        ));
        assert_eq!(
            (task.reload(Look::Everywhere, false).await, task.retry_after),
            (Outcome::Unchanged, None)
        );
    }

    /// A task over a certificate that can be served, and its directory.
    fn task() -> (Task, Handle, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        fs::write(directory.path().join("tls.key"), key.serialize_pem()).unwrap();
        fs::write(
            directory.path().join("tls.crt"),
            certificate.self_signed(&key).unwrap().pem(),
        )
        .unwrap();
        let tickets = tls::Tickets::new().unwrap();
        let (task, handle) = Task::start(plan(directory.path()), tickets, Clock::of_machine()).unwrap();
        (task, handle, directory)
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_but_a_look_at_every_file_puts_off_the_next() {
        let (mut task, _handle, directory) = task();
        let poll = task.next_poll;
        tokio::time::advance(Duration::from_secs(20)).await;
        task.reload(Look::Nowhere, false).await;
        task.reload(Look::At([directory.path().to_owned()].into()), false).await;
        assert_eq!(task.next_poll, poll);
        task.reload(Look::Everywhere, false).await;
        assert_eq!(task.next_poll, poll + Duration::from_secs(20));

        // A torn write is looked at soon, whatever else goes on.
        fs::write(directory.path().join("tls.crt"), "torn").unwrap();
        task.reload(Look::Everywhere, false).await;
        let retry = Instant::now() + FIRST_RETRY;
        assert_eq!(task.next_poll, retry);
        task.reload(Look::Nowhere, false).await;
        assert_eq!(task.next_poll, retry);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reload_that_failed_is_not_repeated_at_once() {
        let (mut task, _handle, _directory) = task();
        let at = task.clock.now();
        (task.until, task.next_ending, task.repair.retry_at) = (Some(at), Some(at), Some(at));
        task.failed(at);
        let due = [task.until, task.next_ending, task.repair.retry_at]
            .into_iter()
            .flatten();
        let due: Vec<_> = due.map(|instant| instant.as_secs()).collect();
        assert_eq!(due, [at.as_secs() + FIRST_RETRY.as_secs()]);
        task.failed(at);
        assert_eq!(task.retry_after, Some(FIRST_RETRY * 2));
    }
}
