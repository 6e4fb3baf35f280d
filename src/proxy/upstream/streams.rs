//! HTTP/2 connections to one server, each shared by many requests of one worker.
//!
//! There is one connection until the server takes no further stream on it. Requests that come while one is being opened
//! wait for it; opening it is nobody's own, so that a client that leaves does not take it from the others.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::Instant;

use super::connect::ConnectError;
use super::dialect::RESPONSE_HEADER_BYTES;
use super::received::Received;
use super::room::GivesWay;
use crate::proxy::body::RequestBody;
use crate::proxy::contain;
use crate::proxy::metrics::ServerMetrics;

/// How often a server that sends nothing while it should is asked whether it is there. gRPC servers take a client that
/// asks more often than every five minutes for an attacker (its documentation, "Client-side Keepalive").
const PING_INTERVAL: Duration = Duration::from_secs(310);

/// How long it may take to say so: as in gRPC and hyper.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// HTTP/2 connections to one server.
#[derive(Debug)]
pub(super) struct Streams {
    connections: RefCell<Vec<Rc<Shared>>>,
    timeout: Duration,
    most_requests: Option<NonZeroUsize>,
    /// How many streams the server last said that it takes at once.
    limit: Rc<Cell<Option<usize>>>,
    metrics: Arc<ServerMetrics>,
}

/// One HTTP/2 connection.
#[derive(Debug)]
pub(super) struct Shared {
    sender: http2::SendRequest<RequestBody>,
    received: Received,
    is_tls: bool,
    in_use: Cell<usize>,
    /// How many streams there have been.
    requests: Cell<usize>,
    /// How many streams the server takes at once, as far as it has said.
    limit: Rc<Cell<usize>>,
    idle_since: Cell<Instant>,
    metrics: Arc<ServerMetrics>,
}

/// One stream. Dropped, it makes room for another; if its response is not over, it is reset.
#[derive(Debug)]
pub(super) struct Stream {
    connection: Rc<Shared>,
}

impl Streams {
    /// No connection; one that carries nothing for `timeout` is closed, and one that has carried so many requests when
    /// the last of them has ended.
    pub(super) fn new(timeout: Duration, most_requests: Option<NonZeroUsize>, metrics: &Arc<ServerMetrics>) -> Self {
        Self {
            connections: RefCell::default(),
            timeout,
            most_requests,
            limit: Rc::default(),
            metrics: Arc::clone(metrics),
        }
    }

    /// Begins HTTP/2 over `io`. Until the server says otherwise, it is taken to be as it was last.
    pub(super) async fn open<IO>(&self, io: IO, received: Received, is_tls: bool) -> Result<Shared, ConnectError>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        Shared::open(io, received, is_tls, &self.limit, &self.metrics).await
    }

    /// A stream on a connection that is there.
    pub(super) fn take(&self) -> Option<Stream> {
        let mut connections = self.connections.borrow_mut();
        let found = connections.iter().position(|connection| connection.has_room())?;
        let stream = connections.get(found)?.stream();
        if self.is_worn(&stream.connection) {
            connections.remove(found);
        }
        Some(stream)
    }

    /// Has `connection` shared from now on.
    pub(super) fn share(&self, connection: Shared) {
        self.connections.borrow_mut().push(Rc::new(connection));
    }

    /// The first stream on `connection`, which is shared from now on.
    pub(super) fn first(&self, connection: Shared) -> Stream {
        let connection = Rc::new(connection);
        let stream = connection.stream();
        if !self.is_worn(&connection) {
            self.connections.borrow_mut().push(connection);
        }
        stream
    }

    /// Whether there is to be no further request on it: where nobody looks for one any more, it closes after those that
    /// are on it.
    fn is_worn(&self, connection: &Shared) -> bool {
        self.most_requests
            .is_some_and(|most| connection.requests.get() >= most.get())
    }

    /// Forgets what has died, and closes what has carried nothing for too long at `now`. Streams on it go on.
    pub(super) fn sweep(&self, now: Instant) {
        self.connections.borrow_mut().retain(|connection| {
            let is_in_use = connection.in_use.get() > 0;
            let is_young = now.duration_since(connection.idle_since.get()) < self.timeout;
            connection.sender.is_ready() && (is_in_use || is_young)
        });
    }

    /// Closes those that carry nothing.
    pub(super) fn clear(&self) {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| connection.in_use.get() > 0);
    }
}

impl GivesWay for Streams {
    fn oldest(&self) -> Option<Instant> {
        let connections = self.connections.borrow();
        let idle = connections.iter().filter(|connection| connection.in_use.get() == 0);
        idle.map(|connection| connection.idle_since.get()).min()
    }

    fn close_oldest(&self) {
        let Some(oldest) = self.oldest() else { return };
        let mut connections = self.connections.borrow_mut();
        let is_it = |connection: &Rc<Shared>| connection.in_use.get() == 0 && connection.idle_since.get() == oldest;
        if let Some(at) = connections.iter().position(is_it) {
            connections.remove(at);
        }
    }
}

impl Shared {
    async fn open<IO>(
        io: IO,
        received: Received,
        is_tls: bool,
        last: &Rc<Cell<Option<usize>>>,
        metrics: &Arc<ServerMetrics>,
    ) -> Result<Self, ConnectError>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let (sender, connection) = http2::Builder::new(Local)
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .max_header_list_size(RESPONSE_HEADER_BYTES as u32)
            .initial_max_send_streams(last.get())
            .handshake(TokioIo::new(io))
            .await
            .map_err(|error| ConnectError::Broken(Arc::new(io::Error::other(error))))?;
        let limit = Rc::new(Cell::new(connection.current_max_send_streams()));
        let (told, last) = (Rc::clone(&limit), Rc::clone(last));
        contain::spawn(None, async move {
            let mut connection = pin!(connection);
            // Whoever waits for a response or reads a body has the error too.
            let _ = poll_fn(|context| {
                let polled = connection.as_mut().poll(context);
                told.set(connection.current_max_send_streams());
                last.set(Some(told.get()));
                polled
            })
            .await;
        });
        Ok(Self {
            sender,
            received,
            is_tls,
            in_use: Cell::new(0),
            requests: Cell::new(0),
            limit,
            idle_since: Cell::new(Instant::now()),
            metrics: Arc::clone(metrics),
        })
    }

    fn has_room(&self) -> bool {
        self.sender.is_ready() && !self.received.is_refused() && self.in_use.get() < self.limit.get()
    }

    /// A stream on it.
    pub(super) fn stream(self: &Rc<Self>) -> Stream {
        if self.in_use.get() == 0 {
            self.metrics.busy.raise();
        }
        self.in_use.set(self.in_use.get() + 1);
        self.requests.set(self.requests.get() + 1);
        Stream {
            connection: Rc::clone(self),
        }
    }
}

impl Stream {
    /// Whether the connection is in TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.connection.is_tls
    }

    /// Sends a request.
    pub(super) fn send(
        &self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>> + use<> {
        self.connection.sender.clone().try_send_request(request)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.in_use.set(connection.in_use.get().saturating_sub(1));
        if connection.in_use.get() == 0 {
            connection.metrics.busy.lower();
        }
        connection.idle_since.set(Instant::now());
    }
}

/// Spawns what an HTTP/2 connection consists of on this worker.
#[derive(Clone, Copy, Debug)]
struct Local;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, part: F) {
        contain::spawn(None, part);
    }
}

/// What is being opened for all who wait for it.
#[derive(Debug, Default)]
pub(super) struct Opening(RefCell<Option<watch::Receiver<Outcome>>>);

/// What came of it, once something has.
type Outcome = Option<Result<(), ConnectError>>;

impl Opening {
    /// Waits for what is being opened, or has it opened by `open`, which ends whether or not anybody waits.
    ///
    /// # Errors
    ///
    /// That of `open`.
    pub(super) async fn opened<F>(&self, open: impl FnOnce() -> F) -> Result<(), ConnectError>
    where
        F: Future<Output = Result<(), ConnectError>> + 'static,
    {
        let waiting = self.0.borrow().clone();
        let mut opened = match waiting.filter(|opened| opened.borrow().is_none() && opened.has_changed().is_ok()) {
            Some(opened) => opened,
            None => {
                let (sender, opened) = watch::channel(None);
                let open = open();
                contain::spawn(None, async move {
                    let outcome = open.await;
                    // Nobody may be waiting any more.
                    let _ = sender.send(Some(outcome));
                });
                *self.0.borrow_mut() = Some(opened.clone());
                opened
            }
        };
        let outcome = opened.wait_for(Option::is_some).await;
        match outcome.as_deref() {
            Ok(Some(outcome)) => outcome.clone(),
            // It panicked, and that is in the log.
            Ok(None) | Err(_) => Err(ConnectError::Broken(Arc::new(io::Error::other("opening it failed")))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    #[test]
    fn all_who_wait_get_what_one_opens_and_the_next_opens_anew() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build_local(tokio::runtime::LocalOptions::default())
            .unwrap();
        runtime.block_on(async {
            let (opening, opened) = (Opening::default(), Rc::new(Cell::new(0)));
            let open = || {
                let opened = Rc::clone(&opened);
                async move {
                    tokio::task::yield_now().await;
                    opened.set(opened.get() + 1);
                    Err(ConnectError::NoRoom)
                }
            };
            let outcomes = tokio::join!(opening.opened(open), opening.opened(open));
            assert!(matches!(
                outcomes,
                (Err(ConnectError::NoRoom), Err(ConnectError::NoRoom))
            ));
            assert_eq!(opened.get(), 1);
            assert!(opening.opened(open).await.is_err());
            assert_eq!(opened.get(), 2);
        });
    }

    #[test]
    fn what_is_being_opened_does_not_end_with_who_asked_for_it() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build_local(tokio::runtime::LocalOptions::default())
            .unwrap();
        runtime.block_on(async {
            let (opening, opened) = (Opening::default(), Rc::new(Cell::new(false)));
            let done = Rc::clone(&opened);
            let mut asked = Box::pin(opening.opened(|| async move {
                tokio::task::yield_now().await;
                done.set(true);
                Ok(())
            }));
            poll_fn(|context| {
                assert!(asked.as_mut().poll(context).is_pending());
                Poll::Ready(())
            })
            .await;
            drop(asked);
            while !opened.get() {
                tokio::task::yield_now().await;
            }
        });
    }
}
