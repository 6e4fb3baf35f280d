//! How other rooms ask for a reload and hear what came of it.

use tokio::sync::{mpsc, oneshot};

/// A request for a reload, with the place for its answer.
#[derive(Debug)]
pub(crate) struct Request {
    /// Swap in chains even where they are worse than those served.
    pub(crate) force: bool,
    /// Where the answer goes; nobody need be waiting.
    pub(crate) answer: oneshot::Sender<Outcome>,
}

/// What came of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing on disk differs from what is served.
    Unchanged,
    /// A new snapshot is served; one sentence for each certificate that changed.
    Changed(Vec<String>),
    /// Some or all certificates stay as they were; one sentence each that names the file and the reason.
    Kept(Vec<String>),
}

/// Asks the reload task for a reload.
#[derive(Clone, Debug)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
}

impl Handle {
    /// A handle and the end at which its requests arrive.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Request>) {
        // One request in flight and one waiting: any number of further ones ask for the same.
        let (requests, receiver) = mpsc::channel(1);
        (Self { requests }, receiver)
    }

    /// Reads every file again and waits for the result. `force` swaps in chains even where they are worse than those
    /// served.
    ///
    /// `None` when the reload task has ended.
    pub async fn reload(&self, force: bool) -> Option<Outcome> {
        let (answer, outcome) = oneshot::channel();
        self.requests.send(Request { force, answer }).await.ok()?;
        outcome.await.ok()
    }
}
