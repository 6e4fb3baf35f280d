//! The thread of one worker, with a runtime, sockets and upstream connections of its own.
//!
//! Nothing on the path of a request is shared with another worker but counters that say whether there is room.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::access_log::Writer;
use super::clients::Clients;
use super::headers::request_id::RequestIds;
use super::listener::{ListeningSocket, accept};
use super::routes::Routes;
use super::upstream::{Backends, Connectors, Roster};
use super::worker::Worker;
use super::{AccessOutput, Settings, drain, settings};
use crate::tls::Handshaker;

/// What a worker is started with.
#[derive(Debug)]
pub(super) struct Start {
    /// Which of the workers it is.
    pub(super) number: usize,
    pub(super) settings: Arc<Settings>,
    pub(super) routes: Arc<Routes>,
    pub(super) handshaker: Arc<Handshaker>,
    pub(super) access_log: AccessOutput,
    pub(super) clients: Arc<Clients>,
    pub(super) connectors: Connectors,
    pub(super) room: Arc<Semaphore>,
    /// One permit for each upstream connection the process may have.
    pub(super) upstream_room: Arc<Semaphore>,
    /// What all workers know of each backend.
    pub(super) rosters: Arc<[Arc<Roster>]>,
    pub(super) sockets: Vec<(settings::Listener, ListeningSocket)>,
    pub(super) drain: drain::Watch,
    /// True once what is left is to be cut.
    pub(super) cut: watch::Receiver<bool>,
}

/// The runtime of one worker; made on its thread.
///
/// # Errors
///
/// Where the kernel gives no epoll or event descriptor.
pub(super) fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
}

/// Serves until drained or cut; how many connections were cut.
pub(super) fn run(runtime: LocalRuntime, start: Start) -> usize {
    let cut = runtime.block_on(serve(start));
    // A name that is being resolved on another thread is not waited for.
    runtime.shutdown_background();
    cut
}

async fn serve(start: Start) -> usize {
    let mut cut = start.cut;
    let worker = Rc::new(Worker {
        backends: Backends::new(
            &start.settings,
            &start.connectors,
            &start.rosters,
            start.upstream_room,
            start.number,
        ),
        access_log: Writer::new(start.access_log, &start.settings.access_log.redaction),
        routes: start.routes,
        settings: start.settings,
        handshaker: start.handshaker,
        request_ids: RequestIds::default(),
        connections: Rc::default(),
        clients: start.clients,
        room: start.room,
    });
    let mut accepting = Vec::new();
    for (listener, socket) in start.sockets {
        match socket.try_into() {
            Ok(socket) => {
                let accept = accept(socket, listener.into(), Rc::clone(&worker), start.drain.clone());
                accepting.push(tokio::task::spawn_local(accept));
            }
            Err(error) => tracing::error!(%error, "a worker cannot use its socket"),
        }
    }
    tokio::task::spawn_local(sweep(Rc::clone(&worker)));
    let mut drain = start.drain;
    let drained = async {
        drain.started().await;
        worker.connections.drain();
        for task in accepting {
            // It ends once its queue is empty.
            let _ = task.await;
        }
        worker.connections.emptied().await;
    };
    tokio::select! {
        () = drained => {}
        _ = cut.wait_for(|cut| *cut) => {}
    }
    worker.connections.count()
}

/// Closes upstream connections that nobody has used for a while, without waiting for the next request to notice.
async fn sweep(worker: Rc<Worker>) {
    let idle = worker
        .settings
        .backends
        .iter()
        .map(|backend| backend.timeouts.idle)
        .min();
    let Some(idle) = idle else { return };
    let step = (idle / 4).max(Duration::from_millis(50));
    loop {
        tokio::time::sleep(step).await;
        worker.backends.sweep(Instant::now());
    }
}
