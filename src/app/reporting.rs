//! What the service manager hears while the process runs: that it serves, that it is alive, and how it is.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::service_manager::ServiceManager;
use crate::chain::Status;
use crate::config::Drain;
use crate::live::Live;
use crate::proxy::{Pulse, drain};
use crate::reload::{self, Generation};

/// How often the sentence for `systemctl status` is looked at: files change without anybody asking.
const STATUS_INTERVAL: Duration = Duration::from_secs(30);

/// How often it is while draining, when somebody may be watching.
const DRAINING_INTERVAL: Duration = Duration::from_secs(1);

/// Tells the service manager how the process is. Clones tell the same one.
#[derive(Clone)]
pub(super) struct Reporting {
    manager: Rc<ServiceManager>,
    generation: Arc<Live<Generation>>,
}

impl Reporting {
    pub(super) fn new(manager: ServiceManager, generation: Arc<Live<Generation>>) -> Self {
        Self {
            manager: Rc::new(manager),
            generation,
        }
    }

    /// Every listener serves.
    pub(super) fn ready(&self) {
        self.manager.ready(&self.serving());
    }

    /// The process `id` serves in the place of this one.
    pub(super) fn hand_over(&self, id: u32) {
        self.manager.main_process(id);
    }

    /// Has `reload` read everything again, and tells of its beginning and its end.
    pub(super) async fn reload(&self, reload: &reload::Handle) {
        self.manager.reloading();
        // The outcome is in the log; what is served is served either way.
        let _ = reload.reload(false).await;
        self.ready();
    }

    /// Tells of changes that nobody asked for, and that the process is alive as long as every worker of `pulse` is.
    /// Never ends. Workers may end once `drain` is given.
    pub(super) async fn keep(self, pulse: Pulse, drain: drain::Watch) {
        if !self.manager.is_there() {
            return;
        }
        let status = async {
            let mut last = self.serving();
            while !drain.has_started() {
                tokio::time::sleep(STATUS_INTERVAL).await;
                let status = self.serving();
                if status != last && !drain.has_started() {
                    self.manager.status(&status);
                    last = status;
                }
            }
        };
        tokio::join!(status, self.feed(pulse, &drain));
    }

    /// Feeds the watchdog, where there is one, twice as often as it asks for (`sd_watchdog_enabled(3)`).
    async fn feed(&self, mut pulse: Pulse, drain: &drain::Watch) {
        let Some(patience) = self.manager.watchdog else { return };
        loop {
            pulse.feel(|| drain.has_started()).await;
            self.manager.alive();
            tokio::time::sleep(patience / 2).await;
        }
    }

    /// The end begins; tells how many `connections` are left until the future is dropped.
    pub(super) async fn drain(&self, drain: &Drain, connections: impl Fn() -> usize) {
        self.manager.stopping(drain.delay.saturating_add(drain.grace));
        let mut last = None;
        loop {
            let connections = connections();
            if last.replace(connections) != Some(connections) {
                self.manager
                    .status(&format!("draining: {connections} connections left"));
            }
            tokio::time::sleep(DRAINING_INTERVAL).await;
        }
    }

    /// What is served, in a sentence.
    fn serving(&self) -> String {
        let generation = self.generation.current();
        let is_poor = |status| matches!(status, Status::Incomplete | Status::Invalid);
        let served = generation.served.len();
        let poor = generation
            .served
            .iter()
            .filter(|served| is_poor(served.assembly.status));
        let noun = if served == 1 { "certificate" } else { "certificates" };
        match poor.count() {
            0 => format!("serving {served} {noun}"),
            poor => format!("serving {served} {noun}, {poor} with a chain that clients refuse"),
        }
    }
}
