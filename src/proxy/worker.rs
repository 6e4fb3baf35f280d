//! What everything that runs on one worker works with.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::Settings;
use super::access_log::Writer;
use super::blueprint::Blueprint;
use super::clients::Clients;
use super::connections::Connections;
use super::headers::request_id::RequestIds;
use super::metrics::WorkerMetrics;
use super::routes::Routes;
use super::upstream::Backends;
use crate::tls::Handshaker;

/// What the connections of one worker share.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) handshaker: Arc<Handshaker>,
    pub(super) access_log: Rc<Writer>,
    /// Names requests.
    pub(super) request_ids: RequestIds,
    pub(super) connections: Rc<Connections>,
    /// One permit for each connection the process may have.
    pub(super) room: Arc<Semaphore>,
    /// What is counted here.
    pub(super) metrics: Arc<WorkerMetrics>,
    setup: RefCell<Rc<Setup>>,
}

/// What the configuration says at the moment, with this worker's connections to servers. A request keeps the one it began
/// with; a connection keeps nothing of it but deadlines and sizes: it would keep connections to servers that are gone.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) settings: Arc<Settings>,
    pub(super) routes: Arc<Routes>,
    pub(super) backends: Backends,
    pub(super) clients: Arc<Clients>,
}

impl Worker {
    /// A worker without any connections yet.
    pub(super) fn new(
        handshaker: Arc<Handshaker>,
        access_log: Rc<Writer>,
        room: Arc<Semaphore>,
        metrics: Arc<WorkerMetrics>,
        setup: Setup,
    ) -> Self {
        Self {
            handshaker,
            access_log,
            request_ids: RequestIds::default(),
            connections: Rc::default(),
            room,
            metrics,
            setup: RefCell::new(Rc::new(setup)),
        }
    }

    /// What the configuration says now.
    pub(super) fn setup(&self) -> Rc<Setup> {
        Rc::clone(&self.setup.borrow())
    }

    /// From now on the configuration says what `blueprint` does.
    pub(super) fn follow(&self, blueprint: &Blueprint) {
        let backends = self.setup().backends.succeeded_by(&blueprint.backends);
        self.setup.replace(Rc::new(Setup::of(blueprint, backends)));
    }
}

impl Setup {
    /// What `blueprint` says, with these of its backends.
    pub(super) fn of(blueprint: &Blueprint, backends: Backends) -> Self {
        Self {
            settings: Arc::clone(&blueprint.settings),
            routes: Arc::clone(&blueprint.routes),
            backends,
            clients: Arc::clone(&blueprint.clients),
        }
    }
}
