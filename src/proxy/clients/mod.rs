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
    connections: Option<Connections>,
    requests: Option<Arc<Requests>>,
    /// For each route.
    by_route: Box<[Option<Arc<Requests>>]>,
    handshakes: Option<Arc<Handshakes>>,
    limits: ClientLimits,
}

/// The client has as many connections as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client has {0} connections already")]
pub(super) struct TooManyConnections(NonZeroUsize);

impl Clients {
    /// Nobody has anything yet.
    pub(super) fn new(limits: &ClientLimits, routes: &[Route]) -> Self {
        let requests = |rate| Arc::new(Requests::new(rate));
        Self {
            by_route: routes.iter().map(|route| route.requests.map(requests)).collect(),
            connections: limits.connections.map(Connections::new),
            requests: limits.requests.map(requests),
            handshakes: limits.handshakes_per_second.map(|rate| Arc::new(Handshakes::new(rate))),
            limits: *limits,
        }
    }

    /// The same after those of `previous`, who were counted by `previous_routes`. Where a limit stays, nobody begins anew;
    /// connections that are open count under another limit too.
    pub(super) fn succeeding(
        limits: &ClientLimits,
        routes: &[Route],
        (previous, previous_routes): (&Self, &[Route]),
    ) -> Self {
        let new = Self::new(limits, routes);
        let before = |route: &Route| {
            let is_same = |other: &Route| {
                (&other.hosts, &other.paths, other.requests) == (&route.hosts, &route.paths, route.requests)
            };
            let position = previous_routes.iter().position(is_same)?;
            previous.by_route.get(position).cloned().flatten()
        };
        let kept = |(new, route): (Option<Arc<Requests>>, &Route)| new.map(|new| before(route).unwrap_or(new));
        Self {
            by_route: new.by_route.into_iter().zip(routes).map(kept).collect(),
            connections: new.connections.map(|new| match &previous.connections {
                Some(before) => before.with(new.most()),
                None => new,
            }),
            requests: match limits.requests == previous.limits.requests {
                true => previous.requests.clone(),
                false => new.requests,
            },
            handshakes: match limits.handshakes_per_second == previous.limits.handshakes_per_second {
                true => previous.handshakes.clone(),
                false => new.handshakes,
            },
            limits: *limits,
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
        begin(self.requests.as_deref(), client)
    }

    /// It takes the route at `position`.
    ///
    /// # Errors
    ///
    /// How long the client is to wait where it has sent too many to that.
    pub(super) fn request_to(&self, position: usize, client: Option<IpAddr>) -> Result<(), Duration> {
        begin(self.by_route.get(position).and_then(Option::as_deref), client)
    }

    /// A handshake begins, of whatever client.
    ///
    /// # Errors
    ///
    /// How long it is to wait where there have been too many.
    pub(super) fn handshake(&self) -> Result<(), Duration> {
        self.handshakes.as_deref().map_or(Ok(()), Handshakes::begin)
    }
}

/// A client without an address is this machine, and not limited.
fn begin(requests: Option<&Requests>, client: Option<IpAddr>) -> Result<(), Duration> {
    match (requests, client) {
        (Some(requests), Some(address)) => requests.begin(ClientAddress::of(address)),
        _ => Ok(()),
    }
}
