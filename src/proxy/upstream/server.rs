//! One server of a backend: a pooled connection or a new one, and whether sending a request again is safe.

use std::rc::Rc;

use http::{Method, Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::Answer;
use super::connection::{Connection, Failure};
use super::pool::{Lease, Pool};
use super::room::Room;
use crate::proxy::body::RequestBody;
use crate::proxy::error::{Error, Retry};
use crate::proxy::headers::by_server::{self, ServerSite};
use crate::proxy::settings::{self, BackendTimeouts, ServerAddress};

/// A server with this worker's connections to it.
#[derive(Debug)]
pub(super) struct Server {
    address: ServerAddress,
    name: Rc<str>,
    site: Rc<ServerSite>,
    pool: Rc<Pool>,
    timeouts: BackendTimeouts,
    room: Rc<Room>,
}

impl Server {
    /// The server of `backend` at `address`.
    pub(super) fn new(address: &ServerAddress, backend: &settings::Backend, room: &Rc<Room>) -> Self {
        let pool = Rc::new(Pool::new(backend.timeouts.idle));
        room.enter(&pool);
        Self {
            address: address.clone(),
            name: address.to_string().into(),
            site: Rc::new(ServerSite::of(address)),
            pool,
            timeouts: backend.timeouts,
            room: Rc::clone(room),
        }
    }

    /// What logs call it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Closes the connections that have been idle for too long at `now`.
    pub(super) fn sweep(&self, now: Instant) {
        self.pool.sweep(now);
    }

    /// Sends a request on a pooled connection, or on a new one where there is none or it turns out to be dead. An
    /// unsent request comes back with the error.
    pub(super) async fn send(
        &self,
        mut request: Request<RequestBody>,
    ) -> Result<Answer, (Error, Option<Box<Request<RequestBody>>>)> {
        by_server::address(&mut request, &self.site);
        let timeouts = &self.timeouts;
        while let Some(mut lease) = self.pool.take(Instant::now()) {
            let replay = replay(&request);
            match lease.connection().send(request, timeouts.first_byte).await {
                Ok(response) => return Ok(self.answer(response, lease)),
                Err(Failure::Unsent(unsent)) => request = *unsent,
                Err(failure) => {
                    let error = self.error(failure);
                    match replay {
                        Some(again) if error.retry() == Retry::IfIdempotent => {
                            tracing::debug!(server = %self.name, "a pooled connection was dead: sending again");
                            request = again;
                            break;
                        }
                        _ => return Err((error, None)),
                    }
                }
            }
        }
        let Some(place) = self.room.place(timeouts.connect).await else {
            return Err((Error::NoRoom, None));
        };
        let connection = match Connection::open(&self.address, timeouts.connect, timeouts.progress, place).await {
            Ok(connection) => connection,
            Err(source) => {
                let server = Rc::clone(&self.name);
                return Err((Error::Connect { server, source }, Some(Box::new(request))));
            }
        };
        let mut lease = Lease::new(connection, &self.pool);
        match lease.connection().send(request, timeouts.first_byte).await {
            Ok(response) => Ok(self.answer(response, lease)),
            Err(Failure::Unsent(unsent)) => {
                let server = Rc::clone(&self.name);
                Err((Error::Unsent { server }, Some(unsent)))
            }
            Err(failure) => Err((self.error(failure), None)),
        }
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
    *copy.extensions_mut() = request.extensions().clone();
    Some(copy)
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
}
