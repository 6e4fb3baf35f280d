//! How other rooms ask for a reload and hear what came of it.

use tokio::sync::{mpsc, oneshot};

/// So many may ask before the reload that is running has ended; further ones wait for a place.
const MOST_WAITING: usize = 64;

/// One or several requests for a reload, which one reload answers.
#[derive(Debug)]
pub(crate) struct Request {
    /// Swap in chains even where they are worse than those served.
    pub(crate) force: bool,
    /// Where the answer goes; nobody need be waiting.
    answers: Vec<oneshot::Sender<Outcome>>,
}

impl Request {
    /// Tells everybody who asked.
    pub(crate) fn answer(self, outcome: &Outcome) {
        for answer in self.answers {
            // Whoever asked may have gone.
            let _ = answer.send(outcome.clone());
        }
    }
}

/// What came of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing on disk differs from what is served.
    Unchanged,
    /// Something is new; one sentence for each certificate that changed, and for the rest of the configuration.
    Changed(Vec<String>),
    /// Some or all certificates stay as they were; one sentence each that names the file and the reason.
    Kept(Vec<String>),
    /// The configuration cannot be used, or the reload failed: nothing has changed; why, in sentences.
    Refused(Vec<String>),
}

impl Outcome {
    /// What there is to say of it.
    pub fn sentences(&self) -> &[String] {
        match self {
            Self::Unchanged => &[],
            Self::Changed(sentences) | Self::Kept(sentences) | Self::Refused(sentences) => sentences,
        }
    }

    /// What it is called in JSON: `unchanged`, `changed`, `kept` or `refused`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Changed(_) => "changed",
            Self::Kept(_) => "kept",
            Self::Refused(_) => "refused",
        }
    }

    /// The same, where the rest of the configuration has `changed` too.
    pub(super) fn with(self, changed: Vec<String>) -> Self {
        match self {
            Self::Unchanged if changed.is_empty() => Self::Unchanged,
            Self::Unchanged => Self::Changed(changed),
            Self::Changed(sentences) => Self::Changed([sentences, changed].concat()),
            Self::Kept(sentences) => Self::Kept([sentences, changed].concat()),
            Self::Refused(sentences) => Self::Refused(sentences),
        }
    }
}

/// Asks the reload task for a reload.
#[derive(Clone, Debug)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
}

impl Handle {
    /// A handle and the end at which its requests arrive.
    pub(crate) fn new() -> (Self, Requests) {
        let (requests, receiver) = mpsc::channel(MOST_WAITING);
        (Self { requests }, Requests(receiver))
    }

    /// Reads every file again and waits for the result. `force` swaps in chains even where they are worse than those
    /// served.
    ///
    /// `None` when the reload task has ended.
    pub async fn reload(&self, force: bool) -> Option<Outcome> {
        let (answer, outcome) = oneshot::channel();
        let answers = vec![answer];
        self.requests.send(Request { force, answers }).await.ok()?;
        outcome.await.ok()
    }
}

/// Where requests arrive.
#[derive(Debug)]
pub(crate) struct Requests(mpsc::Receiver<Request>);

impl Requests {
    /// Everything that was asked so far as one request, which is forced where any of them is. Waits for the first;
    /// `None` once the last [`Handle`] is gone. May be dropped half-way: no request is lost.
    pub(crate) async fn next(&mut self) -> Option<Request> {
        let mut all = self.0.recv().await?;
        while let Ok(Request { force, answers }) = self.0.try_recv() {
            all.force |= force;
            all.answers.extend(answers);
        }
        Some(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_that_wait_together_are_one_and_forced_if_any_of_them_is() {
        let (handle, mut requests) = Handle::new();
        let once = async {
            let request = requests.next().await.unwrap();
            assert!(request.force);
            request.answer(&Outcome::Unchanged);
        };
        let (first, second, third, ()) =
            tokio::join!(handle.reload(false), handle.reload(true), handle.reload(false), once);
        assert_eq!([first, second, third], [const { Some(Outcome::Unchanged) }; 3]);
        drop(handle);
        assert!(requests.next().await.is_none());
    }
}
