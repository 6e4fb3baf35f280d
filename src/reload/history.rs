//! The latest reloads, for people.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::UnixTime;

use super::handle::Outcome;

/// So many are remembered: what happened in a bad night, and no memory to speak of.
const MOST: usize = 50;
/// So many sentences of one reload: a directory of thousands may be renewed at once.
const MOST_DETAILS: usize = 100;

/// The latest reloads. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct History(Arc<Mutex<VecDeque<Record>>>);

/// What came of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it was done; the last time, where the same came of several in a row.
    pub at: UnixTime,
    /// When the same came of it for the first time.
    pub first_at: UnixTime,
    /// How often in a row.
    pub times: u32,
    /// Why it was done.
    pub cause: Cause,
    /// What came of it.
    pub outcome: Outcome,
    /// Sentences of `outcome` that were too many to be remembered.
    pub more: usize,
}

/// Why there was a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Somebody asked: SIGHUP, `fullchain reload` or the admin listener.
    Asked,
    /// Files have changed.
    Files,
    /// Missing issuers were found.
    Found,
    /// An instant came from which the same files give another answer.
    Time,
}

impl History {
    /// Notes a reload at the instant `at`. One that found nothing new and that nobody asked for is not worth a line, and what
    /// is tried again and again in vain is worth one.
    pub(super) fn note(&self, at: UnixTime, cause: Cause, outcome: &Outcome) {
        if *outcome == Outcome::Unchanged && cause != Cause::Asked {
            return;
        }
        let (outcome, more) = shortened(outcome);
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = records.front_mut();
        if let Some(last) = last.filter(|last| last.cause == cause && is_repeated(&last.outcome, &outcome)) {
            (last.at, last.times) = (at, last.times.saturating_add(1));
            return;
        }
        records.truncate(MOST - 1);
        records.push_front(Record {
            at,
            first_at: at,
            times: 1,
            cause,
            outcome,
            more,
        });
    }

    /// The latest, newest first.
    pub fn records(&self) -> Vec<Record> {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        records.iter().cloned().collect()
    }
}

/// Whether `next` says nothing that `last` did not: a reason alone is what is left of a sentence when it is told again.
fn is_repeated(last: &Outcome, next: &Outcome) -> bool {
    let is_told = |sentence: &String| last.sentences().iter().any(|told| told.contains(sentence));
    match (last, next) {
        (Outcome::Unchanged, Outcome::Unchanged) => true,
        (Outcome::Kept(_), Outcome::Kept(again)) | (Outcome::Refused(_), Outcome::Refused(again)) => {
            again.iter().all(is_told)
        }
        _ => false,
    }
}

fn shortened(outcome: &Outcome) -> (Outcome, usize) {
    let some = |sentences: &[String]| sentences.iter().take(MOST_DETAILS).cloned().collect();
    let more = outcome.sentences().len().saturating_sub(MOST_DETAILS);
    let outcome = match outcome {
        Outcome::Unchanged => Outcome::Unchanged,
        Outcome::Changed(sentences) => Outcome::Changed(some(sentences)),
        Outcome::Kept(sentences) => Outcome::Kept(some(sentences)),
        Outcome::Refused(sentences) => Outcome::Refused(some(sentences)),
    };
    (outcome, more)
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked => "asked",
            Self::Files => "files",
            Self::Found => "found",
            Self::Time => "time",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    fn kept(sentence: &str) -> Outcome {
        Outcome::Kept(vec![sentence.to_owned()])
    }

    #[test]
    fn what_is_tried_again_in_vain_is_one_record() {
        let history = History::default();
        history.note(at(1), Cause::Files, &kept("kept a.test: torn"));
        history.note(at(2), Cause::Files, &kept("torn"));
        history.note(at(3), Cause::Files, &Outcome::Unchanged);
        history.note(at(4), Cause::Asked, &kept("torn"));
        let records = history.records();
        let shown: Vec<_> = records
            .iter()
            .map(|record| (record.first_at, record.at, record.times))
            .collect();
        assert_eq!(shown, [(at(4), at(4), 1), (at(1), at(2), 2)]);
    }

    #[test]
    fn who_asked_finds_the_answer_even_where_nothing_was_new() {
        let history = History::default();
        history.note(at(1), Cause::Asked, &Outcome::Unchanged);
        assert_eq!(history.records()[0].outcome, Outcome::Unchanged);
    }

    #[test]
    fn the_oldest_and_the_longest_are_cut() {
        let history = History::default();
        for number in 0..60 {
            history.note(at(number), Cause::Files, &kept(&number.to_string()));
        }
        assert_eq!(history.records().len(), MOST);
        assert_eq!(history.records()[0].outcome, kept("59"));
        history.note(at(60), Cause::Files, &Outcome::Changed(vec!["x".to_owned(); 150]));
        assert_eq!(
            (
                history.records()[0].outcome.sentences().len(),
                history.records()[0].more
            ),
            (100, 50)
        );
    }
}
