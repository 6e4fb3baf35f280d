//! One server of a backend: a connection that is there or a new one, and whether sending a request again is safe.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::connect::ConnectError;
use super::connection::{Connection, Failure};
use super::dialect::Dialect;
use super::introduction::Introduction;
use super::opener::Opener;
use super::pin::IdlePins;
use super::pool::{Lease, Pool};
use super::retry::{Again, Attempts};
use super::room::{GivesWay, Room, oldest};
use super::roster::Slot;
use super::sockets::Sockets;
use super::{Answer, keep_alive};
use crate::proxy::body::RequestBody;
use crate::proxy::contain;
use crate::proxy::error::Error;
use crate::proxy::headers::by_server::{self, ServerSite};
use crate::proxy::metrics::ServerMetrics;
use crate::proxy::settings::{self, ServerAddress};
use crate::tls::Connector;

/// A server with this worker's connections to it.
#[derive(Debug)]
pub(super) struct Server {
    origin: Rc<Origin>,
    pool: Rc<Pool>,
    opener: Rc<Opener>,
    /// Ends what runs for it in the background when it is dropped.
    _kept: oneshot::Sender<()>,
}

/// Where a connection leads, as far as a request on it has to know.
#[derive(Debug)]
pub(super) struct Origin {
    /// What logs call the server.
    pub(super) server: Rc<str>,
    /// The same, as URLs name it.
    pub(super) site: Rc<ServerSite>,
    /// From the request sent to the response's header section.
    pub(super) first_byte: Duration,
    /// The connections to it of this worker that clients have for themselves.
    pub(super) pins: Rc<IdlePins>,
    /// What this worker counts of the server.
    pub(super) metrics: Arc<ServerMetrics>,
}

/// With whom a request may share its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Sharing {
    /// With requests of other clients, before it and after it, or beside it.
    Pooled,
    /// With nobody: a new connection, which closes when released. What was sent on it is sent on no other.
    Alone,
}

/// Why there is no answer, and the request, where nothing of it was acted on or it may be sent twice.
type Unanswered = (Error, Option<Box<Request<RequestBody>>>);

impl Server {
    /// The server of `backend` at `address`; `sockets` counts the connections to it where those are limited,
    /// `metrics` what this worker asks of it.
    pub(super) fn new(
        address: &ServerAddress,
        backend: &settings::Backend,
        dialect: &Rc<Dialect>,
        connector: Option<&Arc<Connector>>,
        sockets: Option<&Arc<Sockets>>,
        room: &Rc<Room>,
        metrics: Arc<ServerMetrics>,
    ) -> Self {
        let most_requests = backend.choice.requests_per_connection;
        let pool = Rc::new(Pool::new(backend.timeouts.idle, most_requests, sockets.cloned()));
        room.enter(&pool);
        let opener = Opener::new(address, backend, dialect, connector, sockets, room, &metrics);
        let opener = Rc::new(opener);
        let pins = Rc::<IdlePins>::default();
        room.enter_pins(&pins);
        let (_kept, gone) = oneshot::channel();
        if let Some(sockets) = sockets {
            let pools: [Rc<dyn GivesWay>; 2] = [pool.clone(), opener.streams().clone()];
            let give_way = give_way(pools, pins.clone(), Arc::clone(sockets));
            contain::spawn(None, async {
                tokio::select! {
                    () = give_way => {}
                    _ = gone => {}
                }
            });
        }
        Self {
            origin: Rc::new(Origin {
                server: address.to_string().into(),
                site: Rc::new(ServerSite::of(address)),
                first_byte: backend.timeouts.first_byte,
                pins,
                metrics,
            }),
            pool,
            opener,
            _kept,
        }
    }

    /// What logs call it.
    pub(super) fn name(&self) -> &str {
        &self.origin.server
    }

    /// What this worker counts of it.
    pub(super) fn metrics(&self) -> &ServerMetrics {
        &self.origin.metrics
    }

    /// Closes the connections that have been idle for too long at `now`.
    pub(super) fn sweep(&self, now: Instant) {
        self.pool.sweep(now);
        self.opener.streams().sweep(now);
    }

    /// Sends a request on a connection that is there, or on a new one where it is to have one alone, there is none or it
    /// turns out to be dead. With the error comes the request again, where it was not sent or may be sent twice. `slot` is kept for as long as
    /// it is in progress.
    pub(super) async fn send(
        &self,
        mut request: Request<RequestBody>,
        sharing: Sharing,
        introduction: Option<&Introduction>,
        slot: Option<Slot>,
        attempts: &mut Attempts,
        has_alternative: bool,
    ) -> Result<Answer, Unanswered> {
        by_server::address(&mut request, &self.origin.site);
        while let Some(mut lease) = self.reused(sharing, introduction) {
            self.metrics().reused.add(1);
            let again = attempts
                .is_left()
                .then(|| Again::of(&request, lease.connection().is_http2()));
            match self.origin.send(lease.connection(), request).await {
                Ok(response) => return Ok(self.answer(response, lease, slot)),
                Err(Failure::Unsent(unsent)) => request = *unsent,
                Err(failure) => {
                    let copy = again.and_then(|again| again.after(&failure));
                    let error = self.origin.error(failure);
                    match copy {
                        Some(copy) if attempts.take(error.retry()) => {
                            self.metrics().retries.add(1);
                            tracing::debug!(server = %self.origin.server, "a connection was at its end: sending again");
                            request = copy;
                            break;
                        }
                        _ => return Err((error, None)),
                    }
                }
            }
        }
        let opened = match sharing {
            Sharing::Pooled => self.opener.open(introduction.cloned()).await,
            Sharing::Alone => self.opener.open_alone(introduction.cloned()).await,
        };
        let connection = match opened {
            Ok(connection) => connection,
            Err(ConnectError::NoRoom) => return Err((Error::NoRoom, None)),
            Err(source) => {
                let server = Rc::clone(&self.origin.server);
                return Err((Error::Connect { server, source }, Some(Box::new(request))));
            }
        };
        let mut lease = match sharing {
            Sharing::Pooled => Lease::pooled(connection, Rc::clone(&self.origin), &self.pool),
            Sharing::Alone => Lease::alone(connection, Rc::clone(&self.origin)),
        };
        let may = sharing == Sharing::Pooled && attempts.is_left();
        // It goes to another server if at all, unless nothing was done with it, which only HTTP/2 can tell.
        let may = may && (has_alternative || lease.connection().is_http2());
        let again = may.then(|| Again::of(&request, lease.connection().is_http2()));
        match self.origin.send(lease.connection(), request).await {
            Ok(response) => Ok(self.answer(response, lease, slot)),
            Err(Failure::Unsent(unsent)) => {
                let server = Rc::clone(&self.origin.server);
                Err((Error::Unsent { server }, Some(unsent)))
            }
            Err(failure) => {
                // A new connection that dies may have died of the request: it goes nowhere else but to another server.
                let may = has_alternative || !matches!(failure, Failure::Lost(_));
                let copy = again.filter(|_| may).and_then(|again| again.after(&failure));
                Err((self.origin.error(failure), copy.map(Box::new)))
            }
        }
    }

    fn reused(&self, sharing: Sharing, introduction: Option<&Introduction>) -> Option<Lease> {
        if sharing == Sharing::Alone {
            return None;
        }
        let pooled = self.pool.take(&self.origin, Instant::now(), introduction);
        pooled.or_else(|| {
            let stream = self.opener.shared()?;
            Some(Lease::pooled(stream, Rc::clone(&self.origin), &self.pool))
        })
    }

    fn answer(&self, response: Response<Incoming>, mut lease: Lease, slot: Option<Slot>) -> Answer {
        lease.keep(slot);
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            lease.becomes_tunnel();
        }
        if let Some(usable) = keep_alive::usable_for(response.headers()) {
            // Its clock may have begun to run with the head of the response, however long we take to read the rest.
            lease.usable_until(Instant::now() + usable);
        }
        Answer {
            response,
            lease,
            server: Rc::clone(&self.origin.server),
            site: Rc::clone(&self.origin.site),
            cookie: None,
        }
    }
}

impl Origin {
    /// Sends a request on `connection`, which leads there, and waits for the head of its response.
    pub(super) async fn send(
        &self,
        connection: &mut Connection,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, Failure> {
        let begun = Instant::now();
        let outcome = connection.send(request, self.first_byte).await;
        if let Ok(response) = &outcome {
            self.metrics.answered(response.status(), begun.elapsed());
        }
        outcome
    }

    /// What became of a request, with the server's name.
    pub(super) fn error(&self, failure: Failure) -> Error {
        let server = Rc::clone(&self.server);
        match failure {
            Failure::Body(source) => Error::RequestBody(source),
            Failure::Silent => Error::Silent {
                server,
                limit: self.first_byte,
            },
            Failure::Untaken(limit) => Error::Untaken { server, limit },
            Failure::Lost(source) => Error::Lost { server, source },
            Failure::Invalid(source) => Error::InvalidResponse { server, source },
            Failure::Unsent(_) => Error::Unsent { server },
            Failure::Unprocessed(source) => Error::Unprocessed { server, source },
        }
    }
}

/// Closes connections that are idle whenever they are in the way of others, as many as those: first what anybody could
/// have used, and what is pinned where that was not enough.
async fn give_way(pools: [Rc<dyn GivesWay>; 2], pins: Rc<dyn GivesWay>, sockets: Arc<Sockets>) {
    let mut crowded = sockets.crowded();
    while crowded.changed().await.is_ok() {
        let pinned = || oldest([pins.clone()]).filter(|_| sockets.is_still_crowded());
        while let Some(idle) = oldest(pools.clone()).or_else(pinned)
            && sockets.claim()
        {
            idle.close_oldest();
        }
    }
}
