//! Who is at the other end: what the socket says, or what a balancer in front of us says in its stead.

use std::net::SocketAddr;

use super::clients::Place;
use super::metrics::{Refusal, WorkerMetrics};
use super::peer::Peer;
use super::proxy_protocol::{self, Endpoints, ReceiveError};
use super::settings::Listener;
use super::socket::{Socket, local_address};
use super::worker::Setup;
use crate::telemetry::Causes;

/// A client that may go on.
#[derive(Debug)]
pub(super) struct Client {
    /// Where it is.
    pub(super) peer: Peer,
    /// What it connected to; `None` on a Unix socket.
    pub(super) local: Option<SocketAddr>,
    _place: Option<Place>,
}

/// Why a PROXY header that had to come did not.
#[derive(Debug, thiserror::Error)]
enum NoHeader {
    #[error(transparent)]
    Receive(#[from] ReceiveError),
    #[error("it did not come in time")]
    TimedOut,
}

impl Client {
    /// Finds out who is at the other end of `socket`. `None`, logged and counted, where that is not said, or where the client has
    /// as many connections as it may.
    pub(super) async fn meet(
        setup: &Setup,
        metrics: &WorkerMetrics,
        listener: &Listener,
        socket: &mut Socket,
        peer: Peer,
    ) -> Option<Self> {
        let introduced = match listener.balancers.include(peer.ip()) {
            true => introduced(setup, socket)
                .await
                .inspect_err(|error| {
                    metrics.refused(Refusal::ProxyHeader);
                    tracing::info!(%peer, error = %Causes(error), "no PROXY header");
                })
                .ok()?,
            false => None,
        };
        let (peer, local) = match introduced {
            Some(Endpoints { source, destination }) => (source.into(), Some(destination)),
            None => (peer, local_address(socket)),
        };
        let place = setup.clients.connect(peer);
        let place = place.inspect_err(|error| {
            metrics.refused(Refusal::ConnectionsPerClient);
            tracing::info!(%peer, %error, "connection refused");
        });
        Some(Self {
            peer,
            local,
            _place: place.ok()?,
        })
    }
}

/// Whom a balancer connects us with; `None` where it speaks for itself.
async fn introduced(setup: &Setup, socket: &mut Socket) -> Result<Option<Endpoints>, NoHeader> {
    let header = proxy_protocol::receive(socket);
    let header = tokio::time::timeout(setup.settings.timeouts.header, header).await;
    Ok(header.map_err(|_| NoHeader::TimedOut)??.endpoints)
}
