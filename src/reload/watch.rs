//! The file system tells when something moved. It does not always: NFS, bind mounts and exhausted watches are why
//! files are polled besides.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::certs::Look;

/// Files that never come to rest are read all the same after this many times the debounce.
const MOST_DEBOUNCES: u32 = 10;

/// From so many changed paths on it is no dearer to look everywhere.
const MOST_PATHS: usize = 1_000;

/// Follows directories, since a watched file is lost with the first rename over it.
pub(super) struct Watch {
    watcher: Option<RecommendedWatcher>,
    events: mpsc::Receiver<()>,
    /// Where something has changed since files were last read for it. Kept here, since waiting may be cut short.
    changed: Arc<Mutex<Changed>>,
    followed: BTreeSet<PathBuf>,
    /// What could not be followed the last time.
    failed: BTreeSet<PathBuf>,
}

/// Where events were seen.
#[derive(Debug, Default)]
struct Changed {
    paths: BTreeSet<PathBuf>,
    /// Events were lost, or there were too many, or what they say is not about files.
    anywhere: bool,
}

impl Changed {
    fn add(&mut self, event: notify::Result<Event>) {
        match event {
            Ok(event) if !event.need_rescan() && !event.paths.is_empty() => self.paths.extend(event.paths),
            _ => self.anywhere = true,
        }
        if self.paths.len() > MOST_PATHS {
            self.anywhere = true;
        }
        if self.anywhere {
            self.paths.clear();
        }
    }

    fn is_anything(&self) -> bool {
        self.anywhere || !self.paths.is_empty()
    }

    fn take(&mut self) -> Look {
        let Self { paths, anywhere } = std::mem::take(self);
        match anywhere {
            true => Look::Everywhere,
            false => Look::At(paths),
        }
    }
}

impl Watch {
    /// A watch that follows nothing yet; with `enabled` false it never will.
    pub(super) fn new(enabled: bool) -> Self {
        // One waiting event says as much as a thousand.
        let (sender, events) = mpsc::channel(1);
        let changed = Arc::<Mutex<Changed>>::default();
        let noted = Arc::clone(&changed);
        let watcher = enabled.then(|| {
            notify::recommended_watcher(move |event: notify::Result<Event>| {
                if event.as_ref().map_or(true, |event| changes_something(&event.kind)) {
                    lock(&noted).add(event);
                    let _ = sender.try_send(());
                }
            })
        });
        let watcher = match watcher {
            Some(Err(error)) => {
                tracing::warn!(%error, "the file system cannot be watched: files are only polled");
                None
            }
            Some(Ok(watcher)) => Some(watcher),
            None => None,
        };
        Self {
            watcher,
            events,
            changed,
            followed: BTreeSet::new(),
            failed: BTreeSet::new(),
        }
    }

    /// Follows `directories` and no others, after a `look` at the files. What cannot be followed is tried again with the
    /// next look everywhere.
    pub(super) fn follow(&mut self, directories: &BTreeSet<PathBuf>, look: &Look) {
        let Some(watcher) = &mut self.watcher else { return };
        let is_known = |directory: &PathBuf| self.followed.contains(directory) || self.failed.contains(directory);
        let known = self.followed.len() + self.failed.len();
        if *look != Look::Everywhere && directories.len() == known && directories.iter().all(is_known) {
            return;
        }
        let wanted = directories.clone();
        for gone in self.followed.difference(&wanted) {
            // A directory that was removed has taken its watch with it.
            let _ = watcher.unwatch(gone);
        }
        // Watching again is harmless and catches a directory that was replaced under the same name.
        let (followed, failed): (Vec<_>, Vec<_>) = wanted
            .into_iter()
            .map(|directory| (watcher.watch(&directory, RecursiveMode::NonRecursive), directory))
            .partition(|(result, _)| result.is_ok());
        for (result, directory) in &failed {
            if let Err(error) = result
                && !self.failed.contains(directory)
            {
                warn(error, directory);
            }
        }
        self.failed = failed.into_iter().map(|(_, directory)| directory).collect();
        let followed: BTreeSet<_> = followed.into_iter().map(|(_, directory)| directory).collect();
        // What changed between reading a directory and following it has made no event.
        lock(&self.changed).anywhere |= !followed.is_subset(&self.followed);
        self.followed = followed;
    }

    /// Waits until something changed and `debounce` has gone by without further changes. Where it changed.
    pub(super) async fn settled_change(&mut self, debounce: Duration) -> Look {
        while !lock(&self.changed).is_anything() {
            if self.events.recv().await.is_none() {
                // Without a watcher nothing is ever heard.
                std::future::pending::<()>().await;
            }
        }
        let latest = Instant::now() + debounce * MOST_DEBOUNCES;
        while Instant::now() < latest && matches!(timeout(debounce, self.events.recv()).await, Ok(Some(()))) {}
        lock(&self.changed).take()
    }
}

fn lock(changed: &Mutex<Changed>) -> MutexGuard<'_, Changed> {
    // A panic elsewhere leaves at worst a path that is looked at in vain.
    changed.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opening and reading files makes events too; a reload must not cause the next one.
fn changes_something(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

fn warn(error: &notify::Error, directory: &Path) {
    tracing::warn!(%error, directory = %directory.display(), "a directory cannot be watched: its files are only polled");
}
