//! Keeps a staple for each leaf that is served, ahead of time and in the background.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{SignatureVerificationAlgorithm, UnixTime};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep};

use super::ask::{Error, Responder, Round, ask};
use super::cache::Cache;
use super::disk::{Disk, Done, Kept};
use super::entry::{Change, Entry};
use super::hosts::Hosts;
use super::link::Link;
use crate::chain::{Sha256, rfc3339};
use crate::fetch::{Client, Metrics};
use crate::ocsp::Staple;

/// Rounds of asking at a time, all hosts together.
const MOST_AT_ONCE: usize = 8;
/// What comes within this time becomes visible together: after a start there may be thousands.
const GATHER: Duration = Duration::from_secs(1);
/// The longest sleep. Timers do not notice a clock that is set, nor a machine that was suspended.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Tells the time.
type Now = Box<dyn Fn() -> UnixTime + Send + Sync>;

/// Keeps a staple for each leaf that it is told of.
pub struct Stapler {
    client: Client,
    disk: Option<Disk>,
    algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
    now: Now,
    /// By the fingerprint of the leaf.
    entries: HashMap<Sha256, Entry>,
    hosts: Hosts,
    metrics: Metrics,
    asking: JoinSet<Round>,
    /// What each of `asking` is about, and the host that it began with.
    asked: HashMap<Id, (Link, String)>,
    /// Since when there is something that [`Stapler::changed`] has not told of.
    changed_since: Option<Instant>,
}

impl Stapler {
    /// Knows no leaf yet. `client` asks, a response may be signed by one of `algorithms`, and staples are kept below
    /// `cache_directory`; without one, every start asks anew. `now` is the clock.
    pub fn new(
        client: Client,
        cache_directory: Option<&Path>,
        algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
        now: impl Fn() -> UnixTime + Send + Sync + 'static,
    ) -> Self {
        Self {
            client,
            disk: cache_directory.map(cache_in).map(Disk::new),
            algorithms,
            now: Box::new(now),
            entries: HashMap::new(),
            hosts: Hosts::default(),
            metrics: Metrics::default(),
            asking: JoinSet::new(),
            asked: HashMap::new(),
            changed_since: None,
        }
    }

    /// The same, counting in `metrics` what comes of questions.
    #[must_use]
    pub fn counting(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// From now on `client` asks. What failed is asked again: the other one may have been the reason.
    pub fn ask_through(&mut self, client: Client) {
        self.client = client;
        self.forget_failures();
    }

    /// Lets everything be asked again at once that failed: somebody may have mended it.
    pub fn forget_failures(&mut self) {
        self.hosts.forget_failures();
        self.entries.values_mut().for_each(Entry::forget_failures);
    }

    /// From now on staples are kept below `cache_directory`, beginning with those that there are.
    pub fn keep_in(&mut self, cache_directory: Option<&Path>) {
        let cache = cache_directory.map(cache_in);
        if self.disk.as_ref().map(Disk::cache) == cache.as_ref() {
            return;
        }
        self.disk = cache.map(Disk::new);
        for (leaf, entry) in &mut self.entries {
            entry.is_unread = self.disk.is_some() && entry.staple.is_none();
            if let (Some(disk), Some(staple)) = (&mut self.disk, &entry.staple) {
                disk.keep(*leaf, Some(staple.der().to_vec()));
            }
        }
    }

    /// From now on these leaves are served, and no others. Nothing is read or asked here.
    pub fn follow(&mut self, links: impl IntoIterator<Item = Link>) {
        let mut before = std::mem::take(&mut self.entries);
        for link in links {
            let leaf = link.leaf.fingerprint();
            // One certificate may be served from several files.
            if self.entries.contains_key(&leaf) {
                continue;
            }
            let known = before.remove(&leaf).filter(|entry| entry.link.is_answered_like(&link));
            let entry = known.unwrap_or_else(|| {
                let mut entry = Entry::new(link);
                entry.is_unread = self.disk.is_some();
                entry
            });
            self.entries.insert(leaf, entry);
        }
        if let Some(disk) = &mut self.disk {
            before.into_keys().for_each(|leaf| disk.keep(leaf, None));
        }
        let responders = self.entries.values().flat_map(|entry| &entry.responders);
        let named: HashSet<&str> = responders.map(|responder| responder.host.as_str()).collect();
        self.hosts.retain(&named);
    }

    /// The staple for the leaf of this fingerprint, if there is one that is good at the instant `now`.
    pub fn staple(&self, leaf: Sha256, now: UnixTime) -> Option<&Arc<Staple>> {
        let staple = self.entries.get(&leaf)?.staple.as_ref();
        staple.filter(|staple| staple.is_good_at(now))
    }

    /// Why the last round of asking for this leaf failed, or why none begins.
    pub fn problem(&self, leaf: Sha256) -> Option<&str> {
        let entry = self.entries.get(&leaf)?;
        let of_host = || self.hosts.problem(&entry.responders.first()?.host);
        let is_waiting = entry.staple.is_none() && !entry.is_unread;
        entry.problem.as_deref().or_else(|| of_host().filter(|_| is_waiting))
    }

    /// Whether the CA says that this leaf is revoked.
    pub fn is_revoked(&self, leaf: Sha256) -> bool {
        self.entries.get(&leaf).is_some_and(Entry::is_revoked)
    }

    /// Reads what is kept, asks whatever is due, and returns when a staple or a reason for the lack of one has changed:
    /// several at once where they come together. Dropped before, it loses nothing.
    pub async fn changed(&mut self) {
        loop {
            let now = (self.now)();
            self.expire(now);
            self.ask_for_due(now);
            if let Some(disk) = &mut self.disk {
                let unread = self.entries.values().filter(|entry| entry.is_unread);
                disk.start_reading(unread.map(|entry| &entry.link), self.algorithms, now);
                disk.start_writing();
            }
            let pause = match self.changed_since {
                Some(since) if self.asking.is_empty() || since.elapsed() >= GATHER => {
                    self.changed_since = None;
                    return;
                }
                Some(since) => GATHER.saturating_sub(since.elapsed()),
                None => self.pause(now),
            };
            let disk = async {
                match &mut self.disk {
                    Some(disk) => disk.done().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(done) = self.asking.join_next_with_id() => self.take(done),
                done = disk => if let Done::Read(kept) = done && self.take_kept(kept) {
                    // After a start clients are there already.
                    self.changed_since = None;
                    return;
                },
                () = sleep(pause) => {}
            }
        }
    }

    /// How long there is nothing to do, but for what is being asked or read already.
    fn pause(&self, now: UnixTime) -> Duration {
        let next = |entry: &Entry| {
            let hosts = entry.responders.iter();
            let is_free = |responder: &Responder| self.hosts.paused_until(&responder.host);
            let not_before = hosts.map(is_free).min().flatten();
            entry.next(not_before, now)
        };
        let next = self.entries.values().filter_map(next).min();
        let pause = next.map_or(LONGEST_SLEEP, |next| {
            Duration::from_secs(next.as_secs().saturating_sub(now.as_secs()))
        });
        let patience = match self.entries.values().any(|entry| entry.is_unread) {
            true => GATHER,
            false => LONGEST_SLEEP,
        };
        pause.clamp(Duration::from_secs(1), patience)
    }

    fn expire(&mut self, now: UnixTime) {
        for entry in self.entries.values_mut() {
            if entry.expire(now) {
                tracing::warn!(
                    names = entry.link.names(),
                    problem = entry.problem,
                    "the OCSP staple is no longer good: none is sent"
                );
                self.changed_since.get_or_insert_with(Instant::now);
            }
        }
    }

    /// Begins rounds for those that have been due for longest, as far as their hosts have room.
    fn ask_for_due(&mut self, now: UnixTime) {
        if self.asking.len() >= MOST_AT_ONCE {
            return;
        }
        let waits_for_disk = self.disk.as_ref().is_some_and(Disk::answers);
        let is_due = |entry: &&mut Entry| entry.is_due(now) && !entry.is_asked && !(entry.is_unread && waits_for_disk);
        let mut due: Vec<&mut Entry> = self.entries.values_mut().filter(is_due).collect();
        due.sort_by_cached_key(|entry| entry.ask_at());
        for entry in due {
            if self.asking.len() >= MOST_AT_ONCE {
                return;
            }
            let responders = entry.responders.iter();
            let responders = responders.filter(|responder| !self.hosts.is_paused(&responder.host, now));
            let responders: Vec<Responder> = responders.cloned().collect();
            let Some(first) = responders.first().filter(|first| self.hosts.has_room(&first.host, now)) else {
                continue;
            };
            let host = first.host.clone();
            self.hosts.begin(&host);
            entry.is_asked = true;
            let (client, metrics) = (self.client.clone(), self.metrics.clone());
            let (algorithms, link) = (self.algorithms, entry.link.clone());
            let round = self
                .asking
                .spawn(async move { ask(&client, &responders, &link.subject(), algorithms, &metrics, now).await });
            self.asked.insert(round.id(), (entry.link.clone(), host));
        }
    }

    fn take(&mut self, done: Result<(Id, Round), JoinError>) {
        let now = (self.now)();
        let (id, round) = match done {
            Ok(done) => done,
            Err(panic) => {
                tracing::error!(%panic, "asking for an OCSP response failed");
                (panic.id(), Round::lost())
            }
        };
        let Some((link, host)) = self.asked.remove(&id) else {
            return;
        };
        self.hosts.end(&host);
        for (host, problem) in round.hosts {
            self.hosts.take(host, problem, now);
        }
        let leaf = link.leaf.fingerprint();
        // It may be served no more.
        let Some(entry) = self.entries.get_mut(&leaf).filter(|entry| entry.link == link) else {
            return;
        };
        entry.is_asked = false;
        let before = entry.newest();
        let der = match &round.answer {
            Ok(staple) => Some(staple.der().to_vec()),
            Err(Error::Response { der, source, .. }) if source.is_revocation() => Some(der.clone()),
            Err(_) => None,
        };
        let change = entry.take(round.answer, now);
        report(entry, change);
        // A restart must know of a revocation too. What is older than what counts is not kept.
        if let (Some(der), Some(disk)) = (der.filter(|_| entry.newest() != before), &mut self.disk) {
            disk.keep(leaf, Some(der));
            disk.start_writing();
        }
        if change != Change::Nothing {
            self.changed_since.get_or_insert_with(Instant::now);
        }
    }

    /// Takes what the last process kept. Whether that changes anything.
    fn take_kept(&mut self, kept: Vec<Kept>) -> bool {
        let now = (self.now)();
        let mut is_news = false;
        for Kept { link, response } in kept {
            let entry = self.entries.get_mut(&link.leaf.fingerprint());
            let Some(entry) = entry.filter(|entry| entry.link == link) else {
                continue;
            };
            entry.is_unread = false;
            let Some(response) = response else { continue };
            if let Err(error) = &response {
                tracing::debug!(names = link.names(), %error, "a cached OCSP response is of no use");
            }
            let change = entry.take_kept(response);
            if change == Change::Problem {
                report(entry, change);
            }
            is_news |= change != Change::Nothing && !entry.expire(now);
        }
        is_news
    }
}

fn cache_in(directory: &Path) -> Cache {
    Cache::new(directory.join("staples"))
}

/// One line for what changed; a responder that goes on failing for the same reason is not news.
fn report(entry: &Entry, change: Change) {
    let names = entry.link.names();
    match (change, &entry.staple, &entry.problem) {
        (Change::Staple, Some(staple), _) => {
            tracing::info!(
                names,
                good_until = rfc3339(staple.good_until()),
                "OCSP response fetched"
            );
        }
        (Change::Problem, _, Some(problem)) if entry.is_revoked() => {
            tracing::error!(names, problem, "the certificate is revoked: replace it");
        }
        (Change::Problem, Some(staple), Some(problem)) => {
            let good_until = rfc3339(staple.good_until());
            tracing::warn!(
                names,
                good_until,
                problem,
                "no newer OCSP response: the last one is stapled until it ends"
            );
        }
        (Change::Problem, None, Some(problem)) => {
            let must_staple = entry.link.leaf.must_staple();
            tracing::warn!(names, must_staple, problem, "no OCSP response");
        }
        _ => tracing::debug!(names, problem = entry.problem, "no newer OCSP response"),
    }
}
