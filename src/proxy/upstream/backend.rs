//! A backend: which of its servers gets a request, and which next where one does not take it.

use std::rc::Rc;
use std::time::Duration;

use http::Request;
use http::request::Parts;
use tokio::time::Instant;

use super::Answer;
use super::balance::RoundRobin;
use super::room::Room;
use super::server::Server;
use crate::proxy::body::RequestBody;
use crate::proxy::error::{Error, Retry};
use crate::proxy::settings;

/// A backend of one worker.
#[derive(Debug)]
pub(in crate::proxy) struct Backend {
    servers: Vec<Server>,
    turn: RoundRobin,
    progress_timeout: Duration,
}

impl Backend {
    /// The backend of `settings`.
    pub(super) fn new(settings: &settings::Backend, room: &Rc<Room>) -> Self {
        Self {
            servers: settings
                .servers
                .iter()
                .map(|address| Server::new(address, settings, room))
                .collect(),
            turn: RoundRobin::default(),
            progress_timeout: settings.timeouts.progress,
        }
    }

    /// Sends a request to the server whose turn it is, or the next one where it accepts no connection.
    ///
    /// # Errors
    ///
    /// [`Error`] where no server answers with the head of a response.
    pub(in crate::proxy) async fn send(&self, head: Parts, body: RequestBody) -> Result<Answer, Error> {
        let mut request = Request::from_parts(head, body);
        let mut last = Error::NoServer;
        for index in self.turn.order(self.servers.len()) {
            let Some(server) = self.servers.get(index) else {
                continue;
            };
            match server.send(request).await {
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

    /// Closes the connections that have been idle for too long at `now`.
    pub(super) fn sweep(&self, now: Instant) {
        for server in &self.servers {
            server.sweep(now);
        }
    }
}
