//! Keeps a staple for each leaf that is served, ahead of time and in the background.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::{SignatureVerificationAlgorithm, UnixTime};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep};

use super::ask::{Error, ask};
use super::cache::Cache;
use super::entry::{Change, Entry};
use crate::chain::{Certificate, Chain, Sha256, rfc3339};
use crate::fetch::Client;
use crate::ocsp::{Staple, Subject};

/// Rounds of asking at a time: mostly they all go to one responder, which is not ours.
const MOST_AT_ONCE: usize = 8;
/// What comes within this time becomes visible together: after a start there may be thousands.
const GATHER: Duration = Duration::from_secs(1);
/// The longest sleep. Timers do not notice a clock that is set, nor a machine that was suspended.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// A leaf and the certificate that issued it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The leaf.
    pub leaf: Arc<Certificate>,
    /// Its issuer.
    pub issuer: Arc<Certificate>,
}

impl Link {
    /// The first link of `chain`, if the leaf names a responder and its issuer is there to verify what that says.
    pub fn of(chain: &Chain) -> Option<Self> {
        let issuer = chain.issuer().filter(|_| !chain.leaf().ocsp_responders().is_empty())?;
        Some(Self {
            leaf: chain.leaf().clone(),
            issuer: issuer.clone(),
        })
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            leaf: &self.leaf,
            issuer: &self.issuer,
        }
    }
}

/// Keeps a staple for each leaf that it is told of.
pub struct Stapler {
    client: Client,
    cache: Option<Cache>,
    algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
    /// By the fingerprint of the leaf.
    entries: HashMap<Sha256, Entry>,
    asking: JoinSet<Result<Staple, Error>>,
    /// What each of `asking` is about.
    asked: HashMap<Id, Link>,
    /// Since when there is something that [`Stapler::changed`] has not told of.
    changed_since: Option<Instant>,
}

impl Stapler {
    /// Knows no leaf yet. `client` asks, a response may be signed by one of `algorithms`, and staples are kept below
    /// `cache_directory`; without one, every start asks anew.
    pub fn new(
        client: Client,
        cache_directory: Option<&Path>,
        algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
    ) -> Self {
        let cache = cache_directory.map(|directory| Cache::new(directory.join("staples")));
        if let Some(cache) = &cache {
            cache.sweep(SystemTime::now());
        }
        Self {
            client,
            cache,
            algorithms,
            entries: HashMap::new(),
            asking: JoinSet::new(),
            asked: HashMap::new(),
            changed_since: None,
        }
    }

    /// From now on these leaves are served, and no others. One that was not before costs the reading of a small file and
    /// two signatures checked at most; nothing is asked here.
    pub fn follow(&mut self, links: impl IntoIterator<Item = Link>, now: UnixTime) {
        let mut before = std::mem::take(&mut self.entries);
        for link in links {
            let leaf = link.leaf.fingerprint();
            let known = before.remove(&leaf).filter(|entry| {
                // Any certificate of the same key and name will do: the responses are the same.
                entry.link.issuer.key_fingerprint() == link.issuer.key_fingerprint()
            });
            let entry = known.unwrap_or_else(|| {
                let staple = self.cached(&link, now);
                Entry::new(link, staple)
            });
            self.entries.insert(leaf, entry);
        }
    }

    /// The staple for the leaf of this fingerprint, if there is one that is good at the instant `now`.
    pub fn staple(&self, leaf: Sha256, now: UnixTime) -> Option<&Arc<Staple>> {
        let staple = self.entries.get(&leaf)?.staple.as_ref();
        staple.filter(|staple| staple.is_good_at(now))
    }

    /// Why the last round of asking for this leaf failed, if it did.
    pub fn problem(&self, leaf: Sha256) -> Option<&str> {
        self.entries.get(&leaf)?.problem.as_deref()
    }

    /// Whether the CA says that this leaf is revoked.
    pub fn is_revoked(&self, leaf: Sha256) -> bool {
        self.entries.get(&leaf).is_some_and(|entry| entry.is_revoked)
    }

    /// Asks whatever is due, and returns when a staple or a reason for the lack of one has changed: several at once where
    /// they come together. Dropped before, it loses nothing.
    pub async fn changed(&mut self) {
        loop {
            let now = UnixTime::now();
            self.expire(now);
            self.ask_for_due(now);
            let pause = match self.changed_since {
                Some(since) if self.asking.is_empty() || since.elapsed() >= GATHER => {
                    self.changed_since = None;
                    return;
                }
                Some(since) => GATHER.saturating_sub(since.elapsed()),
                None => self.pause(now),
            };
            tokio::select! {
                Some(done) = self.asking.join_next_with_id() => self.take(done),
                () = sleep(pause) => {}
            }
        }
    }

    /// How long there is nothing to do, but for what is being asked already.
    fn pause(&self, now: UnixTime) -> Duration {
        let idle = self.entries.values().filter(|entry| !self.is_asked(entry));
        let next = idle.filter_map(|entry| entry.next(now)).min();
        let pause = next.map_or(LONGEST_SLEEP, |next| {
            Duration::from_secs(next.as_secs().saturating_sub(now.as_secs()))
        });
        // At least a second: what is due and was not asked waits for another to end.
        pause.clamp(Duration::from_secs(1), LONGEST_SLEEP)
    }

    fn expire(&mut self, now: UnixTime) {
        for entry in self.entries.values_mut() {
            if entry.expire(now) {
                let names = names(&entry.link.leaf);
                tracing::warn!(
                    names,
                    problem = entry.problem,
                    "the OCSP staple is no longer good: none is sent"
                );
                self.changed_since.get_or_insert_with(Instant::now);
            }
        }
    }

    fn ask_for_due(&mut self, now: UnixTime) {
        let room = MOST_AT_ONCE.saturating_sub(self.asking.len());
        let due = self
            .entries
            .values()
            .filter(|entry| entry.is_due(now) && !self.is_asked(entry));
        let due: Vec<Link> = due.take(room).map(|entry| entry.link.clone()).collect();
        for link in due {
            let (client, algorithms) = (self.client.clone(), self.algorithms);
            let (cache, asked) = (self.cache.clone(), link.clone());
            let round = self.asking.spawn(async move {
                let staple = ask(&client, &link.subject(), algorithms, now).await;
                match (cache, staple) {
                    (Some(cache), Ok(staple)) => Ok(keep(cache, link.leaf.fingerprint(), staple).await),
                    (_, staple) => staple,
                }
            });
            self.asked.insert(round.id(), asked);
        }
    }

    fn is_asked(&self, entry: &Entry) -> bool {
        self.asked.values().any(|link| *link == entry.link)
    }

    fn take(&mut self, done: Result<(Id, Result<Staple, Error>), JoinError>) {
        let (id, answer) = match done {
            Ok((id, answer)) => (id, answer),
            Err(panic) => {
                tracing::error!(%panic, "asking for an OCSP response failed");
                (panic.id(), Err(Error::NoResponder))
            }
        };
        let link = self.asked.remove(&id);
        let entry = link
            .as_ref()
            .and_then(|link| self.entries.get_mut(&link.leaf.fingerprint()));
        // It may be served no more.
        let Some(entry) = entry.filter(|entry| Some(&entry.link) == link.as_ref()) else {
            return;
        };
        let change = entry.take(answer, UnixTime::now());
        report(entry, change);
        if let (true, Some(cache)) = (entry.is_revoked, &self.cache) {
            cache.remove(entry.link.leaf.fingerprint());
        }
        if change != Change::Nothing {
            self.changed_since.get_or_insert_with(Instant::now);
        }
    }

    /// What the last process kept for the leaf of `link`, if that is good still.
    fn cached(&self, link: &Link, now: UnixTime) -> Option<Staple> {
        let der = self.cache.as_ref()?.read(link.leaf.fingerprint())?;
        Staple::verify(&der, &link.subject(), self.algorithms, now)
            .inspect_err(
                |error| tracing::debug!(names = names(&link.leaf), %error, "a cached OCSP response is of no use"),
            )
            .ok()
    }
}

/// Writes `staple` to the cache. It is as good where that fails.
async fn keep(cache: Cache, leaf: Sha256, staple: Staple) -> Staple {
    let der = staple.der().to_vec();
    let written = tokio::task::spawn_blocking(move || cache.write(leaf, &der)).await;
    if let Ok(Err(error)) = written {
        tracing::warn!(%error, "an OCSP response cannot be kept on disk");
    }
    staple
}

/// One line for what changed; a responder that goes on failing for the same reason is not news.
fn report(entry: &Entry, change: Change) {
    let leaf = &entry.link.leaf;
    let names = names(leaf);
    match (change, &entry.staple, &entry.problem) {
        (Change::Staple, Some(staple), _) => {
            tracing::info!(
                names,
                good_until = rfc3339(staple.good_until()),
                "OCSP response fetched"
            );
        }
        (Change::Problem, _, Some(problem)) if entry.is_revoked => {
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
            tracing::warn!(names, must_staple = leaf.must_staple(), problem, "no OCSP response");
        }
        _ => tracing::debug!(names, problem = entry.problem, "no newer OCSP response"),
    }
}

/// A leaf as a log line names it.
fn names(leaf: &Certificate) -> String {
    let names: Vec<String> = leaf.dns_names().map(|name| name.escape_default().to_string()).collect();
    match names.is_empty() {
        true => leaf.to_string(),
        false => names.join(","),
    }
}
