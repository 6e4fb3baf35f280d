//! One look at everything that is missing: what is asked, what came, and what is to be remembered of it. Nothing here
//! waits for anybody.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rustls::pki_types::UnixTime;

use super::back_off::fresh_until;
use super::cache::Known;
use super::entry::Key;
use super::judge::Judge;
use super::outcome::{Failure, Found, Outcome, Reason};
use super::quest::{Quest, Question};
use crate::chain::{Certificate, Context, Sha256, Store, Wanted, assemble};

/// What a URL gave, for all who ask it.
pub(super) type Answer = Result<Arc<[Arc<Certificate>]>, Reason>;

/// A question that is being asked, and for what.
pub(super) struct Asked {
    pub(super) question: Question,
    wanted: Wanted,
}

impl Asked {
    pub(super) fn key(&self) -> Key {
        Key::new(&self.question.url, &self.wanted)
    }
}

/// One look at everything that is missing. Each quest goes on as soon as what it asked is answered.
pub(super) struct Search<'a> {
    /// Those that wait for nothing.
    quests: Vec<Quest>,
    /// Those that wait for the answer to a question.
    waiting: HashMap<Question, Vec<Quest>>,
    store: Store,
    context: &'a Context<'a>,
    judge: Judge,
    /// What waits for each URL.
    asked: HashMap<String, Vec<Asked>>,
    /// What each URL gave; `None` for nothing at all.
    answers: HashMap<String, Option<Answer>>,
    /// The URLs among `answers` that somebody may wait for.
    ready: Vec<String>,
    /// Whether what the network was asked gave something that counts. Several certificates may ask under one key.
    settled: HashMap<Key, bool>,
    /// What came earlier, for those of the questions now asked that give nothing.
    old: HashMap<Question, (Vec<Arc<Certificate>>, UnixTime)>,
    fetched: HashSet<Sha256>,
    outcome: Outcome,
}

impl<'a> Search<'a> {
    /// What is missing above each of `leaves`.
    pub(super) fn new(leaves: &[Arc<Certificate>], store: Store, context: &'a Context<'a>) -> Self {
        Self {
            quests: leaves.iter().map(Quest::new).collect(),
            waiting: HashMap::new(),
            store,
            context,
            judge: Judge::default(),
            asked: HashMap::new(),
            answers: HashMap::new(),
            ready: Vec::new(),
            settled: HashMap::new(),
            old: HashMap::new(),
            fetched: HashSet::new(),
            outcome: Outcome::default(),
        }
    }

    /// The next question of each quest that waits for nothing, unless another is waiting for the same.
    pub(super) fn questions(&mut self) -> Vec<Asked> {
        let has_anchors = !self.context.anchors.is_empty();
        let mut asked = Vec::new();
        for mut quest in std::mem::take(&mut self.quests) {
            let assembly = assemble(&quest.leaf, &self.store, self.context);
            if let Some((question, wanted)) = quest.next(&assembly, has_anchors, &self.fetched) {
                let waiting = self.waiting.entry(question.clone()).or_default();
                if waiting.is_empty() {
                    let wanted = wanted.clone();
                    asked.push(Asked { question, wanted });
                }
                waiting.push(quest);
            } else if assembly.wanted.is_some() && !self.fetched.is_empty() {
                // Perhaps what was fetched is not what it should be.
                self.retry(Some(fresh_until(self.context.at)));
            }
        }
        asked
    }

    /// Whether there is anything to tell, and what.
    pub(super) fn take_outcome(&mut self) -> Option<Outcome> {
        let outcome = std::mem::take(&mut self.outcome);
        let is_empty = outcome.found.is_empty() && outcome.failures.is_empty() && outcome.retry_at.is_none();
        (!is_empty).then_some(outcome)
    }

    /// `asked` is settled as soon as its URL is answered, which it may be already.
    pub(super) fn wait_for(&mut self, asked: Asked) {
        let url = asked.question.url.clone();
        if self.answers.contains_key(&url) {
            self.ready.push(url.clone());
        }
        self.asked.entry(url).or_default().push(asked);
    }

    /// What `url` gave.
    pub(super) fn answered(&mut self, url: String, answer: Option<Answer>) {
        self.ready.push(url.clone());
        self.answers.insert(url, answer);
    }

    /// Judges what has come for each question that waits for it, and says what is to be remembered.
    pub(super) fn settle(&mut self) -> Vec<Note> {
        let mut notes = Vec::new();
        for url in std::mem::take(&mut self.ready) {
            for asked in self.asked.remove(&url).unwrap_or_default() {
                self.go_on(&asked);
                notes.extend(self.settle_one(asked));
            }
        }
        notes
    }

    fn go_on(&mut self, asked: &Asked) {
        self.quests
            .extend(self.waiting.remove(&asked.question).unwrap_or_default());
    }

    /// Whether what is known from before answers the question, or forbids asking.
    pub(super) fn is_settled_by(&mut self, known: &Known, asked: &Asked) -> bool {
        // Nothing counts for having counted: it may have ended, or never have been what it seems to be.
        let counted = known.answer.as_ref().and_then(|(certificates, at)| {
            let issuers = self.judge.issuers(certificates, &asked.wanted.issuer_of, self.context);
            Some((issuers.ok()?, *at))
        });
        // What failed just now for another certificate is at hand to be judged for this one too.
        let not_before = known.not_before.filter(|_| !self.settled.contains_key(&asked.key()));
        let is_settled = match counted {
            Some((found, at)) if known.is_fresh || not_before.is_some() => {
                self.add(&found, asked, at);
                true
            }
            Some(old) => {
                self.old.insert(asked.question.clone(), old);
                false
            }
            None => {
                self.retry(not_before);
                not_before.is_some()
            }
        };
        if is_settled {
            self.go_on(asked);
        }
        is_settled
    }

    /// Judges what the URL gave, and says what is to be remembered of it.
    fn settle_one(&mut self, asked: Asked) -> Option<Note> {
        let key = asked.key();
        let url = asked.question.url.clone();
        let before = self.settled.get(&key).copied();
        let counted = match self.answers.get(&url)?.as_ref()? {
            Ok(answer) => {
                let issuers = self.judge.issuers(answer, &asked.wanted.issuer_of, self.context);
                issuers.map_err(Reason::Dismissed)
            }
            Err(reason) => Err(reason.clone()),
        };
        let old = self.old.remove(&asked.question);
        if counted.is_err()
            && let Some((found, at)) = old
        {
            self.add(&found, &asked, at);
        }
        match counted {
            Ok(found) => {
                self.settled.insert(key, true);
                self.add(&found, &asked, self.context.at);
                let came = Ok(found);
                (before != Some(true)).then_some(Note { key, url, came })
            }
            // Said and noted already, or of use to another certificate.
            Err(_) if before.is_some() => None,
            Err(reason) => {
                self.settled.insert(key, false);
                let came = Err(reason.to_string());
                self.outcome.failures.push(Failure {
                    url: url.clone(),
                    issuer_of: asked.wanted.issuer_of,
                    reason,
                });
                Some(Note { key, url, came })
            }
        }
    }

    fn add(&mut self, found: &[Arc<Certificate>], asked: &Asked, fetched_at: UnixTime) {
        for certificate in found {
            if self.store.insert(certificate.clone()) {
                self.fetched.insert(certificate.fingerprint());
                self.outcome.found.push(Found {
                    certificate: certificate.clone(),
                    issuer_of: asked.wanted.issuer_of.clone(),
                    url: asked.question.url.clone(),
                    fetched_at,
                });
            }
        }
    }

    pub(super) fn retry(&mut self, at: Option<UnixTime>) {
        let both = [self.outcome.retry_at, at].into_iter().flatten();
        self.outcome.retry_at = both.min_by_key(UnixTime::as_secs);
    }
}

/// What the cache is to keep of a question.
pub(super) struct Note {
    pub(super) key: Key,
    pub(super) url: String,
    pub(super) came: Result<Vec<Arc<Certificate>>, String>,
}
