//! The wiring: build everything, say what was bound, run until told to end, drain.

mod control;
mod descriptors;
mod error;
mod reconfigure;
mod server_trust;
mod signals;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use self::signals::Signals;
use crate::admin::{self, Readiness};
use crate::config::{Config, Place};
use crate::live::Live;
use crate::proxy::settings::Service;
use crate::proxy::{AccessLog, AccessOutput};
use crate::reload::{self, Plan};
use crate::telemetry::metrics::Process;
use crate::{proxy, tls};

pub use self::control::Control;
pub use self::descriptors::raise_descriptor_limit;
pub use self::error::Error;
pub use self::reconfigure::Reconfigure;
pub use self::signals::Signal;

/// How long the end of the process waits for the last lines of the access log.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Everything built and bound, nothing served yet.
pub struct App {
    task: reload::Task,
    reload: reload::Handle,
    server: proxy::Server,
    admin: Option<admin::Server>,
    access_log: AccessOutput,
    reconfigure: Reconfigure,
    /// The configuration in force.
    running: Arc<Live<Config>>,
    process: Process,
}

/// Where the listeners are, with ports chosen by the kernel filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The proxy's, in the order of its settings.
    pub proxy: Vec<proxy::LocalAddress>,
    /// The admin listener's, if there is one.
    pub admin: Option<SocketAddr>,
}

/// Serves `config` until the process is told to end. `reconfigure` reads the configuration again.
///
/// # Errors
///
/// [`Error`] where it cannot start.
pub fn serve(config: Config, reconfigure: Reconfigure) -> Result<(), Error> {
    // First of all, so that a SIGHUP while certificates are loading does not end the process.
    let control = Control::of_process()?;
    let inherited = proxy::Inherited::of_process();
    App::build(config, reconfigure, inherited)?.run(control)
}

impl App {
    /// Loads every certificate and binds every address, but for the sockets that are `inherited`.
    ///
    /// # Errors
    ///
    /// [`Error`] where a certificate cannot be served or an address not be bound.
    pub fn build(config: Config, reconfigure: Reconfigure, inherited: proxy::Inherited) -> Result<Self, Error> {
        let process = Process::new(SystemTime::now());
        let running = Arc::new(Live::new(config.clone()));
        let Config {
            certs,
            fetch,
            tls,
            client_auth,
            proxy,
            reload,
            admin,
            log: _,
            access_file,
            workers,
            drain: _,
        } = config;
        let access_log = access_log(&proxy.access_log, access_file)?;
        let plan = Plan {
            certificates: certs,
            tls,
            client_auth,
            reload,
            fetch,
        };
        let tickets = tls::Tickets::new()?;
        let (task, reload) = reload::Task::start(plan, tickets, reload::Clock::of_machine())?;
        Ok(Self {
            task,
            reload,
            server: proxy::Server::bind(&proxy, workers, inherited)?,
            admin: admin::Server::bind(&admin)?,
            access_log,
            reconfigure,
            running,
            process,
        })
    }

    /// Where the listeners are.
    pub fn addresses(&self) -> Addresses {
        Addresses {
            proxy: self.server.local_addresses(),
            admin: self.admin.as_ref().map(admin::Server::local_address),
        }
    }

    /// Serves until `control` is told to end, then drains: the second word ends at once.
    ///
    /// # Errors
    ///
    /// [`Error`] where the operating system gives no thread or event queue.
    pub fn run(self, control: Control) -> Result<(), Error> {
        let Control { runtime, signals } = control;
        let access_log = self.access_log.clone();
        let ended = runtime.block_on(self.serve(signals));
        // A reload may hang in a file system that does not answer; the end does not wait for it.
        runtime.shutdown_background();
        if let Some(lines) = access_log.lines() {
            lines.flush(LAST_LINES);
        }
        ended
    }

    async fn serve(self, mut signals: Signals) -> Result<(), Error> {
        let addresses = self.addresses();
        let Self {
            task,
            reload,
            server,
            admin,
            access_log,
            reconfigure,
            running,
            process,
        } = self;
        let handshaker = tls::Handshaker::new(Arc::clone(task.snapshot()));
        let readiness = Readiness::new();
        if let Some(admin) = admin {
            let generation = Arc::clone(task.generation());
            let metrics = admin::Metrics {
                process,
                proxy: Arc::clone(server.metrics()),
                reload: Arc::clone(task.metrics()),
            };
            let sources = admin::Sources {
                readiness: readiness.clone(),
                certificates: Arc::new(move || admin::certificates(&generation.current())),
                metrics: Arc::new(move || metrics.text()),
                reload: reload.clone(),
            };
            tokio::spawn(async move {
                let Err(error) = admin.run(sources).await;
                tracing::error!(%error, "the admin listener has ended");
            });
        }
        let reconfigurer = server.reconfigurer().clone();
        let asked = Arc::new(Notify::new());
        tokio::spawn(server_trust::follow(
            reconfigurer.clone(),
            Arc::clone(&running),
            Arc::clone(&asked),
        ));
        tokio::task::spawn_local(reconfigurer.clone().check_health());
        let reconfigure = reconfigure::whole(reconfigure, Arc::clone(&running), reconfigurer, asked);
        let reloading = tokio::spawn(task.run(reconfigure));
        let failing = readiness.clone();
        tokio::spawn(async move {
            if let Err(panic) = reloading.await {
                failing.fail();
                tracing::error!(%panic, "reloading has ended: what is served stays, and is renewed only by a restart");
            }
        });
        let (draining, watch) = proxy::drain::channel();
        let workers = server
            .run(Arc::new(handshaker), access_log.clone(), watch)
            .map_err(Error::Runtime)?;
        readiness.ready();
        say_where(&addresses);

        until_told_to_end(&mut signals, &reload, &access_log).await;
        readiness.drain();
        let drain = running.current().drain;
        let finish = async {
            tokio::time::sleep(drain.delay).await;
            draining.start();
            workers.finish(drain.grace).await
        };
        tracing::info!(delay = %Seconds(drain.delay), grace = %Seconds(drain.grace), "draining");
        tokio::select! {
            cut = finish => match cut {
                0 => tracing::info!("ended: every connection was served to its end"),
                cut => tracing::warn!(cut, "ended: connections were cut after the grace period"),
            },
            () = signals.end() => tracing::warn!("ended at once, as told twice"),
        }
        Ok(())
    }
}

/// Reloads and reopens when told to; returns when told to end.
async fn until_told_to_end(signals: &mut Signals, reload: &reload::Handle, access_log: &AccessOutput) {
    loop {
        match signals.next().await {
            Signal::Reload => {
                let reload = reload.clone();
                // The outcome is in the log; a storm of signals ends up as one reload running and one waiting.
                tokio::spawn(async move { reload.reload(false).await });
            }
            Signal::Reopen => {
                if let Some(lines) = access_log.lines() {
                    lines.reopen();
                }
            }
            Signal::End => return,
        }
    }
}

/// Opens the access log, whose file is named at `named`.
fn access_log(settings: &AccessLog, named: Option<Place>) -> Result<AccessOutput, Error> {
    AccessOutput::open(settings).map_err(|error| match settings.file.clone() {
        Some(path) => Error::AccessFile { named, path, error },
        None => Error::Runtime(error),
    })
}

fn say_where(addresses: &Addresses) {
    for proxy::LocalAddress { address, service } in &addresses.proxy {
        match service {
            Service::Tls => tracing::info!(%address, "serving TLS"),
            Service::Http => tracing::info!(%address, "serving plain HTTP"),
            Service::Redirect(_) => tracing::info!(%address, "redirecting to https"),
        }
    }
    if let Some(address) = &addresses.admin {
        tracing::info!(%address, "admin listener");
    }
}

/// A duration as people write it.
struct Seconds(Duration);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}s", self.0.as_secs_f32())
    }
}
