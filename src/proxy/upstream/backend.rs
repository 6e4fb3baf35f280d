//! A backend: which of its servers gets a request, and which next where one does not take it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http::request::Parts;
use tokio::time::Instant;

use super::Answer;
use super::balance::RoundRobin;
use super::dialect::Dialect;
use super::introduction::Introduction;
use super::room::Room;
use super::server::Server;
use crate::proxy::body::RequestBody;
use crate::proxy::error::{Error, Retry};
use crate::proxy::settings::{self, HeaderCase, HttpVersion, ProxyProtocol};
use crate::tls::Connector;

/// A backend of one worker.
#[derive(Debug)]
pub(in crate::proxy) struct Backend {
    servers: Vec<Server>,
    turn: RoundRobin,
    progress_timeout: Duration,
    http: HttpVersion,
    header_case: HeaderCase,
    proxy_protocol: Option<ProxyProtocol>,
}

impl Backend {
    /// The backend of `settings`; `connector` speaks TLS to its servers, where there are such.
    pub(super) fn new(settings: &settings::Backend, connector: Option<&Arc<Connector>>, room: &Rc<Room>) -> Self {
        let dialect = Rc::new(Dialect::new(&settings.protocol));
        Self {
            servers: settings
                .servers
                .iter()
                .map(|address| Server::new(address, settings, &dialect, connector, room))
                .collect(),
            turn: RoundRobin::default(),
            progress_timeout: settings.timeouts.progress,
            http: settings.protocol.http,
            header_case: settings.protocol.header_case,
            proxy_protocol: settings.protocol.proxy_protocol,
        }
    }

    /// Sends a request to the server whose turn it is, or the next one where it accepts no connection.
    ///
    /// # Errors
    ///
    /// [`Error`] where no server answers with the head of a response.
    pub(in crate::proxy) async fn send(&self, mut head: Parts, body: RequestBody) -> Result<Answer, Error> {
        // hyper would send the request without its body.
        if !self.takes_chunked() && body.length().is_none() {
            return Err(Error::LengthRequired);
        }
        let introduction = head.extensions.remove::<Introduction>();
        let mut request = Request::from_parts(head, body);
        let mut last = Error::NoServer;
        for index in self.turn.order(self.servers.len()) {
            let Some(server) = self.servers.get(index) else {
                continue;
            };
            match server.send(request, introduction.as_ref()).await {
                Ok(answer) => return Ok(answer),
                Err((error, Some(unsent))) if error.retry() == Retry::Safe => {
                    tracing::debug!(server = server.name(), "trying the next server");
                    (request, last) = (*unsent, error);
                }
                Err((error, _)) => return Err(error),
            }
        }
        Err(last)
    }

    /// How long a response may make no progress.
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

    /// Closes the connections that have been idle for too long at `now`.
    pub(super) fn sweep(&self, now: Instant) {
        for server in &self.servers {
            server.sweep(now);
        }
    }
}
