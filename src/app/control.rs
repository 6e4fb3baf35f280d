//! Where everything but requests runs, and what tells the process what to do.

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::mpsc;

use super::Error;
use super::signals::{Signal, Signals};

/// The control runtime with the signals of the process. The workers have runtimes of their own: nothing that happens
/// here delays a request.
#[derive(Debug)]
pub struct Control {
    pub(super) runtime: LocalRuntime,
    pub(super) signals: Signals,
}

impl Control {
    /// From now on SIGHUP reloads; SIGUSR1 opens the access log anew; SIGUSR2 starts a new
    /// process in the place of this one; SIGTERM and SIGINT end.
    ///
    /// # Errors
    ///
    /// [`Error::Runtime`] where the operating system gives no event queue or takes no handler.
    pub fn of_process() -> Result<Self, Error> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())
            .map_err(Error::Runtime)?;
        let signals = {
            let _on_runtime = runtime.enter();
            Signals::of_process().map_err(Error::Runtime)?
        };
        Ok(Self { runtime, signals })
    }

    /// Where the same can be said from any thread.
    pub fn sender(&self) -> mpsc::Sender<Signal> {
        self.signals.sender()
    }
}
