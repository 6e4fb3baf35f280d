//! What everything that runs on one worker works with.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::Settings;
use super::access_log::Writer;
use super::clients::Clients;
use super::connections::Connections;
use super::headers::request_id::RequestIds;
use super::routes::Routes;
use super::upstream::Backends;
use crate::tls::Handshaker;

/// What the connections of one worker share.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) settings: Arc<Settings>,
    pub(super) handshaker: Arc<Handshaker>,
    pub(super) access_log: Rc<Writer>,
    pub(super) routes: Arc<Routes>,
    pub(super) backends: Backends,
    /// Names requests.
    pub(super) request_ids: RequestIds,
    pub(super) connections: Rc<Connections>,
    /// What each client has of the process.
    pub(super) clients: Arc<Clients>,
    /// One permit for each connection the process may have.
    pub(super) room: Arc<Semaphore>,
}
