//! The proxy room in this process, on ports of the kernel's choice, with a certificate that [`super::client`] trusts.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fullchain::live::Live;
use fullchain::proxy::settings::{
    Acme, Backend, BackendTimeouts, ClientLimits, Limits, Listener, Peers, Redirect, Route, ServerAddress, Service,
    Timeouts,
};
use fullchain::proxy::{
    AccessLog, AccessOutput, Inherited, LocalAddress, Metrics, Reconfigurer, Server, Settings, Workers, drain,
};
use fullchain::telemetry::metrics::Exposition;
use fullchain::tls::{self, Handshaker, Snapshot, Trust};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::oneshot;

use super::PATIENCE;
use super::scrape::Scrape;
use super::upstream::{Upstream, Wire};

/// The name that the certificate is for.
pub(crate) const NAME: &str = "a.test";

/// A running proxy; it ends with the test.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) redirect: SocketAddr,
    listeners: Vec<LocalAddress>,
    pub(crate) roots: RootCertStore,
    drain: drain::Drain,
    reconfigurer: Reconfigurer,
    settings: Mutex<Settings>,
    workers: Option<Workers>,
    pub(crate) metrics: Arc<Metrics>,
    /// Ends the health checks when it is dropped.
    _checking: oneshot::Sender<()>,
}

impl Proxy {
    /// A proxy in front of one upstream, whose certificate is not looked at where it has one.
    pub(crate) fn of(upstream: &Upstream) -> Self {
        Self::with(&[upstream.address], |settings| {
            let backend = &mut settings.backends[0];
            backend.servers[0].tls = upstream.wire == Wire::Tls;
            backend.protocol.tls.trust = Trust::Anyone;
        })
    }

    /// A proxy in front of `upstreams`, with settings that `alter` makes the test's own.
    pub(crate) fn with(upstreams: &[SocketAddr], alter: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings(upstreams);
        alter(&mut settings);
        Self::start(&settings, PATIENCE, 1)
    }

    /// The same with several workers.
    pub(crate) fn with_workers(workers: usize, upstreams: &[SocketAddr], alter: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings(upstreams);
        alter(&mut settings);
        Self::start(&settings, PATIENCE, workers)
    }

    /// A proxy that waits for the end of a handshake for `limit`.
    pub(crate) fn with_handshake_timeout(limit: Duration) -> Self {
        Self::start(&settings(&[]), limit, 1)
    }

    fn start(settings: &Settings, handshake_timeout: Duration, workers: usize) -> Self {
        let certified = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let certificate = certified.cert.der().clone();
        let key = PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
        let handshaker = handshaker(certificate.clone(), key, handshake_timeout);
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let server = Server::bind(settings, NonZeroUsize::new(workers).unwrap(), Inherited::default()).unwrap();
        let addresses = server.local_addresses();
        let access_log = AccessOutput::open(&settings.access_log).unwrap();
        let metrics = Arc::clone(server.metrics());
        let (drain, watch) = drain::channel();
        let reconfigurer = server.reconfigurer().clone();
        let _checking = check_health(reconfigurer.clone());
        Self {
            address: addresses[0].address.ip().unwrap(),
            redirect: addresses[1].address.ip().unwrap(),
            listeners: addresses,
            roots,
            drain,
            metrics,
            reconfigurer,
            settings: Mutex::new(settings.clone()),
            _checking,
            workers: Some(server.run(Arc::new(handshaker), access_log, watch).unwrap()),
        }
    }

    /// Where listener `number` of the settings is.
    pub(crate) fn listener(&self, number: usize) -> SocketAddr {
        self.listeners[number].address.ip().unwrap()
    }

    /// Has it go on by settings that `alter` changes.
    pub(crate) fn reconfigure(&self, alter: impl FnOnce(&mut Settings)) {
        let mut settings = self.settings.lock().unwrap();
        alter(&mut settings);
        self.reconfigurer.prepare(settings.clone()).unwrap().commit();
    }

    /// What has been counted.
    pub(crate) fn scrape(&self) -> Scrape {
        let mut text = Exposition::default();
        self.metrics.write(&mut text);
        Scrape::of(&text.into_text())
    }

    /// Gives the drain signal.
    pub(crate) fn drain(&self) {
        self.drain.start();
    }

    /// Drains for at most `grace`; how many connections were cut.
    pub(crate) fn finish(&mut self, grace: Duration) -> usize {
        self.drain();
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(self.workers.take().unwrap().finish(grace))
    }
}

/// Runs health checks on a thread of their own, until what this returns is dropped.
fn check_health(reconfigurer: Reconfigurer) -> oneshot::Sender<()> {
    let (keep, ended) = oneshot::channel();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())
            .unwrap();
        runtime.block_on(async {
            tokio::select! {
                () = reconfigurer.check_health() => {}
                _ = ended => {}
            }
        });
    });
    keep
}

fn settings(upstreams: &[SocketAddr]) -> Settings {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let long = Duration::from_secs(60);
    Settings {
        listeners: vec![
            Listener::new(any, Service::Tls),
            Listener::new(any, Service::Redirect(Redirect::default())),
        ],
        acme: Acme::Off,
        takeover: false,
        routes: vec![Route::to(0)],
        trusted_proxies: Peers::default(),
        default_host: None,
        backends: vec![backend("", upstreams)],
        timeouts: Timeouts {
            header: long,
            idle: long,
        },
        limits: Limits {
            header_bytes: 128 * 1024,
            header_fields: 200,
            connections: 1000,
            clients: ClientLimits::default(),
        },
        access_log: AccessLog::default(),
    }
}

/// A backend with patience.
pub(crate) fn backend(name: &str, servers: &[SocketAddr]) -> Backend {
    let long = Duration::from_secs(60);
    let timeouts = BackendTimeouts {
        connect: long,
        first_byte: long,
        idle: long,
        progress: long,
    };
    let server = |address: &SocketAddr| ServerAddress::http(address.ip().to_string(), address.port());
    Backend::new(name, servers.iter().map(server).collect(), timeouts)
}

fn handshaker(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>, timeout: Duration) -> Handshaker {
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let settings = tls::Settings {
        handshake_timeout: timeout,
        strict_sni: false,
        key_log: false,
    };
    Handshaker::new(Arc::new(Live::new(Snapshot::foreign(config, &settings))))
}
