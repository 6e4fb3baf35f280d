//! Roots and client certificates for servers, read again: with every reload that is asked for, and as often as other
//! files are looked at without being told to.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::proxy::Connectors;
use crate::reload;

/// Reads the files of `connectors` again whenever `asked` says so, and every poll interval of `settings`. Never ends.
pub(super) async fn follow(connectors: Connectors, settings: reload::Settings, asked: Arc<Notify>) {
    if connectors.is_empty() {
        return;
    }
    loop {
        let poll = async {
            match settings.watch {
                true => tokio::time::sleep(settings.poll_interval).await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            () = poll => {}
            () = asked.notified() => {}
        }
        let connectors = connectors.clone();
        // A file system may be slow; the admin listener shares this thread.
        if let Err(panic) = tokio::task::spawn_blocking(move || connectors.read_again()).await {
            tracing::error!(%panic, "roots and client certificates for servers were not read again");
        }
    }
}
