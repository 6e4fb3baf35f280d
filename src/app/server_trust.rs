//! Roots and client certificates for servers, read again: with every reload that is asked for, and as often as other
//! files are looked at without being told to.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::config::Config;
use crate::live::Live;
use crate::proxy::Reconfigurer;

/// Has the proxy read these files again whenever `asked` says so, and every poll interval of what is `running`. Never ends.
pub(super) async fn follow(proxy: Reconfigurer, running: Arc<Live<Config>>, asked: Arc<Notify>) {
    loop {
        let settings = running.current().reload;
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
        let proxy = proxy.clone();
        // A file system may be slow; the admin listener shares this thread.
        if let Err(panic) = tokio::task::spawn_blocking(move || proxy.read_trust_again()).await {
            tracing::error!(%panic, "roots and client certificates for servers were not read again");
        }
    }
}
