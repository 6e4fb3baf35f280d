//! One look at everything that is missing: what is asked, what came, and what is to be remembered of it. Nothing here
//! waits for anybody.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rustls::pki_types::UnixTime;
use tokio::task::yield_now;

use super::cache::Known;
use super::entry::Key;
use super::judge::issuers;
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

/// One look at everything that is missing.
pub(super) struct Search<'a> {
    quests: Vec<Quest>,
    store: Store,
    context: &'a Context<'a>,
    /// What each URL gave.
    pub(super) answers: HashMap<String, Answer>,
    /// Whether what the network was asked gave something that counts. Several certificates may ask under one key.
    settled: HashMap<Key, bool>,
    fetched: HashSet<Sha256>,
    pub(super) outcome: Outcome,
}

impl<'a> Search<'a> {
    /// What is missing above each of `leaves`.
    pub(super) fn new(leaves: &[Arc<Certificate>], store: Store, context: &'a Context<'a>) -> Self {
        Self {
            quests: leaves.iter().map(Quest::new).collect(),
            store,
            context,
            answers: HashMap::new(),
            settled: HashMap::new(),
            fetched: HashSet::new(),
            outcome: Outcome::default(),
        }
    }

    /// The next question for each leaf; those of several leaves for one certificate are one.
    pub(super) async fn questions(&mut self) -> Vec<Asked> {
        let has_anchors = !self.context.anchors.is_empty();
        let (mut seen, mut asked, mut going) = (HashSet::new(), Vec::new(), Vec::new());
        for mut quest in std::mem::take(&mut self.quests) {
            let assembly = assemble(&quest.leaf, &self.store, self.context);
            if let Some((question, wanted)) = quest.next(&assembly, has_anchors, &self.fetched) {
                if seen.insert(question.clone()) {
                    let wanted = wanted.clone();
                    asked.push(Asked { question, wanted });
                }
                going.push(quest);
            }
            // Assembling takes its time, and others share this thread.
            yield_now().await;
        }
        self.quests = going;
        asked
    }

    /// Whether what is known from before answers the question, or forbids asking.
    pub(super) fn is_settled_by(&mut self, known: &Known, asked: &Asked) -> bool {
        match known {
            Known::Found(certificates, at) => match issuers(certificates, &asked.wanted.issuer_of, self.context) {
                Ok(found) => {
                    self.add(&found, asked, *at);
                    true
                }
                // It has ended, or was never what it seems to be.
                Err(_) => false,
            },
            // What failed just now for another certificate is at hand to be judged for this one too.
            Known::NotBefore(_) if self.settled.contains_key(&asked.key()) => false,
            Known::NotBefore(at) => {
                self.retry(Some(*at));
                true
            }
            Known::Nothing => false,
        }
    }

    /// Judges what the URL gave, and says what is to be remembered of it.
    pub(super) fn settle(&mut self, asked: Asked) -> Option<Note> {
        let key = asked.key();
        let url = asked.question.url.clone();
        let before = self.settled.get(&key).copied();
        let counted = match self.answers.get(&url)? {
            Ok(answer) => issuers(answer, &asked.wanted.issuer_of, self.context).map_err(Reason::Dismissed),
            Err(reason) => Err(reason.clone()),
        };
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
