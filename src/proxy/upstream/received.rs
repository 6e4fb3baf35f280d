//! What is known of the bytes between a server and us: beneath TLS whether the server takes any, above it how often some
//! have arrived. What TLS says for itself, be it a session ticket or that it ends, is no byte of a response.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::AsyncRead;
use tokio_util::io::InspectReader;

use super::room::Place;
use super::roster::Slot;
use crate::proxy::metrics::ServerMetrics;
use crate::proxy::stream::Observer;
use crate::telemetry::metrics::Raised;

/// How often bytes have arrived, and whether the server has stopped taking any. Atomic for hyper's sake, which moves
/// an upgraded socket as a `Send` value.
#[derive(Clone, Debug)]
pub(super) struct Received(Arc<Seen>);

#[derive(Debug)]
struct Seen {
    reads: AtomicU64,
    refused: AtomicBool,
    /// Given up when the socket is closed, be it that of a tunnel.
    place: Place,
}

impl Received {
    /// Nothing has arrived; `place` is kept as long as the socket.
    pub(super) fn new(place: Place) -> Self {
        Self(Arc::new(Seen {
            reads: AtomicU64::new(0),
            refused: AtomicBool::new(false),
            place,
        }))
    }

    /// The socket is a connection from now on, and counted in `open`.
    pub(super) fn opened(&self, open: Raised<ServerMetrics>) {
        self.0.place.opened(open);
    }

    /// Keeps what its request has for as long as the socket is open: it is to become a tunnel.
    pub(super) fn keep(&self, slot: Option<Slot>, busy: Option<Raised<ServerMetrics>>) {
        self.0.place.keep(slot, busy);
    }

    /// The same `io`, on which arriving bytes are counted.
    pub(super) fn counting<IO: AsyncRead>(&self, io: IO) -> InspectReader<IO, impl FnMut(&[u8]) + Send + use<IO>> {
        let Self(seen) = self.clone();
        InspectReader::new(io, move |bytes| {
            if !bytes.is_empty() {
                seen.reads.fetch_add(1, Ordering::Relaxed);
            }
        })
    }

    /// How often bytes have arrived.
    pub(super) fn count(&self) -> u64 {
        self.0.reads.load(Ordering::Relaxed)
    }

    /// Whether the server takes no bytes any more.
    pub(super) fn is_refused(&self) -> bool {
        self.0.refused.load(Ordering::Relaxed)
    }
}

impl Observer for Received {
    /// A server may answer before it has the whole request, and close: 413 is often sent so. Its answer is read
    /// before the loss is told (RFC 9112 section 9.5).
    fn write_refused(&self) -> bool {
        self.0.refused.store(true, Ordering::Relaxed);
        true
    }
}
