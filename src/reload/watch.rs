//! The file system tells when something moved. It does not always: NFS, bind mounts and exhausted watches are why
//! files are polled besides.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// Files that never come to rest are read all the same after this many times the debounce.
const MOST_DEBOUNCES: u32 = 10;

/// Follows directories, since a watched file is lost with the first rename over it.
pub(super) struct Watch {
    watcher: Option<RecommendedWatcher>,
    events: mpsc::Receiver<()>,
    followed: BTreeSet<PathBuf>,
    /// Something may have changed since files were last read for it. Kept here, since waiting may be cut short.
    is_pending: bool,
}

impl Watch {
    /// A watch that follows nothing yet; with `enabled` false it never will.
    pub(super) fn new(enabled: bool) -> Self {
        // One waiting event says as much as a thousand.
        let (sender, events) = mpsc::channel(1);
        let watcher = enabled.then(|| {
            notify::recommended_watcher(move |event: notify::Result<Event>| {
                if event.map_or(true, |event| changes_something(&event.kind)) {
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
            followed: BTreeSet::new(),
            is_pending: false,
        }
    }

    /// Follows `directories` and no others. What cannot be followed is tried again with the next call.
    pub(super) fn follow(&mut self, directories: impl IntoIterator<Item = PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        let wanted: BTreeSet<PathBuf> = directories.into_iter().collect();
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
            if let Err(error) = result {
                warn(error, directory);
            }
        }
        let followed: BTreeSet<_> = followed.into_iter().map(|(_, directory)| directory).collect();
        // What changed between reading a directory and following it has made no event.
        self.is_pending |= !followed.is_subset(&self.followed);
        self.followed = followed;
    }

    /// Waits until something changed and `debounce` has gone by without further changes.
    pub(super) async fn settled_change(&mut self, debounce: Duration) {
        if !self.is_pending && self.events.recv().await.is_none() {
            // Without a watcher nothing is ever heard.
            std::future::pending::<()>().await;
        }
        self.is_pending = true;
        let latest = Instant::now() + debounce * MOST_DEBOUNCES;
        while Instant::now() < latest && matches!(timeout(debounce, self.events.recv()).await, Ok(Some(()))) {}
        self.is_pending = false;
    }
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
