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
}

struct Url {
    text: String,
    /// Host and port; `None` for what is no URL, and refused without asking.
    server: Option<String>,
}

/// So many questions are asked at once; with the largest answers they take a megabyte.
const MOST_AT_ONCE: usize = 16;
/// And so many of one server: the others have theirs while it says nothing for ten seconds each time.
const MOST_OF_ONE_SERVER: usize = 2;

impl Asking {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            known: HashSet::new(),
            waiting: VecDeque::new(),
            running: JoinSet::new(),
            asked: HashMap::new(),
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
        let (id, answer) = match self.running.join_next_with_id().await? {
            Ok((id, answer)) => (id, Some(answer)),
            Err(panic) => (panic.id(), None),
        };
        let url = self.asked.remove(&id);
        self.begin();
        url.map(|url| (url.text, answer))
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

    fn is_busy(&self, url: &Url) -> bool {
        let same = self.asked.values().filter(|asked| asked.server == url.server);
        url.server.is_some() && same.count() >= MOST_OF_ONE_SERVER
    }
}
