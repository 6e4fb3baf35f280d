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
use super::blueprint::Blueprint;
use super::listener::{ListeningSocket, accept};
use super::pulse::Heart;
use super::upstream::Backends;
use super::vitals::Presence;
use super::worker::{Setup, Worker};
use super::{AccessOutput, drain, settings};
use crate::tls::Handshaker;

/// How often connections are looked at that may have been idle for too long: often enough for the shortest time, and for
/// one that comes with another configuration.
const SHORTEST_STEP: Duration = Duration::from_millis(50);
const LONGEST_STEP: Duration = Duration::from_secs(10);

/// What a worker is started with.
#[derive(Debug)]
pub(super) struct Start {
    /// Which of the workers it is.
    pub(super) number: usize,
    /// What the configuration says, now and later.
    pub(super) blueprint: watch::Receiver<Arc<Blueprint>>,
    pub(super) handshaker: Arc<Handshaker>,
    pub(super) access_log: AccessOutput,
    pub(super) room: Arc<Semaphore>,
    /// One permit for each upstream connection the process may have.
    pub(super) upstream_room: Arc<Semaphore>,
    pub(super) sockets: Vec<(settings::Listener, ListeningSocket, Presence)>,
    pub(super) drain: drain::Watch,
    /// What answers whoever asks whether it still turns.
    pub(super) heart: Heart,
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
    let mut blueprint = start.blueprint;
    let first = Arc::clone(&blueprint.borrow_and_update());
    let backends = Backends::new(&first.backends, start.upstream_room, start.number);
    let worker = Rc::new(Worker::new(
        start.handshaker,
        Writer::new(start.access_log, &first.settings.access_log.redaction),
        start.room,
        first.metrics.of_worker(start.number),
        Setup::of(&first, backends),
    ));
    // Another may take its place, and then nothing is to be left of it.
    drop(first);
    tokio::task::spawn_local(follow(Rc::clone(&worker), blueprint));
    let mut accepting = Vec::new();
    for (listener, socket, presence) in start.sockets {
        match socket.try_into() {
            Ok(socket) => {
                let accept = accept(
                    socket,
                    listener.into(),
                    Rc::clone(&worker),
                    start.drain.clone(),
                    presence,
                );
                accepting.push(tokio::task::spawn_local(accept));
            }
            Err(error) => tracing::error!(%error, "a worker cannot use its socket"),
        }
    }
    tokio::task::spawn_local(start.heart.beat());
    tokio::task::spawn_local(sweep(Rc::clone(&worker)));
    tokio::task::spawn_local(Arc::clone(&worker.metrics).watch_lag());
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

/// Takes up each new configuration.
async fn follow(worker: Rc<Worker>, mut blueprint: watch::Receiver<Arc<Blueprint>>) {
    while blueprint.changed().await.is_ok() {
        let next = Arc::clone(&blueprint.borrow_and_update());
        worker.follow(&next);
    }
}

/// Closes upstream connections that nobody has used for a while, without waiting for the next request to notice.
async fn sweep(worker: Rc<Worker>) {
    loop {
        let setup = worker.setup();
        let idle = setup.settings.backends.iter().map(|backend| backend.timeouts.idle);
        let idle = idle.min().unwrap_or(LONGEST_STEP);
        drop(setup);
        tokio::time::sleep((idle / 4).clamp(SHORTEST_STEP, LONGEST_STEP)).await;
        worker.setup().backends.sweep(Instant::now());
    }
}
