//! What ten thousand certificates over a store of ten thousand intermediates cost: to start with, and when one of them is
//! renewed.
//!
//! The stand-in is that of `stand_in`, written to a temporary directory, a file for each certificate and its key; the files are
//! in the page cache. The reload is the whole of it: from the rename of the new file over the old one, through the event of the
//! file system, to the snapshot that the next handshake sees; only the wait for quiet (`reload.debounce`) is left out.
//! `cargo bench --bench scale`.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    missing_docs,
    reason = "a bench fails by panicking, and is not published"
)]

#[allow(dead_code, reason = "the rig of the tests, of which a bench uses a part")]
#[path = "../tests/it/rig/pki.rs"]
mod pki;
#[allow(dead_code, reason = "each bench uses a part")]
mod stand_in;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use fullchain::certs::{self, BundleSettings, Roots};
use fullchain::chain::{Policy, Status};
use fullchain::fetch;
use fullchain::reload::{Clock, Handle, Plan, Settings, Task};
use fullchain::tls;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use self::pki::{Entity, day};
use self::stand_in::StandIn;

const INTERMEDIATES: usize = 10_000;
const CERTIFICATES: usize = 10_000;

/// The one that is renewed.
const RENEWED: usize = 7_000;

criterion_group!(benches, scale);
criterion_main!(benches);

fn scale(criterion: &mut Criterion) {
    let files = Files::new();
    let mut group = criterion.benchmark_group("10,000 certificates over 10,000 intermediates");
    group.sample_size(10);
    group.bench_function("start", |bencher| bencher.iter(|| files.start(false)));

    group.sample_size(30);
    let running = Running::of(&files);
    group.bench_function("one renewed leaf", |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| running.renew(&files)).sum());
    });
    group.bench_function("a look at every file, of which one has changed", |bencher| {
        bencher.iter_custom(|times| (0..times).map(|_| running.look(&files)).sum());
    });
}

struct Files {
    directory: TempDir,
    intermediates: Vec<Entity>,
}

impl Files {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pki = StandIn::of(INTERMEDIATES);
        for name in ["store", "live"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        for (number, intermediate) in pki.intermediates.iter().enumerate() {
            fs::write(
                directory.path().join(format!("store/{number:05}.pem")),
                intermediate.pem(),
            )
            .unwrap();
        }
        let roots: String = pki.roots.iter().map(Entity::pem).collect();
        fs::write(directory.path().join("roots.pem"), roots).unwrap();
        let files = Self {
            directory,
            intermediates: pki.intermediates,
        };
        (0..CERTIFICATES).for_each(|number| files.write_leaf(number));
        files
    }

    /// A new leaf with a new key, renamed over the one before.
    fn write_leaf(&self, number: usize) {
        let leaf = pki::server(&format!("host-{number}.example.test")).signed_by(&self.intermediates[number]);
        let aside = self.directory.path().join("live/aside.tmp");
        fs::write(&aside, leaf.pem() + &leaf.key_pem()).unwrap();
        fs::rename(aside, leaf_path(self.directory.path(), number)).unwrap();
    }

    fn plan(&self, watch: bool) -> Plan {
        let directory = self.directory.path();
        let bundle = |number: usize| BundleSettings {
            origin: certs::Origin::Configuration,
            certificate: leaf_path(directory, number),
            key: None,
            password_file: None,
            staple: None,
            allow_ca_leaf: false,
            policy: None,
        };
        Plan {
            certificates: certs::Settings {
                bundles: (0..CERTIFICATES).map(bundle).collect(),
                intermediates: vec![directory.join("store")],
                roots: Roots::Files(vec![directory.join("roots.pem")]),
                ..certs::Settings::default()
            },
            client_auth: Vec::new(),
            tls: tls::Settings {
                handshake_timeout: Duration::from_secs(10),
                strict_sni: false,
                key_log: false,
            },
            reload: Settings {
                strict: true,
                policy: Policy::Short,
                send_intermediate_anchor: true,
                watch,
                poll_interval: Duration::from_secs(3_600),
                debounce: Duration::ZERO,
                allow_worse: false,
            },
            fetch: fetch::Settings {
                ocsp: fetch::Ocsp::Off,
                ..fetch::Settings::default()
            },
        }
    }

    fn start(&self, watch: bool) -> (Task, Handle) {
        Task::start(self.plan(watch), tls::Tickets::new().unwrap(), Clock::from(|| day(0))).unwrap()
    }
}

fn leaf_path(directory: &Path, number: usize) -> std::path::PathBuf {
    directory.join(format!("live/{number:05}.pem"))
}

struct Running {
    runtime: Runtime,
    handle: Handle,
    snapshot: Arc<fullchain::live::Live<tls::Snapshot>>,
    generation: Arc<fullchain::live::Live<fullchain::reload::Generation>>,
}

impl Running {
    fn of(files: &Files) -> Self {
        let (task, handle) = files.start(true);
        let plan = files.plan(true);
        let reconfigure = Box::new(move || Ok(plan.clone().into()));
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (snapshot, generation) = (Arc::clone(task.snapshot()), Arc::clone(task.generation()));
        runtime.spawn(task.run(reconfigure));
        Self {
            runtime,
            handle,
            snapshot,
            generation,
        }
    }

    /// From the rename of one file to the snapshot with it.
    fn renew(&self, files: &Files) -> Duration {
        let before = self.snapshot.current();
        files.write_leaf(RENEWED);
        let start = Instant::now();
        while Arc::ptr_eq(&before, &self.snapshot.current()) {
            std::thread::sleep(Duration::from_micros(100));
        }
        let taken = start.elapsed();
        let served = &self.generation.current().served;
        assert!(served.iter().all(|served| served.kept_because.is_none()));
        assert_eq!(served[RENEWED].assembly.status, Status::Complete);
        taken
    }

    /// As the poll does, and whoever asks.
    fn look(&self, files: &Files) -> Duration {
        self.renew(files);
        let start = Instant::now();
        self.runtime.block_on(self.handle.reload(false)).unwrap();
        start.elapsed()
    }
}
