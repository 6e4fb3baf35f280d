//! Servers are asked how they are, once for the whole process.
//!
//! That happens where everything but requests runs, over connections like those of requests. Workers only ever read the
//! outcome.

mod check;
mod tally;

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use self::check::check;
use self::tally::Tally;
use super::dialect::Dialect;
use super::opener::Opener;
use super::room::Room;
use super::settings::HealthCheck;
use super::shared::Shared;
use crate::proxy::headers::by_server::ServerSite;
use crate::proxy::settings::ServerAddress;

/// The checks that are going on. Dropped, they end.
#[derive(Debug, Default)]
pub(in crate::proxy) struct HealthChecks {
    backends: Vec<(Arc<Shared>, JoinSet<()>)>,
}

impl HealthChecks {
    /// From now on the servers of `backends` are asked, and no others; those that were asked before go on being asked.
    /// Runs on a tokio runtime that has local tasks.
    pub(in crate::proxy) fn follow(&mut self, backends: &[Arc<Shared>]) {
        let mut before = std::mem::take(&mut self.backends);
        let asked = |backend: &Arc<Shared>| {
            let position = before.iter().position(|(other, _)| Arc::ptr_eq(other, backend));
            let same = position.map(|position| before.swap_remove(position));
            same.unwrap_or_else(|| (Arc::clone(backend), ask(backend)))
        };
        self.backends = backends.iter().map(asked).collect();
    }
}

fn ask(backend: &Arc<Shared>) -> JoinSet<()> {
    let mut asking = JoinSet::new();
    if let Some(settings) = &backend.settings.choice.health {
        for (server, address) in backend.settings.servers.iter().enumerate() {
            asking.spawn_local(keep_asking(
                Arc::clone(backend),
                settings.clone(),
                server,
                address.clone(),
            ));
        }
    }
    asking
}

async fn keep_asking(backend: Arc<Shared>, settings: HealthCheck, server: usize, address: ServerAddress) {
    let dialect = Rc::new(Dialect::new(&backend.settings.protocol));
    let connector = backend.connector.as_ref();
    // One check at a time takes no room from requests.
    let room = Rc::new(Room::new(Arc::new(Semaphore::new(Semaphore::MAX_PERMITS))));
    let opener = Rc::new(Opener::new(
        &address,
        &backend.settings,
        &dialect,
        connector,
        None,
        &room,
        // Checks are not counted among what requests take.
        &Arc::default(),
    ));
    let site = ServerSite::of(&address);
    let mut ticks = tokio::time::interval(settings.interval);
    // After a machine has slept, one check is enough.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut tally = Tally::of(backend.roster.is_up(server));
    loop {
        ticks.tick().await;
        let begin = Instant::now();
        let outcome = check(&opener, site.authority(), &settings).await;
        let Some(up) = tally.note(outcome.is_ok(), &settings) else {
            continue;
        };
        backend.roster.set_up(server, up);
        let (backend, server, took) = (backend.log_name(), &address, begin.elapsed().as_secs_f32());
        match outcome {
            Ok(()) => tracing::info!(backend, %server, seconds = took, "server is up"),
            Err(reason) => tracing::warn!(backend, %server, %reason, "server is down: it gets no requests"),
        }
    }
}
