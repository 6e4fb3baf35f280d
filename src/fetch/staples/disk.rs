//! The cache's files, read and written on threads that may wait for a disk. Nobody else waits: what is to be written is
//! stapled already, and what is to be read comes when it comes.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use rustls::pki_types::{SignatureVerificationAlgorithm, UnixTime};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Instant;

use super::cache::Cache;
use super::link::Link;
use crate::chain::Sha256;
use crate::ocsp::{self, Staple};

/// A disk that has not answered by then is not waited for: the responder is asked.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many files are read at a time: reading and verifying them takes some tenths of a second.
const MOST_AT_ONCE: usize = 200;
/// How often files that have become useless are looked for.
const SWEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// What was found on disk for one leaf: a response, and what it says by now.
pub(super) struct Kept {
    pub(super) link: Link,
    pub(super) response: Option<Result<Staple, ocsp::Error>>,
}

/// The cache, and what is being done with it.
pub(super) struct Disk {
    cache: Cache,
    reading: Option<(Instant, JoinHandle<Vec<Kept>>)>,
    writing: Option<JoinHandle<()>>,
    /// What is to be written for each leaf; `None` removes its file. The last word counts.
    unwritten: HashMap<Sha256, Option<Vec<u8>>>,
    swept_at: Option<Instant>,
}

/// Something that was done.
pub(super) enum Done {
    Read(Vec<Kept>),
    Written,
}

impl Disk {
    pub(super) fn new(cache: Cache) -> Self {
        Self {
            cache,
            reading: None,
            writing: None,
            unwritten: HashMap::new(),
            swept_at: None,
        }
    }

    pub(super) fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Keeps this response for `leaf`, or none any more, as soon as may be.
    pub(super) fn keep(&mut self, leaf: Sha256, der: Option<Vec<u8>>) {
        self.unwritten.insert(leaf, der);
    }

    /// Whether it is worth while to wait for what is to be read.
    pub(super) fn answers(&self) -> bool {
        self.reading
            .as_ref()
            .is_none_or(|(since, _)| since.elapsed() < PATIENCE)
    }

    /// Begins to read what is kept for some of `links`, unless something is being read.
    pub(super) fn start_reading<'l>(
        &mut self,
        links: impl Iterator<Item = &'l Link>,
        algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
        now: UnixTime,
    ) {
        if self.reading.is_some() {
            return;
        }
        let links: Vec<Link> = links.take(MOST_AT_ONCE).cloned().collect();
        if links.is_empty() {
            return;
        }
        let cache = self.cache.clone();
        let read = move || {
            let read = |link: Link| {
                let der = cache.read(link.leaf.fingerprint());
                let response = der.map(|der| Staple::verify(&der, &link.subject(), algorithms, now));
                Kept { link, response }
            };
            links.into_iter().map(read).collect()
        };
        self.reading = Some((Instant::now(), spawn_blocking(read)));
    }

    /// Begins to write what there is to write, unless something is being written, and to sweep now and then.
    pub(super) fn start_writing(&mut self) {
        let is_swept = self.swept_at.is_some_and(|swept_at| swept_at.elapsed() < SWEEP);
        if self.writing.is_some() || (is_swept && self.unwritten.is_empty()) {
            return;
        }
        if !is_swept {
            self.swept_at = Some(Instant::now());
        }
        let (cache, unwritten) = (self.cache.clone(), std::mem::take(&mut self.unwritten));
        self.writing = Some(spawn_blocking(move || {
            write(&cache, unwritten);
            if !is_swept {
                // The times of files are those of the machine.
                cache.sweep(SystemTime::now());
            }
        }));
    }

    /// Waits for something to be done. Dropped before, it loses nothing.
    pub(super) async fn done(&mut self) -> Done {
        let reading = async {
            match &mut self.reading {
                Some((_, reading)) => reading.await,
                None => std::future::pending().await,
            }
        };
        let writing = async {
            match &mut self.writing {
                Some(writing) => writing.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            read = reading => {
                self.reading = None;
                Done::Read(read.unwrap_or_else(|panic| {
                    tracing::error!(%panic, "reading OCSP responses failed");
                    Vec::new()
                }))
            }
            written = writing => {
                self.writing = None;
                if let Err(panic) = written {
                    tracing::error!(%panic, "writing OCSP responses failed");
                }
                Done::Written
            }
        }
    }
}

/// A staple is as good where it cannot be written. One line for all: mostly there is one reason.
fn write(cache: &Cache, unwritten: HashMap<Sha256, Option<Vec<u8>>>) {
    let mut failure = None;
    for (leaf, der) in unwritten {
        match der.map(|der| cache.write(leaf, &der)) {
            Some(Err(error)) => failure = Some(error),
            Some(Ok(())) => {}
            None => cache.remove(leaf),
        }
    }
    if let Some(error) = failure {
        tracing::warn!(%error, "OCSP responses cannot be kept on disk: they are fetched again after a restart");
    }
}
