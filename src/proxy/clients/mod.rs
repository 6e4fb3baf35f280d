//! How much one client may have of the process: connections at a time, requests in a second.
//!
//! A client is an address. It is the same for every worker, so what is counted is shared, in shards with a lock each
//! that is held for as long as looking it up takes; where nothing is limited, nothing is counted.

mod address;
mod connections;
mod handshakes;
mod requests;
mod shards;

use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use self::address::ClientAddress;
use self::connections::Connections;
pub(super) use self::connections::Place;
use self::handshakes::Handshakes;
use self::requests::Requests;
use super::peer::Peer;
use super::settings::Route;

/// How much one client may have of the process, and how much all new ones together. The default is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientLimits {
    /// Concurrent connections of one client.
    pub connections: Option<NonZeroUsize>,
    /// Requests of one client.
    pub requests: Option<RequestRate>,
    /// Handshakes begun in a second by all clients together.
    pub handshakes_per_second: Option<NonZeroU32>,
}

/// How many requests a client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestRate {
    /// In the long run.
    pub per_second: NonZeroU32,
    /// At once, after a time of silence.
    pub burst: NonZeroU32,
}

/// What the clients of the process have, as far as it is limited.
#[derive(Debug)]
pub(super) struct Clients {
    connections: Option<Arc<Connections>>,
    requests: Option<Requests>,
    /// For each route.
    by_route: Box<[Option<Requests>]>,
    handshakes: Option<Handshakes>,
}

/// The client has as many connections as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client has {0} connections already")]
pub(super) struct TooManyConnections(NonZeroUsize);

impl Clients {
    /// Nobody has anything yet.
    pub(super) fn new(limits: &ClientLimits, routes: &[Route]) -> Self {
        Self {
            by_route: routes.iter().map(|route| route.requests.map(Requests::new)).collect(),
            connections: limits.connections.map(|most| Arc::new(Connections::new(most))),
            requests: limits.requests.map(Requests::new),
            handshakes: limits.handshakes_per_second.map(Handshakes::new),
        }
    }

    /// A connection of `peer` begins; it ends with what is returned, if it is counted at all. A peer without an address
    /// is this machine, and not limited.
    ///
    /// # Errors
    ///
    /// [`TooManyConnections`].
    pub(super) fn connect(&self, peer: Peer) -> Result<Option<Place>, TooManyConnections> {
        let (Some(connections), Some(address)) = (&self.connections, peer.ip()) else {
            return Ok(None);
        };
        connections.enter(ClientAddress::of(address)).map(Some)
    }

    /// A request of `client` begins.
    ///
    /// # Errors
    ///
    /// How long the client is to wait where it has sent too many.
    pub(super) fn request(&self, client: Option<IpAddr>) -> Result<(), Duration> {
        begin(self.requests.as_ref(), client)
    }

    /// It takes the route at `position`.
    ///
    /// # Errors
    ///
    /// How long the client is to wait where it has sent too many to that.
    pub(super) fn request_to(&self, position: usize, client: Option<IpAddr>) -> Result<(), Duration> {
        begin(self.by_route.get(position).and_then(Option::as_ref), client)
    }

    /// A handshake begins, of whatever client.
    ///
    /// # Errors
    ///
    /// How long it is to wait where there have been too many.
    pub(super) fn handshake(&self) -> Result<(), Duration> {
        self.handshakes.as_ref().map_or(Ok(()), Handshakes::begin)
    }
}

/// A client without an address is this machine, and not limited.
fn begin(requests: Option<&Requests>, client: Option<IpAddr>) -> Result<(), Duration> {
    match (requests, client) {
        (Some(requests), Some(address)) => requests.begin(ClientAddress::of(address)),
        _ => Ok(()),
    }
}
