//! The wiring: build everything, say what was bound, run until told to end, drain.

mod commands;
mod control;
mod descriptors;
mod error;
mod hardening;
mod privileges;
mod reconfigure;
mod reporting;
mod sandbox;
mod server_trust;
mod service_manager;
mod signals;
mod succession;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::UnixTime;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use self::commands::Commands;
use self::reporting::Reporting;
use self::sandbox::Sandbox;
use self::service_manager::ServiceManager;
use self::signals::Signals;
use self::succession::{Predecessor, Upgrade};
use crate::admin::{self, Readiness};
use crate::config::{Config, Hardening, Place};
use crate::live::Live;
use crate::proxy::settings::Service;
use crate::proxy::{AccessLog, AccessOutput};
use crate::reload::{self, Plan};
use crate::telemetry::metrics::Process;
use crate::{proxy, tls};

pub use self::control::Control;
pub use self::descriptors::raise_descriptor_limit;
pub use self::error::Error;
pub use self::privileges::PrivilegeError;
pub use self::reconfigure::Reconfigure;
pub use self::signals::Signal;
pub use self::succession::Inheritance;

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
    /// Who serves until this process does.
    predecessor: Option<Predecessor>,
    /// Passes the sockets on.
    upgrade: Upgrade,
    /// What is in reach, where not everything is.
    sandbox: Option<Sandbox>,
    started_at: UnixTime,
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
    let inheritance = Inheritance::of_process().map_err(Error::Inheritance)?;
    let hardening = config.hardening.clone();
    let mut app = App::build(config, reconfigure, inheritance)?;
    app.harden(&hardening)?;
    app.run(control)
}

impl App {
    /// Loads every certificate and binds every address, but for the sockets that there are already.
    ///
    /// # Errors
    ///
    /// [`Error`] where a certificate cannot be served or an address not be bound.
    pub fn build(config: Config, reconfigure: Reconfigure, mut inheritance: Inheritance) -> Result<Self, Error> {
        let started_at = UnixTime::now();
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
            hardening,
            files: _,
            said: _,
        } = config;
        let mut bound = None;
        if let Some(account) = &hardening.account {
            // Whoever the process becomes has to be able to read its certificates, and write its log: not in a year, now.
            bound = Some(Bound::of(&proxy, workers, &admin, &mut inheritance)?);
            privileges::become_account(account)?;
        }
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
        let Bound { server, admin, upgrade } = match bound {
            Some(bound) => bound,
            None => Bound::of(&proxy, workers, &admin, &mut inheritance)?,
        };
        Ok(Self {
            task,
            reload,
            server,
            admin,
            access_log,
            reconfigure,
            running,
            process,
            predecessor: inheritance.predecessor,
            upgrade,
            sandbox: None,
            started_at,
        })
    }

    /// Does without what the process has needed to start. To be called before anything is served: threads that there are
    /// already, which write logs and hear of changed files, stay outside of the sandbox.
    fn harden(&mut self, hardening: &Hardening) -> Result<(), Error> {
        hardening::warn_of_key_log(&self.running.current());
        privileges::warn_if_root();
        if !hardening.core_dumps {
            privileges::forbid_core_dumps();
        }
        if self
            .predecessor
            .as_ref()
            .is_some_and(|predecessor| predecessor.is_sandboxed)
        {
            tracing::info!("files that the last process could not reach stay out of reach: its sandbox is inherited");
        } else if hardening.sandbox {
            let config = self.running.current();
            let sandbox = Sandbox::of(&config, self.task.directories().iter().cloned());
            sandbox.enter().map_err(Error::Sandbox)?;
            self.sandbox = Some(sandbox);
        } else {
            return Ok(());
        }
        self.upgrade.is_sandboxed = true;
        Ok(())
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
            predecessor,
            mut upgrade,
            sandbox,
            started_at,
        } = self;
        let admin_settings = Arc::new(Live::new(running.current().admin.clone()));
        let handshaker = tls::Handshaker::new(Arc::clone(task.snapshot()));
        let readiness = Readiness::new();
        let reporting = Reporting::new(ServiceManager::of_process(), Arc::clone(task.generation()));
        let admin = admin.map(|admin| {
            let metrics = admin::Metrics {
                process,
                proxy: Arc::clone(server.metrics()),
                reload: Arc::clone(task.metrics()),
            };
            let (observer, config) = (server.observer(), Arc::clone(&running));
            let sources = admin::Sources {
                settings: Arc::clone(&admin_settings),
                started_at,
                readiness: readiness.clone(),
                generation: Arc::clone(task.generation()),
                history: task.history().clone(),
                proxy: Arc::new(move || observer.observe()),
                configuration: Arc::new(move || config.current().said.to_toml()),
                metrics: Arc::new(move || metrics.text()),
                reload: reload.clone(),
            };
            tokio::spawn(async move {
                let Err(error) = admin.run(sources).await;
                tracing::error!(%error, "the admin listener has ended");
            })
        });
        let reconfigurer = server.reconfigurer().clone();
        let asked = Arc::new(Notify::new());
        tokio::spawn(server_trust::follow(
            reconfigurer.clone(),
            Arc::clone(&running),
            Arc::clone(&asked),
        ));
        tokio::task::spawn_local(reconfigurer.clone().check_health());
        let reconfigure = hardening::remarking(reconfigure, sandbox);
        let reconfigure = reconfigure::whole(
            reconfigure,
            Arc::clone(&running),
            reconfigurer.clone(),
            asked,
            admin_settings,
        );
        let reloading = tokio::spawn(task.run(reconfigure));
        let failing = readiness.clone();
        tokio::spawn(async move {
            if let Err(panic) = reloading.await {
                failing.fail();
                tracing::error!(%panic, "reloading has ended: what is served stays, and is renewed only by a restart");
            }
        });
        let (draining, watch) = proxy::drain::channel();
        let mut workers = server
            .run(Arc::new(handshaker), access_log.clone(), watch.clone())
            .map_err(Error::Runtime)?;
        readiness.ready();
        say_where(&addresses);
        if let Some(predecessor) = predecessor {
            predecessor.relieve().await;
        }
        reporting.ready();
        tokio::task::spawn_local(reporting.clone().keep(workers.pulse(), watch));

        let mut commands = Commands {
            reload: &reload,
            access_log: &access_log,
            reporting: &reporting,
            upgrade: &mut upgrade,
        };
        let successor = commands.until_told_to_end(&mut signals).await;
        readiness.drain();
        let mut drain = running.current().drain;
        if let Some(successor) = successor {
            tracing::info!(id = successor.id, "a new process serves in the place of this one");
            workers.leave_files();
            reporting.hand_over(successor.id);
            // Its clients are the new process' from now on, and nobody has to notice first.
            admin.inspect(JoinHandle::abort);
            drain.delay = Duration::ZERO;
            successor.take_over();
        }
        let draining_reported = reporting.drain(&drain, || reconfigurer.connections());
        let finish = async {
            tokio::time::sleep(drain.delay).await;
            // Held on to, they would take connections that nobody accepts.
            drop(upgrade);
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
            () = draining_reported => {}
        }
        Ok(())
    }
}

/// Everything that listens.
struct Bound {
    server: proxy::Server,
    admin: Option<admin::Server>,
    upgrade: Upgrade,
}

impl Bound {
    fn of(
        proxy: &proxy::Settings,
        workers: NonZeroUsize,
        admin: &admin::Settings,
        inheritance: &mut Inheritance,
    ) -> Result<Self, Error> {
        let address = admin.address().map(|address| address.to_string());
        let passed = address.as_ref().and_then(|address| inheritance.admin(address));
        let server = proxy::Server::bind(proxy, workers, std::mem::take(&mut inheritance.sockets))?;
        let admin = match passed {
            Some(listener) => Some(admin::Server::of_listener(listener).map_err(Error::Inheritance)?),
            None => admin::Server::bind(admin)?,
        };
        let socket = admin.as_ref().map(admin::Server::socket).transpose();
        let socket = address.zip(socket.map_err(Error::Runtime)?);
        let upgrade = Upgrade::new(server.sockets().map_err(Error::Runtime)?, socket);
        Ok(Self { server, admin, upgrade })
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
