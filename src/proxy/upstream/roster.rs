//! What all workers know of the servers of a backend: who is up, who is left alone, and how busy each is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

use super::ejected::{Ejected, Standing};
use super::queue::{Queue, QueueError, Wants};
use super::seal::Seal;
use super::settings::{Balance, Ejection};
use super::sockets::Sockets;
use crate::proxy::delivery::Learnt;
use crate::proxy::error::Error;
use crate::proxy::metrics::State;
use crate::proxy::settings;
use crate::telemetry::Causes;

/// What all workers know of the servers of a backend.
#[derive(Debug)]
pub(in crate::proxy) struct Roster {
    backend: Box<str>,
    servers: Box<[Entry]>,
    ejection: Option<Ejection>,
    queue: Option<Queue>,
    /// Whether anybody wants to know how busy servers are.
    counts: bool,
    seal: Option<Arc<Seal>>,
    learnt: Arc<Learnt>,
    beginning: Instant,
}

#[derive(Debug)]
struct Entry {
    name: Box<str>,
    /// What health checks say.
    up: AtomicBool,
    ejected: Ejected,
    /// Requests in progress, counted only where anybody wants to know.
    in_use: AtomicUsize,
    sockets: Option<Arc<Sockets>>,
}

/// A request in progress at a server, for as long as it is kept.
#[derive(Debug)]
pub(super) struct Slot {
    roster: Arc<Roster>,
    server: usize,
}

impl Roster {
    /// The servers of `backend`, all of them taken to be well but those that `previous` knows to be down. Clients stay with
    /// their servers where it had a secret of its own too.
    pub(super) fn new(backend: &settings::Backend, previous: Option<&Self>) -> Self {
        let choice = &backend.choice;
        let is_checked = choice.health.is_some();
        let is_down = |name: &str| {
            let mut before = previous.into_iter().flat_map(|previous| &previous.servers);
            before.any(|entry| &*entry.name == name && !entry.up.load(Ordering::Relaxed))
        };
        let entry = |address: &settings::ServerAddress| {
            let name: Box<str> = address.to_string().into();
            Entry {
                up: AtomicBool::new(!(is_checked && is_down(&name))),
                name,
                ejected: Ejected::default(),
                in_use: AtomicUsize::new(0),
                sockets: choice
                    .limit
                    .map(|limit| Arc::new(Sockets::new(limit.connections.get()))),
            }
        };
        let seal_before = previous.and_then(|previous| previous.seal.clone());
        Self {
            backend: backend.log_name().into(),
            servers: backend.servers.iter().map(entry).collect(),
            ejection: choice.ejection,
            queue: choice.limit.as_ref().map(Queue::new),
            counts: matches!(choice.balance, Balance::LeastConnections | Balance::RandomTwo),
            seal: choice
                .sticky
                .as_ref()
                .and_then(|sticky| match (&sticky.secret, seal_before) {
                    (None, Some(before)) => Some(before),
                    (secret, _) => Seal::new(secret.as_ref(), &backend.name)
                        .map(Arc::new)
                        .inspect_err(|_| tracing::error!(backend = backend.log_name(), "no key for sticky cookies"))
                        .ok(),
                }),
            learnt: Arc::default(),
            beginning: Instant::now(),
        }
    }

    /// What was learnt of how the backend takes bodies.
    pub(super) fn learnt(&self) -> &Arc<Learnt> {
        &self.learnt
    }

    /// What sticky cookies are sealed with.
    pub(super) fn seal(&self) -> Option<&Arc<Seal>> {
        self.seal.as_ref()
    }

    /// The sockets of a server, where their number is limited.
    pub(super) fn sockets(&self, server: usize) -> Option<&Arc<Sockets>> {
        self.servers.get(server)?.sockets.as_ref()
    }

    /// How many requests are in progress at a server.
    pub(super) fn load(&self, server: usize) -> usize {
        let entry = self.servers.get(server);
        entry.map_or(0, |entry| entry.in_use.load(Ordering::Relaxed))
    }

    /// Whether health checks say that a server is up.
    pub(super) fn is_up(&self, server: usize) -> bool {
        let entry = self.servers.get(server);
        entry.is_some_and(|entry| entry.up.load(Ordering::Relaxed))
    }

    /// Whether a server may be sent requests at `now`. One that is left alone may, where all others are down or left
    /// alone too: something is better than nothing.
    pub(super) fn takes_requests(&self, server: usize, now: Instant) -> bool {
        self.servers.get(server).is_some_and(|entry| {
            entry.up.load(Ordering::Relaxed)
                && (self.standing(entry, now) == Standing::In || !self.others_are_in(server, now))
        })
    }

    /// Finds a server for a request. `choose` chooses among those that it wants and that have room; where there are
    /// limits and no server has any, the request waits its turn. `None` where it would wait in vain.
    ///
    /// # Errors
    ///
    /// [`QueueError`] where too many wait already, or it has waited for too long.
    pub(super) async fn enter(
        self: &Arc<Self>,
        wants: Wants,
        choose: impl Fn(&dyn Fn(usize) -> bool) -> Option<usize>,
    ) -> Result<Option<(usize, Option<Slot>)>, QueueError> {
        let Some(queue) = &self.queue else {
            let chosen = choose(&|server| wants.accept(server));
            return Ok(chosen.map(|server| (server, self.counts.then(|| self.count(server)))));
        };
        let now = Instant::now();
        if !(0..self.len()).any(|server| wants.accept(server) && self.takes_requests(server, now)) {
            return Ok(None);
        }
        let server = queue.enter(self, wants, choose).await?;
        Ok(server.map(|server| (server, Some(self.slot(server)))))
    }

    /// The server that one request should try, because it has been left alone for long enough. Whoever asks is that
    /// request.
    pub(super) fn due(&self, eligible: impl Fn(usize) -> bool, now: Instant) -> Option<usize> {
        let ejection = self.ejection.as_ref()?;
        self.servers.iter().enumerate().position(|(server, entry)| {
            entry.up.load(Ordering::Relaxed)
                && self.standing(entry, now) == Standing::Due
                && eligible(server)
                && entry.ejected.try_again(ejection, self.moment(now))
        })
    }

    /// A server answered a request with `status`.
    pub(super) fn answered(&self, server: usize, status: StatusCode) {
        let (Some(ejection), Some(entry)) = (&self.ejection, self.servers.get(server)) else {
            return;
        };
        if ejection.counts_5xx && status.is_server_error() {
            self.count_failure(server, format_args!("it answered {}", status.as_u16()));
        } else if entry.ejected.answered() {
            self.say_it_is_back(entry);
        }
    }

    /// A request to a server failed with `error`.
    pub(super) fn failed(&self, server: usize, error: &Error) {
        if error.blames_server() {
            self.count_failure(server, format_args!("{}", Causes(error)));
        }
    }

    /// How each server is, by its name.
    pub(in crate::proxy) fn states(&self) -> Vec<(Box<str>, State)> {
        let now = Instant::now();
        let state = |entry: &Entry| match entry.up.load(Ordering::Relaxed) {
            false => State::Down,
            true if self.standing(entry, now) == Standing::In => State::Up,
            true => State::Ejected,
        };
        let named = |entry: &Entry| (entry.name.clone(), state(entry));
        self.servers.iter().map(named).collect()
    }

    /// Health checks say that a server is up, or that it is down.
    pub(super) fn set_up(&self, server: usize, up: bool) {
        if let Some(entry) = self.servers.get(server) {
            entry.up.store(up, Ordering::Relaxed);
            if up && entry.ejected.answered() {
                self.say_it_is_back(entry);
            }
        }
    }

    fn count_failure(&self, server: usize, reason: std::fmt::Arguments<'_>) {
        let (Some(ejection), Some(entry)) = (&self.ejection, self.servers.get(server)) else {
            return;
        };
        let now = Instant::now();
        let length = entry
            .ejected
            .failed(ejection, self.moment(now), || self.others_are_in(server, now));
        if let Some(length) = length {
            tracing::warn!(
                backend = &*self.backend,
                server = &*entry.name,
                failures = entry.ejected.failures(),
                seconds = length.as_secs_f32(),
                %reason,
                "server is left alone for a while"
            );
        }
    }

    fn say_it_is_back(&self, entry: &Entry) {
        tracing::info!(backend = &*self.backend, server = &*entry.name, "server answers again");
    }

    fn others_are_in(&self, server: usize, now: Instant) -> bool {
        self.servers.iter().enumerate().any(|(other, entry)| {
            other != server && entry.up.load(Ordering::Relaxed) && self.standing(entry, now) == Standing::In
        })
    }

    fn standing(&self, entry: &Entry, now: Instant) -> Standing {
        entry.ejected.standing(|| self.moment(now))
    }

    fn moment(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.beginning) + Duration::from_millis(1);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// One more request is in progress at `server`.
    pub(super) fn add(&self, server: usize) {
        if let Some(entry) = self.servers.get(server) {
            entry.in_use.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One less; whoever waits for that is let in.
    pub(super) fn leave(&self, server: usize) {
        let Some(entry) = self.servers.get(server) else { return };
        match &self.queue {
            None => {
                entry.in_use.fetch_sub(1, Ordering::Relaxed);
            }
            Some(queue) => queue.leave(self, || {
                entry.in_use.fetch_sub(1, Ordering::Relaxed);
            }),
        }
    }

    /// How many servers there are.
    pub(super) fn len(&self) -> usize {
        self.servers.len()
    }

    fn count(self: &Arc<Self>, server: usize) -> Slot {
        self.add(server);
        self.slot(server)
    }

    /// What gives up a place at `server` that was counted already.
    fn slot(self: &Arc<Self>, server: usize) -> Slot {
        Slot {
            roster: Arc::clone(self),
            server,
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.roster.leave(self.server);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::super::settings::Choice;
    use super::*;
    use crate::proxy::settings::{Backend, BackendTimeouts, ServerAddress};

    fn roster(servers: u16) -> Roster {
        let second = Duration::from_secs(1);
        let timeouts = BackendTimeouts {
            connect: second,
            first_byte: second,
            idle: second,
            progress: second,
        };
        let address = |port| ServerAddress::http("a", port);
        let choice = Choice {
            ejection: Some(Ejection::after(NonZeroU32::MIN)),
            ..Choice::default()
        };
        let backend = Backend {
            choice,
            ..Backend::new("app", (0..servers).map(address).collect(), timeouts)
        };
        Roster::new(&backend, None)
    }

    fn taking(roster: &Roster, now: Instant) -> Vec<usize> {
        (0..roster.len())
            .filter(|server| roster.takes_requests(*server, now))
            .collect()
    }

    fn fails(roster: &Roster, server: usize) {
        roster.failed(server, &Error::Unsent { server: "a".into() });
    }

    #[test]
    fn a_server_that_fails_is_left_alone_unless_it_is_the_last() {
        let roster = roster(2);
        fails(&roster, 0);
        fails(&roster, 1);
        fails(&roster, 1);
        assert_eq!(taking(&roster, Instant::now()), [1]);
        roster.answered(0, StatusCode::OK);
        assert_eq!(taking(&roster, Instant::now()), [0, 1]);
    }

    #[test]
    fn one_left_alone_is_better_than_none() {
        let roster = roster(3);
        fails(&roster, 0);
        roster.set_up(1, false);
        assert_eq!(taking(&roster, Instant::now()), [2]);
        roster.set_up(2, false);
        assert_eq!(taking(&roster, Instant::now()), [0]);
        roster.set_up(0, false);
        assert!(taking(&roster, Instant::now()).is_empty());
        // A check that is passed is an answer too.
        roster.set_up(0, true);
        roster.set_up(1, true);
        assert_eq!(taking(&roster, Instant::now()), [0, 1]);
    }

    #[test]
    fn one_request_finds_out_whether_it_is_back() {
        let roster = roster(2);
        fails(&roster, 0);
        let now = Instant::now();
        assert_eq!(roster.due(|_| true, now), None);
        let later = now + Duration::from_secs(11);
        assert_eq!(roster.due(|server| server != 0, later), None);
        assert_eq!(roster.due(|_| true, later), Some(0));
        assert_eq!(roster.due(|_| true, later), None);
        assert_eq!(taking(&roster, later), [1]);
    }

    #[test]
    fn faults_of_the_client_and_of_ours_are_not_the_servers() {
        let roster = roster(2);
        roster.failed(0, &Error::NoRoom);
        roster.answered(0, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(taking(&roster, Instant::now()), [0, 1]);
    }
}
