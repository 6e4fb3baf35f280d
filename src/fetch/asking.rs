//! What is asked at the same time, so that one server that does not answer is in nobody else's way.

use std::collections::{HashMap, HashSet, VecDeque};

use tokio::task::{Id, JoinSet};

use super::location::Location;
use super::{Client, Error};

/// The URLs that wait to be asked, and those that are being asked.
pub(super) struct Asking {
    client: Client,
    known: HashSet<String>,
    waiting: VecDeque<Url>,
    running: JoinSet<Result<Vec<u8>, Error>>,
    /// What each of `running` asks.
    asked: HashMap<Id, Url>,
    /// How often each server has said nothing since it last said something.
    silences: HashMap<String, usize>,
}

struct Url {
    text: String,
    /// Host and port; `None` for what is no URL, and refused without asking.
    server: Option<String>,
}

/// So many questions are asked at once; with the largest answers they take a megabyte.
const MOST_AT_ONCE: usize = 16;
/// And so many of one server. One that said nothing so often is left alone: each further URL would take ten seconds.
const MOST_OF_ONE_SERVER: usize = 2;

impl Asking {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            known: HashSet::new(),
            waiting: VecDeque::new(),
            running: JoinSet::new(),
            asked: HashMap::new(),
            silences: HashMap::new(),
        }
    }

    /// Asks `url` as soon as may be, unless that was wanted before.
    pub(super) fn ask(&mut self, url: &str) {
        if self.known.insert(url.to_owned()) {
            let server = Location::parse(url)
                .ok()
                .map(|location| location.authority.to_ascii_lowercase());
            let text = url.to_owned();
            self.waiting.push_back(Url { text, server });
            self.begin();
        }
    }

    /// A URL and what came of it: `None` where asking panicked, which says so itself. No URL where none is being asked.
    /// Dropped before, it loses nothing.
    pub(super) async fn next(&mut self) -> Option<(String, Option<Result<Vec<u8>, Error>>)> {
        if let Some(place) = self.waiting.iter().position(|url| self.is_silent(url)) {
            let url = self.waiting.remove(place)?;
            let server = url.server.unwrap_or_default();
            return Some((url.text, Some(Err(Error::Silent(server)))));
        }
        let (id, answer) = match self.running.join_next_with_id().await? {
            Ok((id, answer)) => (id, Some(answer)),
            Err(panic) => (panic.id(), None),
        };
        let url = self.asked.remove(&id)?;
        self.note(&url, answer.as_ref());
        self.begin();
        Some((url.text, answer))
    }

    fn note(&mut self, url: &Url, answer: Option<&Result<Vec<u8>, Error>>) {
        let Some(server) = &url.server else { return };
        match answer {
            Some(Err(Error::Connect { .. } | Error::Deadline(_) | Error::Resolve { .. })) => {
                *self.silences.entry(server.clone()).or_default() += 1;
            }
            _ => drop(self.silences.remove(server)),
        }
    }

    fn begin(&mut self) {
        while self.running.len() < MOST_AT_ONCE
            && let Some(place) = self.waiting.iter().position(|url| !self.is_busy(url))
            && let Some(url) = self.waiting.remove(place)
        {
            let (client, text) = (self.client.clone(), url.text.clone());
            let task = self.running.spawn(async move { client.get(&text).await });
            self.asked.insert(task.id(), url);
        }
    }

    fn is_silent(&self, url: &Url) -> bool {
        self.silences_of(url) >= MOST_OF_ONE_SERVER
    }

    fn is_busy(&self, url: &Url) -> bool {
        let same = self.asked.values().filter(|asked| asked.server == url.server);
        url.server.is_some() && same.count() + self.silences_of(url) >= MOST_OF_ONE_SERVER
    }

    fn silences_of(&self, url: &Url) -> usize {
        let silences = url.server.as_ref().and_then(|server| self.silences.get(server));
        silences.copied().unwrap_or_default()
    }
}
