//! Whether the process takes connections.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use rustls::pki_types::UnixTime;

use super::certificates::{common_name, name};
use crate::chain::in_words;
use crate::proxy::{ListenerState, Observation};
use crate::reload::Generation;

/// A flag that only moves forward: from starting through ready, or failed, to draining. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    stage: Arc<AtomicU8>,
}

/// How far a process has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Starting,
    Ready,
    Failed,
    Draining,
}

const STARTING: u8 = 0;
const READY: u8 = 1;
const FAILED: u8 = 2;
const DRAINING: u8 = 3;

impl Readiness {
    /// A process that starts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Connections are accepted from now on; too late once it drains.
    pub fn ready(&self) {
        self.stage.fetch_max(READY, Ordering::Relaxed);
    }

    /// Connections are still accepted, but something has ended that only a restart brings back.
    pub fn fail(&self) {
        self.stage.fetch_max(FAILED, Ordering::Relaxed);
    }

    /// No connection is accepted any more, or soon none will be.
    pub fn drain(&self) {
        self.stage.fetch_max(DRAINING, Ordering::Relaxed);
    }

    pub(super) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Relaxed) {
            STARTING => Stage::Starting,
            READY => Stage::Ready,
            FAILED => Stage::Failed,
            _ => Stage::Draining,
        }
    }
}

impl Stage {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Draining => "draining",
        }
    }
}

/// Whether connections are taken and should be sent at the instant `at`: with `days`, not where a certificate ends within
/// so many.
///
/// # Errors
///
/// Why not, in a line.
pub(super) fn ready(
    readiness: &Readiness,
    proxy: &Observation,
    generation: &Generation,
    days: Option<NonZeroU32>,
    at: UnixTime,
) -> Result<(), String> {
    match readiness.stage() {
        Stage::Ready => {}
        Stage::Failed => return Err("failed: certificates are no longer reloaded; see the log, and restart".to_owned()),
        stage @ (Stage::Starting | Stage::Draining) => return Err(stage.as_str().to_owned()),
    }
    if let Some(trouble) = proxy.listeners.iter().find_map(ListenerState::trouble) {
        return Err(trouble);
    }
    match days {
        Some(days) => no_end_within(generation, days, at),
        None => Ok(()),
    }
}

fn no_end_within(generation: &Generation, days: NonZeroU32, at: UnixTime) -> Result<(), String> {
    const DAY: u64 = 86_400;
    let until = at.as_secs().saturating_add(u64::from(days.get()) * DAY);
    let ends = generation
        .served
        .iter()
        .map(|served| (served, served.assembly.chain.first_to_expire()));
    let Some((served, first)) = ends.min_by_key(|(_, first)| first.not_after().as_secs()) else {
        return Ok(());
    };
    let end = first.not_after().as_secs();
    if end >= until {
        return Ok(());
    }
    let when = match end.checked_sub(at.as_secs()) {
        Some(left) => format!("ends in {}", in_words(Duration::from_secs(left))),
        None => "has ended".to_owned(),
    };
    let leaf = served.assembly.chain.leaf();
    let what = match first == leaf {
        true => "the certificate".to_owned(),
        false => format!("the intermediate {}", common_name(first.subject())),
    };
    Err(format!("{what} of {} {when} (ready_days = {days})", name(leaf)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::LocalAddress;
    use crate::proxy::settings::{ListenAddress, Service};

    #[test]
    fn readiness_only_moves_forward() {
        let readiness = Readiness::new();
        assert_eq!(readiness.stage(), Stage::Starting);
        readiness.ready();
        assert_eq!(readiness.stage(), Stage::Ready);
        readiness.fail();
        readiness.ready();
        assert_eq!(readiness.stage(), Stage::Failed);
        readiness.drain();
        readiness.fail();
        assert_eq!(readiness.clone().stage(), Stage::Draining);
    }

    #[test]
    fn a_listener_that_is_down_is_not_ready() {
        let readiness = Readiness::new();
        readiness.ready();
        let listener = |failing, lost| Observation {
            listeners: vec![ListenerState {
                at: LocalAddress {
                    address: ListenAddress::Ip(([127, 0, 0, 1], 8443).into()),
                    service: Service::Tls,
                },
                failing,
                lost,
            }],
            ..Observation::default()
        };
        let generation = Generation::empty(UnixTime::now());
        let ready = |proxy: &Observation| ready(&readiness, proxy, &generation, None, UnixTime::now());
        assert_eq!(ready(&listener(0, 0)), Ok(()));
        for (failing, lost, part) in [
            (1, 0, "cannot accept"),
            (2, 0, "2 workers"),
            (0, 1, "lost a worker"),
            (1, 2, "lost 2"),
        ] {
            let error = ready(&listener(failing, lost)).unwrap_err();
            assert!(error.contains("127.0.0.1:8443") && error.contains(part), "{error}");
        }
    }
}
