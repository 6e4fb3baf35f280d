//! Whether every worker still turns: each is asked, and answers from its own runtime.

use tokio::sync::watch;

/// The side that asks all workers.
#[derive(Debug)]
pub struct Pulse {
    asked: watch::Sender<u64>,
    answers: Vec<watch::Receiver<u64>>,
}

/// The side of one worker.
#[derive(Debug)]
pub(super) struct Heart {
    asked: watch::Receiver<u64>,
    answered: watch::Sender<u64>,
}

impl Pulse {
    /// The pulse of no worker yet.
    pub(super) fn new() -> Self {
        let (asked, _) = watch::channel(0);
        Self {
            asked,
            answers: Vec::new(),
        }
    }

    /// What one more worker answers with.
    pub(super) fn heart(&mut self) -> Heart {
        let (answered, answer) = watch::channel(0);
        self.answers.push(answer);
        Heart {
            asked: self.asked.subscribe(),
            answered,
        }
    }

    /// Asks every worker and returns once all have answered: never where one hangs, or has panicked. A worker that has
    /// ended because it was to end, which `may_end` tells, need not answer.
    pub async fn feel(&mut self, may_end: impl Fn() -> bool) {
        let question = self.asked.borrow().wrapping_add(1);
        self.asked.send_replace(question);
        for answer in &mut self.answers {
            let is_gone = answer.wait_for(|answer| *answer == question).await.is_err();
            if is_gone && !may_end() {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Heart {
    /// Answers for as long as somebody asks.
    pub(super) async fn beat(mut self) {
        while self.asked.changed().await.is_ok() {
            let question = *self.asked.borrow_and_update();
            self.answered.send_replace(question);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn it_is_felt_once_every_worker_has_answered() {
        let mut pulse = Pulse::new();
        let (one, two) = (pulse.heart(), pulse.heart());
        tokio::spawn(one.beat());
        {
            let mut felt = pin!(pulse.feel(|| false));
            for _ in 0..100 {
                tokio::select! {
                    biased;
                    () = &mut felt => panic!("one of the two has not answered"),
                    () = tokio::task::yield_now() => {}
                }
            }
            tokio::spawn(two.beat());
            felt.await;
        }
        pulse.feel(|| false).await;
    }

    #[tokio::test]
    async fn a_worker_that_is_gone_is_missed_unless_it_was_to_end() {
        let mut pulse = Pulse::new();
        drop(pulse.heart());
        pulse.feel(|| true).await;
        tokio::select! {
            biased;
            () = pulse.feel(|| false) => panic!("nobody has answered"),
            () = tokio::task::yield_now() => {}
        }
    }
}
