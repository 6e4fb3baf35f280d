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
use super::connectors::Connectors;
use super::dialect::Dialect;
use super::opener::Opener;
use super::room::Room;
use super::roster::Roster;
use super::settings::HealthCheck;
use crate::proxy::headers::by_server::ServerSite;
use crate::proxy::settings::{Backend, ServerAddress};
use crate::tls::Connector;

/// Everything that is to be asked. It does nothing until it runs.
#[derive(Debug)]
pub struct HealthChecks {
    servers: Vec<Checked>,
}

#[derive(Debug)]
struct Checked {
    backend: Arc<Backend>,
    connector: Option<Arc<Connector>>,
    settings: HealthCheck,
    address: ServerAddress,
    roster: Arc<Roster>,
    server: usize,
}

impl HealthChecks {
    /// The checks of `backends`, whose outcomes go to the roster at the same position.
    pub(in crate::proxy) fn new(backends: &[Backend], connectors: &Connectors, rosters: &[Arc<Roster>]) -> Self {
        let mut servers = Vec::new();
        for (position, (backend, roster)) in backends.iter().zip(rosters).enumerate() {
            let Some(settings) = &backend.choice.health else {
                continue;
            };
            let backend = Arc::new(backend.clone());
            servers.extend(backend.servers.iter().enumerate().map(|(server, address)| Checked {
                backend: Arc::clone(&backend),
                connector: connectors.at(position).cloned(),
                settings: settings.clone(),
                address: address.clone(),
                roster: Arc::clone(roster),
                server,
            }));
        }
        Self { servers }
    }

    /// Asks every server again and again, for as long as the future is kept. Runs on a tokio runtime that has local
    /// tasks.
    pub async fn run(self) {
        let mut checking = JoinSet::new();
        for checked in self.servers {
            checking.spawn_local(checked.run());
        }
        while checking.join_next().await.is_some() {}
    }
}

impl Checked {
    async fn run(self) {
        let dialect = Rc::new(Dialect::new(&self.backend.protocol));
        let connector = self.connector.as_ref();
        // One check at a time takes no room from requests.
        let room = Rc::new(Room::new(Arc::new(Semaphore::new(Semaphore::MAX_PERMITS))));
        let opener = Rc::new(Opener::new(
            &self.address,
            &self.backend,
            &dialect,
            connector,
            None,
            &room,
        ));
        let site = ServerSite::of(&self.address);
        let mut ticks = tokio::time::interval(self.settings.interval);
        // After a machine has slept, one check is enough.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tally = Tally::default();
        loop {
            ticks.tick().await;
            let begin = Instant::now();
            let outcome = check(&opener, site.authority(), &self.settings).await;
            let Some(up) = tally.note(outcome.is_ok(), &self.settings) else {
                continue;
            };
            self.roster.set_up(self.server, up);
            let (backend, server, took) = (self.backend.log_name(), &self.address, begin.elapsed().as_secs_f32());
            match outcome {
                Ok(()) => tracing::info!(backend, %server, seconds = took, "server is up"),
                Err(reason) => tracing::warn!(backend, %server, %reason, "server is down: it gets no requests"),
            }
        }
    }
}
