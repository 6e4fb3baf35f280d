//! One server of a backend: a connection that is there or a new one, and whether sending a request again is safe.

use std::rc::Rc;
use std::sync::Arc;

use http::{Method, Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::Answer;
use super::connect::ConnectError;
use super::connection::Failure;
use super::dialect::Dialect;
use super::introduction::Introduction;
use super::opener::Opener;
use super::pool::{Lease, Pool};
use super::room::Room;
use crate::proxy::body::RequestBody;
use crate::proxy::error::Error;
use crate::proxy::headers::by_server::{self, ServerSite};
use crate::proxy::settings::{self, BackendTimeouts, ServerAddress};
use crate::tls::Connector;

/// A server with this worker's connections to it.
#[derive(Debug)]
pub(super) struct Server {
    name: Rc<str>,
    site: Rc<ServerSite>,
    pool: Rc<Pool>,
    opener: Rc<Opener>,
    timeouts: BackendTimeouts,
}

/// Why there is no answer, and the request, where nothing of it was acted on.
type Unanswered = (Error, Option<Box<Request<RequestBody>>>);

impl Server {
    /// The server of `backend` at `address`.
    pub(super) fn new(
        address: &ServerAddress,
        backend: &settings::Backend,
        dialect: &Rc<Dialect>,
        connector: Option<&Arc<Connector>>,
        room: &Rc<Room>,
    ) -> Self {
        let pool = Rc::new(Pool::new(backend.timeouts.idle));
        room.enter(pool.clone());
        Self {
            name: address.to_string().into(),
            site: Rc::new(ServerSite::of(address)),
            pool,
            opener: Rc::new(Opener::new(address, backend, dialect, connector, room)),
            timeouts: backend.timeouts,
        }
    }

    /// What logs call it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Closes the connections that have been idle for too long at `now`.
    pub(super) fn sweep(&self, now: Instant) {
        self.pool.sweep(now);
        self.opener.streams().sweep(now);
    }

    /// Sends a request on a connection that is there, or on a new one where there is none or it turns out to be dead.
    /// An unsent request comes back with the error.
    pub(super) async fn send(
        &self,
        mut request: Request<RequestBody>,
        introduction: Option<&Introduction>,
    ) -> Result<Answer, Unanswered> {
        by_server::address(&mut request, &self.site);
        while let Some(mut lease) = self.reused(introduction) {
            let again = Again::of(&request);
            match lease.connection().send(request, self.timeouts.first_byte).await {
                Ok(response) => return Ok(self.answer(response, lease)),
                Err(Failure::Unsent(unsent)) => request = *unsent,
                Err(failure) => match again.after(&failure) {
                    Some(copy) => {
                        tracing::debug!(server = %self.name, "a connection was at its end: sending again");
                        request = copy;
                        break;
                    }
                    None => return Err((self.error(failure), None)),
                },
            }
        }
        let connection = match self.opener.open(introduction.cloned()).await {
            Ok(connection) => connection,
            Err(ConnectError::NoRoom) => return Err((Error::NoRoom, None)),
            Err(source) => {
                let server = Rc::clone(&self.name);
                return Err((Error::Connect { server, source }, Some(Box::new(request))));
            }
        };
        let mut lease = Lease::new(connection, &self.pool);
        let again = Again::of(&request);
        match lease.connection().send(request, self.timeouts.first_byte).await {
            Ok(response) => Ok(self.answer(response, lease)),
            Err(Failure::Unsent(unsent)) => {
                let server = Rc::clone(&self.name);
                Err((Error::Unsent { server }, Some(unsent)))
            }
            Err(failure @ Failure::Unprocessed(_)) => {
                let unsent = again.after(&failure).map(Box::new);
                Err((self.error(failure), unsent))
            }
            Err(failure) => Err((self.error(failure), None)),
        }
    }

    fn reused(&self, introduction: Option<&Introduction>) -> Option<Lease> {
        let pooled = self.pool.take(Instant::now(), introduction);
        pooled.or_else(|| Some(Lease::new(self.opener.shared()?, &self.pool)))
    }

    fn answer(&self, response: Response<Incoming>, lease: Lease) -> Answer {
        Answer {
            response,
            lease,
            server: Rc::clone(&self.name),
            site: Rc::clone(&self.site),
        }
    }

    fn error(&self, failure: Failure) -> Error {
        let server = Rc::clone(&self.name);
        match failure {
            Failure::Body(source) => Error::RequestBody(source),
            Failure::Silent => Error::Silent {
                server,
                limit: self.timeouts.first_byte,
            },
            Failure::Lost(source) => Error::Lost { server, source },
            Failure::Invalid(source) => Error::InvalidResponse { server, source },
            Failure::Unsent(_) => Error::Unsent { server },
            Failure::Unprocessed(source) => Error::Unprocessed { server, source },
        }
    }
}

/// A copy to send again should the connection turn out to be at its end after the request was written. Without a body
/// there is nothing that cannot be said twice.
struct Again {
    copy: Option<Request<RequestBody>>,
    is_idempotent: bool,
}

impl Again {
    fn of(request: &Request<RequestBody>) -> Self {
        let copy = request.body().is_empty().then(|| {
            let mut copy = Request::new(RequestBody::empty());
            *copy.method_mut() = request.method().clone();
            *copy.uri_mut() = request.uri().clone();
            *copy.version_mut() = request.version();
            *copy.headers_mut() = request.headers().clone();
            *copy.extensions_mut() = request.extensions().clone();
            copy
        });
        let is_idempotent = matches!(
            *request.method(),
            Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
        );
        Self { copy, is_idempotent }
    }

    /// The copy, if `failure` leaves no doubt that it does no harm: nothing was done with the request, or doing it twice
    /// is doing it once (RFC 9110 section 9.2.2).
    fn after(self, failure: &Failure) -> Option<Request<RequestBody>> {
        match failure {
            Failure::Unprocessed(_) => self.copy,
            Failure::Lost(_) => self.copy.filter(|_| self.is_idempotent),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_idempotent_requests_may_be_done_twice() {
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
            let copy = Again::of(&request);
            assert_eq!((copy.copy.is_some(), copy.is_idempotent), (true, again), "{method}");
        }
    }
}
