//! Where requests go.

use std::time::Duration;

use super::{Choice, Protocol, ServerAddress};
use crate::proxy::Delivery;

/// A named set of servers that requests of a route go to, and how they are spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// What routes call it; empty for the default backend.
    pub name: Box<str>,
    /// Where requests go.
    pub servers: Vec<ServerAddress>,
    /// How long each stage may take.
    pub timeouts: BackendTimeouts,
    /// How they are spoken to.
    pub protocol: Protocol,
    /// How one of them is chosen, and what becomes of those that fail.
    pub choice: Choice,
    /// How request bodies get to it.
    pub delivery: Delivery,
}

/// Deadlines on the backend's side, each measured on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackendTimeouts {
    /// Connecting to a server.
    pub connect: Duration,
    /// From the request sent to the response's header section.
    pub first_byte: Duration,
    /// How long an unused connection is kept.
    pub idle: Duration,
    /// How long bodies may stand still.
    pub progress: Duration,
}

impl Backend {
    /// What logs call it.
    pub(in crate::proxy) fn log_name(&self) -> &str {
        if self.name.is_empty() { "default" } else { &self.name }
    }

    /// A backend with everything else at its default.
    pub fn new(name: impl Into<Box<str>>, servers: Vec<ServerAddress>, timeouts: BackendTimeouts) -> Self {
        Self {
            name: name.into(),
            servers,
            timeouts,
            protocol: Protocol::default(),
            choice: Choice::default(),
            delivery: Delivery::default(),
        }
    }
}
