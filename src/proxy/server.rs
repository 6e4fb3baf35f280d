//! The proxy as a whole: bound, then running, then finished.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::blueprint::Blueprint;
use super::listener::{self, BindError, Binding, Inherited, Listener, SocketFile};
use super::metrics::Metrics;
use super::observer::Observer;
use super::pulse::Pulse;
use super::reconfigurer::Reconfigurer;
use super::settings::{ListenAddress, Service};
use super::upstream::BackendError;
use super::worker_thread::{self, Start};
use super::{AccessOutput, Settings, drain, settings};
use crate::tls::Handshaker;

/// A proxy whose addresses are bound, so that they can be told before anything is served.
#[derive(Debug)]
pub struct Server {
    settings: Arc<Settings>,
    workers: NonZeroUsize,
    listeners: Vec<Listener>,
    reconfigurer: Reconfigurer,
    metrics: Arc<Metrics>,
}

/// Why a proxy cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Listener(#[from] BindError),
    /// Servers cannot be spoken to over TLS.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

/// Where a listener of a [`Server`] is, a port chosen by the kernel filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAddress {
    /// The address.
    pub address: ListenAddress,
    /// What is done there.
    pub service: Service,
}

/// A running proxy. Dropped, it ends at once.
#[derive(Debug)]
pub struct Workers {
    threads: Vec<JoinHandle<()>>,
    ended: Vec<oneshot::Receiver<usize>>,
    cut: watch::Sender<bool>,
    pulse: Pulse,
    /// Files of sockets, which go in the end.
    files: Vec<SocketFile>,
}

impl Server {
    /// Binds every address of `settings`, once for each worker, and reads the files that TLS to servers takes; those
    /// addresses that systemd handed over are `inherited`.
    ///
    /// # Errors
    ///
    /// [`StartError`] for the first address that cannot be listened on, also because another process does, or the first
    /// backend whose files cannot be used.
    pub fn bind(settings: &Settings, workers: NonZeroUsize, inherited: Inherited) -> Result<Self, StartError> {
        let metrics = Arc::new(Metrics::new(workers));
        let blueprint = Blueprint::new(settings.clone(), &metrics)?;
        let addresses = settings.listeners.iter().filter_map(|listener| listener.address.ip());
        let all: Vec<SocketAddr> = addresses.collect();
        let mut binding = Binding {
            all: &all,
            workers,
            takeover: settings.takeover,
            inherited,
        };
        let names = listener::names(&settings.listeners);
        let bind = |(listener, name): (_, &String)| Listener::bind(listener, name, &mut binding);
        Ok(Self {
            listeners: settings
                .listeners
                .iter()
                .zip(&names)
                .map(bind)
                .collect::<Result<_, _>>()?,
            settings: Arc::clone(&blueprint.settings),
            workers,
            reconfigurer: Reconfigurer::new(blueprint),
            metrics,
        })
    }

    /// What tells it, and the workers to come, to do something else. Whoever wants servers to be asked how they are runs
    /// [`Reconfigurer::check_health`] beside the workers.
    pub fn reconfigurer(&self) -> &Reconfigurer {
        &self.reconfigurer
    }

    /// What is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The sockets of all listeners once more, each with the name by which [`Inherited::with_passed`] knows it: for a process
    /// that is to take the place of this one. As long as they are open, connections to them are taken, so they are to be
    /// closed before the drain.
    ///
    /// # Errors
    ///
    /// Where there are no more descriptors.
    pub fn sockets(&self) -> io::Result<Vec<(String, OwnedFd)>> {
        let mut all = Vec::new();
        let names = listener::names(&self.settings.listeners);
        for ((bound, listener), name) in self.listeners.iter().zip(&self.settings.listeners).zip(names) {
            let sockets = bound.sockets(listener)?.into_iter();
            all.extend(sockets.map(|socket| (name.clone(), socket)));
        }
        Ok(all)
    }

    /// Where the listeners are, in the order of the settings.
    pub fn local_addresses(&self) -> Vec<LocalAddress> {
        let local = |(bound, listener): (&Listener, &settings::Listener)| {
            let service = listener.service.clone();
            let addresses = bound.addresses.clone().into_iter();
            addresses.map(move |address| LocalAddress {
                address,
                service: service.clone(),
            })
        };
        let listeners = self.listeners.iter().zip(&self.settings.listeners);
        listeners.flat_map(local).collect()
    }

    /// What tells how its listeners and the servers of its backends fare.
    pub fn observer(&self) -> Observer {
        let local = |(bound, listener): (&Listener, &settings::Listener)| {
            let (service, vitals) = (listener.service.clone(), bound.vitals.clone());
            let addresses = bound.addresses.clone().into_iter();
            addresses.map(move |address| {
                let service = service.clone();
                (LocalAddress { address, service }, vitals.clone())
            })
        };
        let listeners = self.listeners.iter().zip(&self.settings.listeners);
        Observer {
            listeners: listeners.flat_map(local).collect(),
            reconfigurer: self.reconfigurer.clone(),
            metrics: Arc::clone(&self.metrics),
        }
    }

    /// Starts the workers, each on a thread of its own, and returns at once. They write their lines to `access_log` and
    /// serve until `drain` is given.
    ///
    /// # Errors
    ///
    /// Where the operating system gives no thread or no event queue.
    pub fn run(
        self,
        handshaker: Arc<Handshaker>,
        access_log: AccessOutput,
        drain: drain::Watch,
    ) -> io::Result<Workers> {
        for backend in &self.reconfigurer.current().backends {
            backend.warn_if_unverified();
        }
        let (cut, _) = watch::channel(false);
        let mut workers = Workers {
            threads: Vec::new(),
            ended: Vec::new(),
            cut,
            pulse: Pulse::new(),
            files: Vec::new(),
        };
        let mut sockets: Vec<Vec<_>> = (0..self.workers.get()).map(|_| Vec::new()).collect();
        for (bound, listener) in self.listeners.into_iter().zip(&self.settings.listeners) {
            for (worker, of_worker) in sockets.iter_mut().zip(bound.sockets) {
                let vitals = &bound.vitals;
                worker.extend(
                    of_worker
                        .into_iter()
                        .map(|socket| (listener.clone(), socket, vitals.enter())),
                );
            }
            workers.files.extend(bound.file.map(SocketFile::taken));
        }
        for (number, sockets) in sockets.into_iter().enumerate() {
            let heart = workers.pulse.heart();
            workers.start(
                number,
                Start {
                    number,
                    blueprint: self.reconfigurer.watch(),
                    handshaker: Arc::clone(&handshaker),
                    access_log: access_log.clone(),
                    room: Arc::clone(self.reconfigurer.room()),
                    upstream_room: Arc::clone(self.reconfigurer.upstream_room()),
                    sockets,
                    drain: drain.clone(),
                    heart,
                    cut: workers.cut.subscribe(),
                },
            )?;
        }
        Ok(workers)
    }
}

impl Workers {
    fn start(&mut self, number: usize, start: Start) -> io::Result<()> {
        let (ended, when_ended) = oneshot::channel();
        let (started, when_started) = mpsc::sync_channel(1);
        let body = move || match worker_thread::runtime() {
            Ok(runtime) => {
                // Both receivers may be gone only if the process is ending.
                let _ = started.send(Ok(()));
                let _ = ended.send(worker_thread::run(runtime, start));
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        };
        let thread = thread::Builder::new().name(format!("worker-{number}")).spawn(body)?;
        when_started
            .recv()
            .unwrap_or_else(|error| Err(io::Error::other(error)))?;
        self.threads.push(thread);
        self.ended.push(when_ended);
        Ok(())
    }

    /// Takes what tells whether every worker still turns.
    pub fn pulse(&mut self) -> Pulse {
        std::mem::replace(&mut self.pulse, Pulse::new())
    }

    /// Leaves the files of Unix sockets where they are: another process listens there by now.
    pub fn leave_files(&mut self) {
        self.files.drain(..).for_each(SocketFile::left);
    }

    /// Waits until every connection has ended, at most for `grace`, then cuts the rest; how many were cut. Meant to
    /// follow [`drain::Drain::start`]. Dropping the future cuts what is left.
    pub async fn finish(self, grace: Duration) -> usize {
        let deadline = Instant::now() + grace;
        let mut cut = 0;
        for mut ended in self.ended {
            let count = match tokio::time::timeout_at(deadline, &mut ended).await {
                Ok(count) => count,
                Err(_) => {
                    self.cut.send_replace(true);
                    ended.await
                }
            };
            // A worker that panicked has cut its connections without counting them.
            cut += count.unwrap_or(0);
        }
        for thread in self.threads {
            // It has said its last word above.
            let _ = thread.join();
        }
        cut
    }
}
