//! The issuers that are missing, asked for where certificates say that they are published (RFC 5280 section 4.2.2.1).
//!
//! `quest` says what to ask, `judge` what counts, `search` keeps the books; here is the coming and going between
//! them, the network and the cache.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::pki_types::UnixTime;
use tokio::task::{JoinSet, spawn_blocking};

use super::cache::{Cache, Known};
use super::outcome::Outcome;
use super::search::{Answer, Asked, Note, Search};
use super::{Aia, Client, Settings};
use crate::certs::certificates_in;
use crate::chain::{Certificate, Context, Store};

/// Finds missing issuers, and remembers what it found and what it did not. Cloning shares the memory.
#[derive(Clone)]
pub struct Issuers {
    client: Client,
    cache: Arc<Mutex<Cache>>,
}

/// So many questions are asked at once.
const MOST_AT_ONCE: usize = 8;

impl Issuers {
    /// Asks through `client` what is not in `cache`. Touches neither yet.
    pub fn new(client: Client, cache: Cache) -> Self {
        Self {
            client,
            cache: Arc::new(Mutex::new(cache)),
        }
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

    /// Lets everything be asked again that gave no answer: somebody may have mended it. May take as long as a slow
    /// file system does.
    pub fn forget_failures(&self) {
        lock(&self.cache).forget_failures();
    }

    /// Looks for what is missing above each of `leaves`, as of the instant of `context`: assembles, asks where an
    /// issuer is wanted, adds what counts to `store`, and so on until nothing is missing or there is nothing left to
    /// ask.
    ///
    /// Everything is bounded: the questions for each leaf, the time and size of each answer. Each URL is asked at
    /// most once, whoever wants it. Answers that do not count leave nothing behind but a [`Failure`].
    pub async fn find(&self, leaves: &[Arc<Certificate>], store: Store, context: &Context<'_>) -> Outcome {
        let at = context.at;
        let mut search = Search::new(leaves, store, context);
        loop {
            let asked = search.questions().await;
            if asked.is_empty() {
                break;
            }
            let keys: Vec<_> = asked.iter().map(Asked::key).collect();
            let known = self
                .with_cache(move |cache| cache.look_up_all(&keys, at))
                .await
                .unwrap_or_default();
            let known = known.into_iter().chain(std::iter::repeat(Known::Nothing));
            let open: Vec<_> = asked
                .into_iter()
                .zip(known)
                .filter(|(asked, known)| !search.is_settled_by(known, asked))
                .map(|(asked, _)| asked)
                .collect();
            self.fetch(&mut search.answers, &open).await;
            let notes: Vec<_> = open.into_iter().filter_map(|asked| search.settle(asked)).collect();
            let retry = self.with_cache(move |cache| write_down(cache, notes, at)).await;
            search.retry(retry.flatten());
        }
        search.outcome.cache_problem = self.with_cache(Cache::take_problem).await.flatten();
        search.outcome
    }

    /// Asks the URLs that have not been asked yet, several at once.
    async fn fetch(&self, answers: &mut HashMap<String, Answer>, open: &[Asked]) {
        let urls: HashSet<&String> = open.iter().map(|asked| &asked.question.url).collect();
        let mut urls: Vec<_> = urls
            .into_iter()
            .filter(|url| !answers.contains_key(*url))
            .cloned()
            .collect();
        let mut running = JoinSet::new();
        loop {
            while running.len() < MOST_AT_ONCE
                && let Some(url) = urls.pop()
            {
                let client = self.client.clone();
                running.spawn(async move {
                    let answer = answer(&client, &url).await;
                    (url, answer)
                });
            }
            match running.join_next().await {
                Some(Ok((url, answer))) => drop(answers.insert(url, answer)),
                // A panic, which says so itself: the URL gave nothing.
                Some(Err(_)) => {}
                None => return,
            }
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

async fn answer(client: &Client, url: &str) -> Answer {
    let bytes = client.get(url).await.map_err(Arc::new)?;
    Ok(certificates_in(&bytes)?.into())
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
