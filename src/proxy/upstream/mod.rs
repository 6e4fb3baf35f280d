//! From a request to the head of the upstream's response.
//!
//! hyper's connection type is used directly: only so is it known whether a byte of the request was sent or a byte of
//! the response came, which decides whether sending it again is safe.

mod balance;
mod connect;
mod connection;
mod pool;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use self::balance::RoundRobin;
pub(super) use self::connect::ConnectError;
use self::connection::{Connection, Failure};
pub(super) use self::pool::Lease;
use self::pool::Pool;
use super::body::RequestBody;
use super::error::{Error, Retry};
use super::{Settings, UpstreamAddress};

/// The upstreams of one worker, with this worker's connections to them.
#[derive(Debug)]
pub(super) struct Upstreams {
    targets: Vec<Target>,
    turn: RoundRobin,
    limits: Limits,
    /// One permit for each upstream connection the process may have.
    room: Arc<Semaphore>,
}

#[derive(Debug)]
struct Target {
    address: UpstreamAddress,
    name: Rc<str>,
    pool: Rc<Pool>,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    connect: Duration,
    first_byte: Duration,
    idle: Duration,
}

/// The head of an upstream's response.
#[derive(Debug)]
pub(super) struct Answer {
    /// What it said.
    pub(super) response: Response<Incoming>,
    /// The connection it is coming on.
    pub(super) lease: Lease,
    /// Where it came from, for logs.
    pub(super) upstream: Rc<str>,
}

impl Upstreams {
    /// The upstreams of `settings`; none is connected to before it is needed.
    pub(super) fn new(settings: &Settings, room: Arc<Semaphore>) -> Self {
        let target = |address: &UpstreamAddress| Target {
            name: name(address),
            address: address.clone(),
            pool: Rc::new(Pool::new(settings.timeouts.upstream_idle)),
        };
        Self {
            targets: settings.upstreams.iter().map(target).collect(),
            turn: RoundRobin::default(),
            limits: Limits {
                connect: settings.timeouts.connect,
                first_byte: settings.timeouts.first_byte,
                idle: settings.timeouts.idle,
            },
            room,
        }
    }

    /// Sends a request to the upstream whose turn it is, or the next one where it accepts no connection.
    ///
    /// # Errors
    ///
    /// [`Error`] where no upstream answers with the head of a response.
    pub(super) async fn send(&self, head: Parts, body: RequestBody) -> Result<Answer, Error> {
        let mut request = Request::from_parts(head, body);
        let mut last = Error::NoUpstream;
        for index in self.turn.order(self.targets.len()) {
            let Some(target) = self.targets.get(index) else {
                continue;
            };
            match target.send(request, self).await {
                Ok(answer) => return Ok(answer),
                Err((error, Some(unsent))) if error.retry() == Retry::Safe => {
                    tracing::debug!(upstream = %target.name, "trying the next upstream");
                    (request, last) = (unsent, error);
                }
                Err((error, _)) => return Err(error),
            }
        }
        Err(last)
    }

    /// A place among the upstream connections of the process, where need be that of a connection of this worker that
    /// nobody uses.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.room).try_acquire_owned() {
            return Some(place);
        }
        // No short cut: each has to be asked.
        let closed = self.targets.iter().filter(|target| target.pool.clear()).count();
        if closed == 0 {
            return None;
        }
        // Their sockets close when their drivers are polled.
        let place = Arc::clone(&self.room).acquire_owned();
        tokio::time::timeout(self.limits.connect, place).await.ok()?.ok()
    }

    /// Closes the connections that have been idle for too long at `now`.
    pub(super) fn sweep(&self, now: Instant) {
        for target in &self.targets {
            target.pool.sweep(now);
        }
    }
}

impl Target {
    /// Sends a request on a pooled connection, or on a new one where there is none or it turns out to be dead. An
    /// unsent request comes back with the error.
    async fn send(
        &self,
        mut request: Request<RequestBody>,
        upstreams: &Upstreams,
    ) -> Result<Answer, (Error, Option<Request<RequestBody>>)> {
        let limits = &upstreams.limits;
        while let Some(mut lease) = self.pool.take(Instant::now()) {
            let replay = replay(&request);
            match lease.connection().send(request, limits.first_byte).await {
                Ok(response) => return Ok(self.answer(response, lease)),
                Err(Failure::Unsent(unsent)) => request = *unsent,
                Err(failure) => {
                    let error = self.error(failure, limits);
                    match replay {
                        Some(again) if error.retry() == Retry::IfIdempotent => {
                            tracing::debug!(upstream = %self.name, "a pooled connection was dead: sending again");
                            request = again;
                            break;
                        }
                        _ => return Err((error, None)),
                    }
                }
            }
        }
        let Some(place) = upstreams.place().await else {
            return Err((Error::NoRoom, None));
        };
        let connection = match Connection::open(&self.address, limits.connect, limits.idle, place).await {
            Ok(connection) => connection,
            Err(source) => {
                let upstream = Rc::clone(&self.name);
                return Err((Error::Connect { upstream, source }, Some(request)));
            }
        };
        let mut lease = Lease::new(connection, &self.pool);
        match lease.connection().send(request, limits.first_byte).await {
            Ok(response) => Ok(self.answer(response, lease)),
            Err(Failure::Unsent(unsent)) => {
                let upstream = Rc::clone(&self.name);
                Err((Error::Unsent { upstream }, Some(*unsent)))
            }
            Err(failure) => Err((self.error(failure, limits), None)),
        }
    }

    fn answer(&self, response: Response<Incoming>, lease: Lease) -> Answer {
        Answer {
            response,
            lease,
            upstream: Rc::clone(&self.name),
        }
    }

    fn error(&self, failure: Failure, limits: &Limits) -> Error {
        let upstream = Rc::clone(&self.name);
        match failure {
            Failure::Body(source) => Error::RequestBody(source),
            Failure::Silent => Error::Silent {
                upstream,
                limit: limits.first_byte,
            },
            Failure::Lost(source) => Error::Lost { upstream, source },
            Failure::Invalid(source) => Error::InvalidResponse { upstream, source },
            Failure::Unsent(_) => Error::Unsent { upstream },
        }
    }
}

/// A copy to send again should the connection turn out dead after the request was written: RFC 9110 section 9.2.2
/// allows that for idempotent methods, and without a body there is nothing that cannot be said twice.
fn replay(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let idempotent = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
    );
    if !idempotent || !request.body().is_empty() {
        return None;
    }
    let mut copy = Request::new(RequestBody::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

fn name(address: &UpstreamAddress) -> Rc<str> {
    let UpstreamAddress { host, port } = address;
    match host.contains(':') {
        true => format!("[{host}]:{port}").into(),
        false => format!("{host}:{port}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_idempotent_request_without_a_body_is_sent_twice() {
        for (method, again) in [
            ("GET", true),
            ("DELETE", true),
            ("POST", false),
            ("PATCH", false),
            ("LOCK", false),
        ] {
            let request = Request::builder()
                .method(method)
                .uri("/")
                .body(RequestBody::empty())
                .unwrap();
            assert_eq!(replay(&request).is_some(), again, "{method}");
        }
    }

    #[test]
    fn an_ipv6_upstream_is_written_in_brackets() {
        let address = |host: &str| UpstreamAddress {
            host: host.to_owned(),
            port: 80,
        };
        assert_eq!(&*name(&address("::1")), "[::1]:80");
        assert_eq!(&*name(&address("backend")), "backend:80");
    }
}
