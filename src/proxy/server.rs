//! The proxy as a whole: bound, then running, then finished.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::Instant;

use super::listener::{BindError, Listener, Purpose};
use super::worker_thread::{self, Start};
use super::{Settings, drain};
use crate::tls::Handshaker;

/// A proxy whose addresses are bound, so that they can be told before anything is served.
#[derive(Debug)]
pub struct Server {
    settings: Arc<Settings>,
    workers: NonZeroUsize,
    tls: Vec<Listener>,
    redirect: Vec<Listener>,
}

/// The addresses of a [`Server`], in the order of its settings, with ports chosen by the kernel filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAddresses {
    /// Those that speak TLS.
    pub tls: Vec<SocketAddr>,
    /// Those that redirect to https.
    pub redirect: Vec<SocketAddr>,
}

/// A running proxy. Dropped, it ends at once.
#[derive(Debug)]
pub struct Workers {
    threads: Vec<JoinHandle<()>>,
    ended: Vec<oneshot::Receiver<usize>>,
    cut: watch::Sender<bool>,
}

impl Server {
    /// Binds every address of `settings`, once for each worker.
    ///
    /// # Errors
    ///
    /// [`BindError`] for the first address that cannot be listened on, also because another process does.
    pub fn bind(settings: &Settings, workers: NonZeroUsize) -> Result<Self, BindError> {
        let all: Vec<SocketAddr> = settings.listen.iter().chain(&settings.redirect_from).copied().collect();
        let bind = |addresses: &[SocketAddr]| {
            addresses
                .iter()
                .map(|address| Listener::bind(*address, &all, workers, settings.takeover))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            settings: Arc::new(settings.clone()),
            workers,
            tls: bind(&settings.listen)?,
            redirect: bind(&settings.redirect_from)?,
        })
    }

    /// Where the listeners are.
    pub fn local_addresses(&self) -> LocalAddresses {
        let addresses = |listeners: &[Listener]| listeners.iter().map(|listener| listener.address).collect();
        LocalAddresses {
            tls: addresses(&self.tls),
            redirect: addresses(&self.redirect),
        }
    }

    /// Starts the workers, each on a thread of its own, and returns at once. They serve until `drain` is given.
    ///
    /// # Errors
    ///
    /// Where the operating system gives no thread or no event queue.
    pub fn run(self, handshaker: Arc<Handshaker>, drain: drain::Watch) -> io::Result<Workers> {
        // tokio panics beyond its maximum.
        let places = self.settings.limits.connections.min(Semaphore::MAX_PERMITS);
        let room = Arc::new(Semaphore::new(places));
        // HTTP/2 clients may want more upstream connections than there are clients: they must not get every descriptor.
        let upstream_room = Arc::new(Semaphore::new(places));
        let (cut, _) = watch::channel(false);
        let mut workers = Workers {
            threads: Vec::new(),
            ended: Vec::new(),
            cut,
        };
        let mut sockets: Vec<Vec<_>> = (0..self.workers.get()).map(|_| Vec::new()).collect();
        for (listeners, purpose) in [(self.tls, Purpose::Tls), (self.redirect, Purpose::Redirect)] {
            for listener in listeners {
                for (worker, socket) in sockets.iter_mut().zip(listener.sockets) {
                    worker.push((purpose, socket));
                }
            }
        }
        for (number, sockets) in sockets.into_iter().enumerate() {
            workers.start(
                number,
                Start {
                    settings: Arc::clone(&self.settings),
                    handshaker: Arc::clone(&handshaker),
                    room: Arc::clone(&room),
                    upstream_room: Arc::clone(&upstream_room),
                    sockets,
                    drain: drain.clone(),
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
