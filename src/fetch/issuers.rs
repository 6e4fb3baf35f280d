//! The issuers that are missing, asked for where certificates say that they are published (RFC 5280 section 4.2.2.1).
//!
//! `quest` says what to ask, `asking` asks, `judge` says what counts, `search` keeps the books; here is the coming and
//! going between them and the cache.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::pki_types::UnixTime;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::task::spawn_blocking;

use super::asking::Asking;
use super::cache::{Cache, Known};
use super::metrics::{self, Metrics, Sought};
use super::outcome::{Outcome, Reason};
use super::search::{Answer, Asked, Note, Search};
use super::{Aia, Client, Error, Settings};
use crate::certs::certificates_in;
use crate::chain::{Certificate, Context, Store};

/// Finds missing issuers, and remembers what it found and what it did not. Cloning shares the memory.
#[derive(Clone)]
pub struct Issuers {
    client: Client,
    cache: Arc<Mutex<Cache>>,
    metrics: Metrics,
}

impl Issuers {
    /// Asks through `client` what is not in `cache`. Touches neither yet.
    pub fn new(client: Client, cache: Cache) -> Self {
        Self {
            client,
            cache: Arc::new(Mutex::new(cache)),
            metrics: Metrics::default(),
        }
    }

    /// The same, counting in `metrics` what comes of questions.
    #[must_use]
    pub fn counting(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// As `settings` say; `None` where nothing is to be fetched.
    pub fn of(settings: &Settings) -> Option<Self> {
        Self::with(settings, Cache::at)
    }

    /// The same for a look from aside: reads what is kept on disk and writes nothing.
    pub fn looking_on(settings: &Settings) -> Option<Self> {
        Self::with(settings, Cache::reading)
    }

    fn with(settings: &Settings, cache: fn(PathBuf) -> Cache) -> Option<Self> {
        // What else is fetched may have a directory beside it.
        let directory = settings.cache_directory.as_ref().map(|directory| directory.join("aia"));
        let cache = || directory.map_or_else(Cache::in_memory, cache);
        match settings.aia {
            Aia::Missing => Some(Self::new(Client::new(settings.allow_private), cache())),
            Aia::Off => None,
        }
    }

    /// Lets everything be asked again that gave no answer: somebody may have mended it. Tells whether there was any. May
    /// take as long as a slow file system does.
    pub fn forget_failures(&self, at: UnixTime) -> bool {
        lock(&self.cache).forget_failures(at)
    }

    /// Looks for what is missing above each of `leaves`, as of the instant of `context`: assembles, asks where an
    /// issuer is wanted, takes what counts into the copy of the store, and so on until nothing is missing or there is
    /// nothing left to ask.
    ///
    /// Everything is bounded: the questions for each leaf, the time and size of each answer. Each URL is asked at
    /// most once, whoever wants it. Answers that do not count leave nothing behind but a
    /// [`Failure`](super::Failure).
    pub async fn find(&self, leaves: &[Arc<Certificate>], store: Store, context: &Context<'_>) -> Outcome {
        let (sender, mut parts) = mpsc::unbounded_channel();
        self.find_in_parts(leaves, store, context, sender).await;
        let mut outcome = Outcome::default();
        while let Ok(part) = parts.try_recv() {
            outcome.add(part);
        }
        outcome
    }

    /// The same, handing over to `parts` what was found as soon as it was. Ends early where nobody wants them any more.
    ///
    /// Assembling and judging is done wherever this is polled, and takes its time where there are thousands of leaves.
    pub async fn find_in_parts(
        &self,
        leaves: &[Arc<Certificate>],
        store: Store,
        context: &Context<'_>,
        parts: UnboundedSender<Outcome>,
    ) {
        let at = context.at;
        let mut search = Search::new(leaves, store, context);
        let mut asking = Asking::new(self.client.clone());
        loop {
            // Until each leaf waits for an answer, or for nothing any more.
            loop {
                let asked = search.questions();
                if asked.is_empty() {
                    break;
                }
                let keys: Vec<_> = asked.iter().map(Asked::key).collect();
                let known = self.with_cache(move |cache| cache.look_up_all(&keys, at)).await;
                let known = known.unwrap_or_default().into_iter();
                for (asked, known) in asked.into_iter().zip(known.chain(std::iter::repeat(Known::default()))) {
                    if !search.is_settled_by(&known, &asked) {
                        asking.ask(&asked.question.url);
                        search.wait_for(asked);
                    }
                }
                self.settle(&mut search, at).await;
            }
            if let Some(part) = search.take_outcome()
                && parts.send(part).is_err()
            {
                return;
            }
            let answer = tokio::select! {
                answer = asking.next() => answer,
                () = parts.closed() => return,
            };
            let Some((url, answer)) = answer else { break };
            let answer = answer.map(read);
            self.count(answer.as_ref());
            search.answered(url, answer);
            self.settle(&mut search, at).await;
        }
        if let Some(cache_problem) = self.with_cache(Cache::take_problem).await.flatten() {
            // Nobody may be left to be told.
            let _ = parts.send(Outcome {
                cache_problem: Some(cache_problem),
                ..Outcome::default()
            });
        }
    }

    fn count(&self, answer: Option<&Answer>) {
        let result = match answer {
            Some(Ok(_)) => metrics::OK,
            Some(Err(Reason::Fetch(error))) => error.cause(),
            Some(Err(Reason::Answer(_) | Reason::Dismissed(_))) => metrics::UNUSABLE,
            // Asking panicked, which says so itself.
            None => return,
        };
        self.metrics.asked(Sought::Issuer, result);
    }

    /// Judges what has come, and remembers it.
    async fn settle(&self, search: &mut Search<'_>, at: UnixTime) {
        let notes = search.settle();
        if !notes.is_empty() {
            let retry = self.with_cache(move |cache| write_down(cache, notes, at)).await;
            search.retry(retry.flatten());
        }
    }

    /// Lets `what` have the cache on a thread that may wait for a disk. `None` where that panicked.
    async fn with_cache<T: Send + 'static>(&self, what: impl FnOnce(&mut Cache) -> T + Send + 'static) -> Option<T> {
        let cache = Arc::clone(&self.cache);
        spawn_blocking(move || what(&mut lock(&cache))).await.ok()
    }
}

/// A panic while it was held leaves at worst an answer forgotten.
fn lock(cache: &Mutex<Cache>) -> MutexGuard<'_, Cache> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(bytes: Result<Vec<u8>, Error>) -> Answer {
    Ok(certificates_in(&bytes.map_err(Arc::new)?)?.into())
}

/// Writes `notes` down; the first instant at which to ask again.
fn write_down(cache: &mut Cache, notes: Vec<Note>, at: UnixTime) -> Option<UnixTime> {
    let retries = notes.into_iter().filter_map(|note| match note.came {
        Ok(certificates) => {
            cache.keep(note.key, &note.url, certificates, at);
            None
        }
        Err(reason) => Some(cache.note_failure(note.key, &note.url, reason, at)),
    });
    retries.min_by_key(UnixTime::as_secs)
}
