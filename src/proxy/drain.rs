//! The signal to finish what is in progress and take on nothing new.

use tokio::sync::watch;

/// The end that gives the signal.
#[derive(Debug)]
pub struct Drain {
    started: watch::Sender<bool>,
}

/// The end that waits for it; every listener and worker has one.
#[derive(Clone, Debug)]
pub struct Watch {
    started: watch::Receiver<bool>,
}

/// A signal that has not been given yet.
pub fn channel() -> (Drain, Watch) {
    let (sender, receiver) = watch::channel(false);
    (Drain { started: sender }, Watch { started: receiver })
}

impl Drain {
    /// Gives the signal: listeners stop accepting, idle connections close, busy ones end after the response in
    /// progress.
    pub fn start(&self) {
        self.started.send_replace(true);
    }
}

impl Watch {
    /// Returns once the signal is given; never where the [`Drain`] was dropped without it.
    pub async fn started(&mut self) {
        if self.started.wait_for(|started| *started).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether the signal was given.
    pub fn has_started(&self) -> bool {
        *self.started.borrow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_watch_hears_the_signal_even_a_late_one() {
        let (drain, mut watch) = channel();
        assert!(!watch.has_started());
        drain.start();
        let mut late = watch.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            watch.started().await;
            late.started().await;
        });
        assert!(late.has_started());
    }
}
