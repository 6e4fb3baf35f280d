//! Fetched staples over days: the clock is an argument, and the test moves it. Nothing else does, so that a responder on a
//! real socket has the time it needs.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use fullchain::certs::{self, BundleSettings, Roots};
use fullchain::chain::Policy;
use fullchain::fetch;
use fullchain::live::Live;
use fullchain::reload::{Clock, Generation, Handle, Plan, Settings, Stapled, Task};
use fullchain::tls;
use rustls::pki_types::UnixTime;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{spawn_blocking, yield_now};
use tokio::time::{Instant, advance};

use crate::rig::directory::Directory;
use crate::rig::eventually;
use crate::rig::ocsp;
use crate::rig::pki::{Entity, ca, day, server};
use crate::rig::responder::{Responder, Response};

const HOUR: Duration = Duration::from_secs(3_600);

/// The reload task over one leaf and its responder, from day 0 on.
struct World {
    runtime: Runtime,
    generation: Arc<Live<Generation>>,
    handle: Handle,
    responder: Responder,
    leaf: Entity,
    issuing: Entity,
    directory: Directory,
    /// While there is a blocking task, tokio's clock stands still unless it is moved.
    held: Sender<()>,
}

/// Whether whatever reads or writes files waits for ever.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Disk {
    Answers,
    Hangs,
}

impl World {
    fn new(disk: Disk) -> Self {
        let (responder, directory) = (Responder::new(), Directory::new());
        let root = ca("R").self_signed();
        let issuing = ca("I").signed_by(&root);
        let leaf = server("a.test")
            .responders_at(&[&responder.url("/")])
            .signed_by(&issuing);
        directory.write("tls.crt", leaf.pem());
        directory.write("tls.key", leaf.key_pem());
        directory.write("store/issuing.pem", issuing.pem());
        directory.write("root.pem", root.pem());
        let runtime = Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .max_blocking_threads(if disk == Disk::Hangs { 1 } else { 8 })
            .build()
            .unwrap();
        let (held, ended) = channel();
        let plan = plan(&directory.path(""));
        let (generation, handle) = runtime.block_on(async {
            spawn_blocking(move || ended.recv());
            let start = Instant::now();
            let clock = Clock::from(move || {
                UnixTime::since_unix_epoch(Duration::from_secs(day(0).as_secs()) + start.elapsed())
            });
            let reconfigured = plan.clone();
            let reconfigure = Box::new(move || Ok(reconfigured.clone().into()));
            let (task, handle) = Task::start(plan, tls::Tickets::new().unwrap(), clock).unwrap();
            let generation = Arc::clone(task.generation());
            tokio::spawn(task.run(reconfigure));
            (generation, handle)
        });
        Self {
            runtime,
            generation,
            handle,
            responder,
            leaf,
            issuing,
            directory,
            held,
        }
    }

    /// From now on the responder answers that the leaf is good from hour `from` to hour `until`.
    fn vouch(&self, from: u64, until: u64) -> Vec<u8> {
        let at = |hour: u64| UnixTime::since_unix_epoch(Duration::from_secs(day(0).as_secs() + hour * 3_600));
        let response = ocsp::Response::good(&self.leaf, &self.issuing);
        let der = response.from(at(from)).until(Some(at(until))).der();
        self.responder.publish("/", Response::ok(der.clone()));
        der
    }

    fn pass(&self, hours: u32) {
        self.runtime.block_on(advance(HOUR * hours));
    }

    /// Lets everybody do what there is to do, until `condition` holds.
    #[track_caller]
    fn eventually(&self, what: &str, condition: impl Fn(&Stapled) -> bool) {
        eventually(what, || {
            self.runtime.block_on(async {
                for _ in 0..100 {
                    yield_now().await;
                }
            });
            condition(&self.generation.current().served[0].stapled)
        });
    }

    #[track_caller]
    fn eventually_stapled(&self, der: &[u8]) {
        self.eventually("it is stapled", |stapled| {
            stapled.staple.as_ref().is_some_and(|staple| staple.der() == der)
        });
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // The runtime waits for its threads.
        let _ = self.held.send(());
    }
}

fn plan(directory: &Path) -> Plan {
    Plan {
        certificates: certs::Settings {
            bundles: vec![BundleSettings {
                origin: certs::Origin::Configuration,
                certificate: directory.join("tls.crt"),
                key: Some(directory.join("tls.key")),
                password_file: None,
                staple: None,
                allow_ca_leaf: false,
                policy: None,
            }],
            intermediates: vec![directory.join("store")],
            roots: Roots::Files(vec![directory.join("root.pem")]),
            ..certs::Settings::default()
        },
        client_auth: Vec::new(),
        tls: tls::Settings {
            handshake_timeout: Duration::from_secs(10),
            strict_sni: false,
            key_log: false,
        },
        reload: Settings {
            strict: false,
            policy: Policy::Short,
            send_intermediate_anchor: true,
            watch: false,
            poll_interval: HOUR,
            debounce: Duration::ZERO,
            allow_worse: false,
        },
        fetch: fetch::Settings {
            allow_private: true,
            cache_directory: Some(directory.join("cache")),
            ..fetch::Settings::default()
        },
    }
}

#[test]
fn a_staple_is_replaced_halfway_and_taken_off_at_its_end() {
    let world = World::new(Disk::Answers);
    let first = world.vouch(0, 48);
    world.eventually_stapled(&first);
    let second = world.vouch(20, 68);
    world.pass(23);
    world.eventually_stapled(&first);
    assert_eq!(world.responder.asked().len(), 1, "it is not asked before the half");
    world.pass(2);
    world.eventually_stapled(&second);
    let kept = format!("cache/staples/{}.ocsp", world.leaf.certificate.fingerprint());
    world.eventually("it is kept", |_| {
        std::fs::read(world.directory.path(&kept)).is_ok_and(|kept| kept == second)
    });

    world.responder.publish("/", Response::status(503));
    world.pass(42);
    world.eventually("the responder was asked", |_| world.responder.asked().len() > 2);
    world.eventually_stapled(&second);
    world.pass(2);
    world.eventually("it is taken off", |stapled| stapled.staple.is_none());
    world.eventually("the reason is told", |stapled| {
        let problem = stapled.problem.as_deref().unwrap_or_default();
        problem.contains("found 503")
    });
    let third = world.vouch(69, 117);
    world.pass(1);
    world.eventually_stapled(&third);
}

#[test]
fn staples_come_and_go_while_a_reload_waits_for_a_disk() {
    let world = World::new(Disk::Hangs);
    let first = world.vouch(0, 48);
    world.runtime.block_on(async { advance(Duration::from_secs(1)).await });
    world.eventually("the start serves without", |stapled| stapled.staple.is_none());
    assert_eq!(world.responder.asked().len(), 0, "the cache may have it");
    // The cache does not answer either: after some seconds the responder is asked.
    world.runtime.block_on(async { advance(Duration::from_secs(6)).await });
    world.eventually_stapled(&first);

    let handle = world.handle.clone();
    let reload = world.runtime.spawn(async move { handle.reload(false).await });
    world.eventually_stapled(&first);
    let second = world.vouch(20, 68);
    world.pass(25);
    world.eventually_stapled(&second);
    world.responder.publish("/", Response::status(503));
    world.pass(44);
    world.eventually("it is taken off", |stapled| stapled.staple.is_none());
    assert!(!reload.is_finished());
}
