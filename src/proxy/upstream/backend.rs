//! A backend: which of its servers gets a request, and which next where one does not take it.

use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Request;
use tokio::time::Instant;

use super::Answer;
use super::balance::Balancer;
use super::dialect::Dialect;
use super::introduction::Introduction;
use super::queue::{QueueError, Wants};
use super::retry::Attempts;
use super::room::Room;
use super::roster::{Roster, Slot};
use super::server::{Server, Sharing};
use super::settings::Retries;
use super::shared::{BackendId, Shared};
use super::sticky::{Sticky, Wish};
use crate::proxy::body::RequestBody;
use crate::proxy::delivery::Courier;
use crate::proxy::error::Error;
use crate::proxy::settings::{HeaderCase, HttpVersion, ProxyProtocol};

/// The pause before all servers are tried again, where that is wanted; it doubles up to the second.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A backend of one worker.
#[derive(Debug)]
pub(in crate::proxy) struct Backend {
    shared: Arc<Shared>,
    servers: Vec<Server>,
    roster: Arc<Roster>,
    balancer: Balancer,
    sticky: Option<Sticky>,
    retries: Retries,
    /// Seconds after which a client may try again that found no server.
    patience: u64,
    first_byte_timeout: Duration,
    progress_timeout: Duration,
    http: HttpVersion,
    header_case: HeaderCase,
    proxy_protocol: Option<ProxyProtocol>,
    courier: Courier,
}

/// What a request brings that is meant for this proxy and not for the server.
#[derive(Debug)]
pub(in crate::proxy) struct Brought {
    introduction: Option<Introduction>,
    wish: Wish,
}

/// Why a request has no answer, and the request itself where it may be sent again.
type Unanswered = (Error, Option<Box<Request<RequestBody>>>);

impl Backend {
    /// The backend that is `shared`, for the worker with this number.
    pub(super) fn new(shared: &Arc<Shared>, room: &Rc<Room>, worker: usize) -> Self {
        let Shared {
            settings,
            connector,
            roster,
            ..
        } = &**shared;
        let dialect = Rc::new(Dialect::new(&settings.protocol));
        let choice = &settings.choice;
        let server = |(index, address)| {
            Server::new(
                address,
                settings,
                &dialect,
                connector.as_ref(),
                roster.sockets(index),
                room,
                shared.metrics(index, worker),
            )
        };
        let servers: Vec<Server> = settings.servers.iter().enumerate().map(server).collect();
        let seed = RandomState::new().hash_one(worker);
        Self {
            balancer: Balancer::new(&choice.balance, servers.len(), worker, seed),
            sticky: choice.sticky.as_ref().zip(roster.seal()).map(|(sticky, seal)| {
                let names = servers.iter().map(Server::name);
                Sticky::new(sticky, names, Arc::clone(seal))
            }),
            shared: Arc::clone(shared),
            servers,
            roster: Arc::clone(roster),
            retries: choice.retries,
            patience: choice
                .health
                .as_ref()
                .map_or(1, |health| health.interval.as_secs().max(1)),
            first_byte_timeout: settings.timeouts.first_byte,
            progress_timeout: settings.timeouts.progress,
            http: settings.protocol.http,
            header_case: settings.protocol.header_case,
            proxy_protocol: settings.protocol.proxy_protocol,
            courier: Courier::new(settings.log_name(), &settings.delivery, roster.learnt()),
        }
    }

    /// Whether it is that of `shared`.
    pub(super) fn is_of(&self, shared: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }

    /// Which it is, for as long as the process runs.
    pub(in crate::proxy) fn id(&self) -> BackendId {
        self.shared.id
    }

    /// Takes off a request what is not meant for the server.
    pub(in crate::proxy) fn take_off(&self, request: &mut Request<RequestBody>) -> Brought {
        Brought {
            introduction: request.extensions_mut().remove::<Introduction>(),
            wish: match &self.sticky {
                Some(sticky) => sticky.take(request.headers_mut(), seconds_since_1970()),
                None => Wish::default(),
            },
        }
    }

    /// Sends a request, which has brought `brought`, to the server whose turn it is, or the next one where that is safe.
    ///
    /// # Errors
    ///
    /// [`Error`] where no server answers with the head of a response.
    pub(in crate::proxy) async fn send(
        &self,
        mut request: Request<RequestBody>,
        brought: Brought,
        sharing: Sharing,
    ) -> Result<Answer, Error> {
        // hyper would send the request without its body.
        if !self.takes_chunked() && request.body().length().is_none() {
            return Err(Error::LengthRequired);
        }
        if self.retries.connect_for.is_zero() {
            let tried = self.try_each(request, &brought, sharing).await;
            return tried.map_err(|(error, _)| error);
        }
        let deadline = Instant::now() + self.retries.connect_for;
        let mut pause = FIRST_PAUSE;
        loop {
            match self.try_each(request, &brought, sharing).await {
                Ok(answer) => return Ok(answer),
                Err((error, Some(unsent))) if error.means_absence() => {
                    if Instant::now() + pause > deadline {
                        tracing::debug!(%error, "no server came in time");
                        return Err(self.none_is_up());
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    request = *unsent;
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// Sends a request to one server after the other until one answers or there is none left to try.
    async fn try_each(
        &self,
        mut request: Request<RequestBody>,
        brought: &Brought,
        sharing: Sharing,
    ) -> Result<Answer, Unanswered> {
        let Brought { introduction, wish } = brought;
        let (introduction, wish) = (introduction.as_ref(), *wish);
        let mut attempts = Attempts::new(&self.retries);
        let mut tried = Vec::new();
        let mut last = None;
        loop {
            let (index, slot) = match self.choose(wish, &tried).await {
                Ok(Some(chosen)) => chosen,
                Ok(None) => {
                    let error = last.unwrap_or_else(|| self.none_is_up());
                    return Err((error, Some(Box::new(request))));
                }
                Err(QueueError::Full) => return Err((Error::QueueFull, None)),
                Err(QueueError::TimedOut(limit)) => return Err((Error::QueueTimedOut(limit), None)),
            };
            let Some(server) = self.servers.get(index) else {
                return Err((Error::NoServer, None));
            };
            let has_alternative = tried.len() + 1 < self.servers.len();
            match server
                .send(request, sharing, introduction, slot, &mut attempts, has_alternative)
                .await
            {
                Ok(answer) => return Ok(self.answered(answer, index, wish)),
                Err((error, again)) => {
                    self.roster.failed(index, &error);
                    let may = has_alternative && attempts.take(error.retry());
                    match again {
                        Some(again) if may => {
                            server.metrics().retries.add(1);
                            tracing::debug!(server = server.name(), "trying the next server");
                            tried.push(index);
                            (request, last) = (*again, Some(error));
                        }
                        again => return Err((error, again)),
                    }
                }
            }
        }
    }

    /// The server for a request, and what it keeps while it is in progress there: the one it wishes, else the one whose
    /// turn it is, none that was `tried`. `None` where there is none.
    async fn choose(&self, wish: Wish, tried: &[usize]) -> Result<Option<(usize, Option<Slot>)>, QueueError> {
        let may = |server: &usize| !tried.contains(server) && self.roster.takes_requests(*server, Instant::now());
        let mut only = wish.server.filter(may);
        loop {
            let wants = Wants {
                only,
                not: tried.to_vec(),
            };
            let chosen = self.roster.enter(wants, |has_room| self.pick(only, has_room)).await?;
            // What it waited for may be down by now.
            if chosen.is_some() || only.take().is_none() {
                return Ok(chosen);
            }
        }
    }

    /// One of the servers that have room.
    fn pick(&self, only: Option<usize>, has_room: &dyn Fn(usize) -> bool) -> Option<usize> {
        if only.is_some() {
            return only.filter(|server| has_room(*server));
        }
        let (roster, now) = (&self.roster, Instant::now());
        roster.due(has_room, now).or_else(|| {
            let eligible = |server| has_room(server) && roster.takes_requests(server, now);
            self.balancer
                .choose(self.servers.len(), eligible, |server| roster.load(server))
        })
    }

    fn answered(&self, mut answer: Answer, index: usize, wish: Wish) -> Answer {
        self.roster.answered(index, answer.response.status());
        if let Some(sticky) = &self.sticky {
            answer.cookie = sticky.cookie(wish, index, seconds_since_1970());
        }
        answer
    }

    fn none_is_up(&self) -> Error {
        if self.servers.is_empty() {
            return Error::NoServer;
        }
        Error::NoServerUp {
            patience: self.patience,
        }
    }

    /// How long a server may take to begin its response.
    pub(in crate::proxy) fn first_byte_timeout(&self) -> Duration {
        self.first_byte_timeout
    }

    /// How long bodies may stand still.
    pub(in crate::proxy) fn progress_timeout(&self) -> Duration {
        self.progress_timeout
    }

    /// Whether its servers take a body whose length they are not told first.
    pub(in crate::proxy) fn takes_chunked(&self) -> bool {
        self.http != HttpVersion::Http10
    }

    /// Whether what hyper remembers of the client's spelling goes with a request.
    pub(in crate::proxy) fn preserves_header_case(&self) -> bool {
        self.header_case == HeaderCase::Preserve
    }

    /// In which version its servers want to hear who the client is, if at all.
    pub(in crate::proxy) fn proxy_protocol(&self) -> Option<ProxyProtocol> {
        self.proxy_protocol
    }

    /// How bodies get to it.
    pub(in crate::proxy) fn courier(&self) -> &Courier {
        &self.courier
    }

    /// Closes the connections that have been idle for too long at `now`.
    pub(super) fn sweep(&self, now: Instant) {
        for server in &self.servers {
            server.sweep(now);
        }
    }
}

fn seconds_since_1970() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
