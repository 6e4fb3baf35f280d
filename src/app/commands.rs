//! What the process does when it is told to, until it is to end.

use super::reporting::Reporting;
use super::signals::{Signal, Signals};
use super::succession::{Successor, Upgrade};
use crate::proxy::AccessOutput;
use crate::reload;

/// Who is told what.
pub(super) struct Commands<'a> {
    pub(super) reload: &'a reload::Handle,
    pub(super) access_log: &'a AccessOutput,
    pub(super) reporting: &'a Reporting,
    pub(super) upgrade: &'a mut Upgrade,
}

impl Commands<'_> {
    /// Reloads, reopens and upgrades when told to. Returns when told to end, or when another process serves in the place
    /// of this one: that is returned.
    pub(super) async fn until_told_to_end(&mut self, signals: &mut Signals) -> Option<Successor> {
        loop {
            let signal = tokio::select! {
                signal = signals.next() => signal,
                outcome = self.upgrade.outcome() => match outcome {
                    Ok(successor) => return Some(successor),
                    Err(error) => {
                        tracing::error!(%error, "no new process: this one goes on serving");
                        continue;
                    }
                },
            };
            match signal {
                Signal::Reload => {
                    let (reload, reporting) = (self.reload.clone(), self.reporting.clone());
                    // The outcome is in the log; a storm of signals ends up as one reload running and one waiting.
                    tokio::task::spawn_local(async move { reporting.reload(&reload).await });
                }
                Signal::Reopen => {
                    if let Some(lines) = self.access_log.lines() {
                        lines.reopen();
                    }
                }
                Signal::Upgrade => match self.upgrade.start() {
                    Ok(id) => tracing::info!(id, "a new process is started, to take the place of this one"),
                    Err(error) => tracing::error!(%error, "no new process: this one goes on serving"),
                },
                Signal::End => return None,
            }
        }
    }
}
