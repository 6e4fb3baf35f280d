//! What the process is told from outside.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// What the process is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Read the files again.
    Reload,
    /// Open the access log's file anew.
    Reopen,
    /// Start a new process in the place of this one.
    Upgrade,
    /// End, in order; told twice, at once.
    End,
}

/// A stream of [`Signal`]s.
#[derive(Debug)]
pub(super) struct Signals {
    received: mpsc::Receiver<Signal>,
    /// Kept here so that the channel stays open: that nobody can say anything any more is no reason to end.
    sender: mpsc::Sender<Signal>,
}

impl Signals {
    /// Where signals can be sent by hand, from any thread.
    pub(super) fn sender(&self) -> mpsc::Sender<Signal> {
        self.sender.clone()
    }

    /// SIGHUP reloads; SIGUSR1 reopens; SIGUSR2 upgrades; SIGTERM and SIGINT end. Must be called on a tokio runtime.
    ///
    /// # Errors
    ///
    /// Where a handler cannot be installed.
    pub(super) fn of_process() -> io::Result<Self> {
        let (sender, received) = mpsc::channel(8);
        let signals = Self { received, sender };
        let meanings = [
            (SignalKind::hangup(), Signal::Reload),
            (SignalKind::user_defined1(), Signal::Reopen),
            (SignalKind::user_defined2(), Signal::Upgrade),
            (SignalKind::terminate(), Signal::End),
            (SignalKind::interrupt(), Signal::End),
        ];
        for (kind, meaning) in meanings {
            let mut arrivals = signal(kind)?;
            let sender = signals.sender();
            tokio::spawn(async move { while arrivals.recv().await.is_some() && sender.send(meaning).await.is_ok() {} });
        }
        Ok(signals)
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Signal {
        // The sender kept here keeps the channel open.
        self.received.recv().await.unwrap_or(Signal::End)
    }

    /// Waits until told to end.
    pub(super) async fn end(&mut self) {
        // A reload while draining changes nothing that anybody would see.
        while self.next().await != Signal::End {}
    }
}
