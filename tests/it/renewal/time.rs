//! Time alone changes what is served: the clock is an argument, and days pass at once.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fullchain::certs::{self, BundleSettings, Roots};
use fullchain::chain::{Policy, Status};
use fullchain::fetch;
use fullchain::live::Live;
use fullchain::reload::{Clock, Generation, Handle, Plan, Settings, Task};
use fullchain::tls;
use rustls::pki_types::UnixTime;
use tokio::time::{Instant, sleep};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use crate::rig::directory::Directory;
use crate::rig::pki::{Entity, ca, day, server};

const HOUR: Duration = Duration::from_secs(3_600);

/// The reload task over files, in a world where days pass as soon as nobody has anything to do.
struct Days {
    directory: Directory,
    handle: Handle,
    generation: Arc<Live<Generation>>,
    clock: Clock,
    log: Log,
    _subscriber: DefaultGuard,
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

impl Days {
    /// From day 0 on, with `leaves` served by files of their own.
    fn of(leaves: &[&Entity], store: &[&Entity], roots: &[&Entity], policy: Policy) -> Self {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false);
        let subscriber = tracing::subscriber::set_default(subscriber.finish());
        let directory = Directory::new();
        let pem = |entities: &[&Entity]| entities.iter().map(|entity| entity.pem()).collect::<String>();
        directory.write("store/store.pem", pem(store));
        directory.write("roots.pem", pem(roots));
        let bundles = leaves.iter().enumerate().map(|(number, leaf)| {
            let (certificate, key) = (format!("{number}.crt"), format!("{number}.key"));
            directory.write(&certificate, leaf.pem());
            directory.write(&key, leaf.key_pem());
            bundle(&directory.path(""), &certificate, &key)
        });
        let plan = plan(&directory.path(""), bundles.collect(), policy);
        let start = Instant::now();
        let clock =
            Clock::from(move || UnixTime::since_unix_epoch(Duration::from_secs(day(0).as_secs()) + start.elapsed()));
        let reconfigured = plan.clone();
        let reconfigure = Box::new(move || Ok(reconfigured.clone().into()));
        let (task, handle) = Task::start(plan, tls::Tickets::new().unwrap(), clock.clone()).unwrap();
        let generation = Arc::clone(task.generation());
        tokio::spawn(task.run(reconfigure));
        Self {
            directory,
            handle,
            generation,
            clock,
            log,
            _subscriber: subscriber,
        }
    }

    /// Lets time pass until shortly after the beginning of day `days`.
    async fn until_day(&self, days: i64) {
        while self.clock.now().as_secs() <= day(days).as_secs() {
            sleep(HOUR).await;
        }
    }

    #[track_caller]
    fn assert_served(&self, place: usize, expected: &[&Entity], status: Status) {
        let current = self.generation.current();
        let assembly = &current.served[place].assembly;
        let expected: Vec<_> = expected.iter().map(|entity| Arc::clone(&entity.certificate)).collect();
        assert_eq!(assembly.chain.certificates, expected, "{}", assembly.trail);
        assert_eq!(assembly.status, status);
        let sent: Vec<_> = expected.iter().map(|certificate| certificate.der().clone()).collect();
        assert_eq!(current.served[place].identity.chain(), sent);
    }

    /// The lines of the log that say all of `words`.
    fn said(&self, words: &[&str]) -> Vec<String> {
        let log = String::from_utf8(self.log.0.lock().unwrap().clone()).unwrap();
        let lines = log.lines().filter(|line| words.iter().all(|word| line.contains(word)));
        lines.map(str::to_owned).collect()
    }
}

fn bundle(directory: &Path, certificate: &str, key: &str) -> BundleSettings {
    BundleSettings {
        origin: certs::Origin::Configuration,
        certificate: directory.join(certificate),
        key: Some(directory.join(key)),
        password_file: None,
        staple: None,
        allow_ca_leaf: false,
        policy: None,
    }
}

fn plan(directory: &Path, bundles: Vec<BundleSettings>, policy: Policy) -> Plan {
    Plan {
        certificates: certs::Settings {
            bundles,
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
            strict: false,
            policy,
            send_intermediate_anchor: true,
            // Nothing is read again unless a test asks for it.
            watch: false,
            poll_interval: HOUR,
            debounce: Duration::ZERO,
            allow_worse: false,
        },
        fetch: fetch::Settings::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_cross_certificate_that_ends_while_running_gives_way_at_that_moment_and_the_log_says_why() {
    let old_root = ca("Old").valid(-3000, 3000).self_signed();
    let root = ca("R").valid(-1000, 3000).self_signed();
    let cross = ca("R").key_of(&root).valid(-900, 50).signed_by(&old_root);
    let intermediate = ca("I1").valid(-900, 70).signed_by(&root);
    let leaf = server("a.test").valid(-1, 80).signed_by(&intermediate);
    let days = Days::of(&[&leaf], &[&intermediate, &cross], &[&root, &old_root], Policy::Compat);
    days.until_day(49).await;
    days.assert_served(0, &[&leaf, &intermediate, &cross], Status::Complete);
    days.until_day(50).await;
    days.assert_served(0, &[&leaf, &intermediate], Status::Complete);
    let [line] = &days.said(&["certificate replaced"])[..] else {
        panic!("{:?}", days.said(&[]))
    };
    assert!(line.contains("INFO") && line.contains("a.test"), "{line}");
    assert!(line.contains(&format!("{} expired on", cross.certificate)), "{line}");
}

#[tokio::test(start_paused = true)]
async fn an_intermediate_that_becomes_valid_is_taken_up_at_that_moment() {
    let root = ca("R").self_signed();
    let first = ca("I1").valid(-900, 60).signed_by(&root);
    let second = ca("I1").key_of(&first).valid(10, 900).signed_by(&root);
    let leaf = server("a.test").valid(-1, 90).signed_by(&first);
    let days = Days::of(&[&leaf], &[&first, &second], &[&root], Policy::Short);
    days.until_day(9).await;
    days.assert_served(0, &[&leaf, &first], Status::Complete);
    days.until_day(10).await;
    days.assert_served(0, &[&leaf, &second], Status::Complete);
    let since = format!("{} is valid since", second.certificate);
    assert_eq!(
        days.said(&["certificate replaced", &since]).len(),
        1,
        "{:?}",
        days.said(&[])
    );
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_time_breaks_is_called_invalid_at_that_moment() {
    let root = ca("R").self_signed();
    let intermediate = ca("I1").valid(-900, 40).signed_by(&root);
    let leaf = server("a.test").valid(-1, 90).signed_by(&intermediate);
    let days = Days::of(&[&leaf], &[&intermediate], &[&root], Policy::Short);
    days.until_day(39).await;
    days.assert_served(0, &[&leaf, &intermediate], Status::Complete);
    days.until_day(40).await;
    days.assert_served(0, &[&leaf, &intermediate], Status::Invalid);
    let expired = format!("{} expired on", intermediate.certificate);
    assert_eq!(
        days.said(&["ERROR", "invalid", &expired, "judged"]).len(),
        1,
        "{:?}",
        days.said(&[])
    );
}

#[tokio::test(start_paused = true)]
async fn from_thirty_days_before_its_end_each_certificate_of_a_chain_is_warned_about_once_a_day() {
    let root = ca("R").valid(-900, 45).self_signed();
    let intermediate = ca("I1").valid(-900, 40).signed_by(&root);
    let leaves = ["a.test", "b.test"].map(|name| server(name).valid(-1, 89).signed_by(&intermediate));
    let days = Days::of(&[&leaves[0], &leaves[1]], &[&intermediate], &[&root], Policy::Short);
    days.until_day(9).await;
    assert_eq!(days.said(&["expires in"]), Vec::<String>::new());
    days.until_day(10).await;
    let of_intermediate = format!("certificate={}", intermediate.certificate);
    let [line] = &days.said(&["the intermediate expires in 30 days", &of_intermediate])[..] else {
        panic!("{:?}", days.said(&[]))
    };
    assert!(line.contains("WARN") && line.contains("a.test, b.test"), "{line}");
    days.until_day(12).await;
    assert_eq!(days.said(&["the intermediate expires in", &of_intermediate]).len(), 3);
    days.until_day(15).await;
    assert_eq!(days.said(&["the root expires in 30 days"]).len(), 1);
    days.until_day(41).await;
    assert_eq!(
        days.said(&["ERROR", "the intermediate has expired", &of_intermediate])
            .len(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_certificate_for_a_week_is_not_warned_about_all_its_life() {
    let root = ca("R").self_signed();
    let leaf = server("a.test").valid(0, 6).signed_by(&root);
    let days = Days::of(&[&leaf], &[], &[&root], Policy::Short);
    days.until_day(3).await;
    assert_eq!(days.said(&["expires in"]), Vec::<String>::new());
    days.until_day(4).await;
    assert_eq!(days.said(&["the leaf expires in"]).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_in_the_store_leaves_alone_whom_it_does_not_concern() {
    let root = ca("R").self_signed();
    let (one, two) = (ca("I1").signed_by(&root), ca("I2").signed_by(&root));
    let (first, second) = (server("a.test").signed_by(&one), server("b.test").signed_by(&two));
    let days = Days::of(&[&first, &second], &[&one], &[&root], Policy::Short);
    days.assert_served(1, &[&second], Status::Incomplete);
    let before = days.generation.current();
    days.directory.write("store/two.pem", two.pem());
    days.handle.reload(false).await.unwrap();
    days.assert_served(1, &[&second, &two], Status::Complete);
    assert!(Arc::ptr_eq(&before.served[0], &days.generation.current().served[0]));
    let came = format!("{} has come into the store", two.certificate);
    assert_eq!(
        days.said(&["certificate replaced", "b.test", &came]).len(),
        1,
        "{:?}",
        days.said(&[])
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_in_spite_of_the_disk_still_gets_the_best_chain_there_is() {
    let root = ca("R").self_signed();
    let first = ca("I1").valid(-900, 40).signed_by(&root);
    let second = ca("I1").key_of(&first).valid(20, 900).signed_by(&root);
    let leaf = server("a.test").valid(-1, 90).signed_by(&first);
    let days = Days::of(&[&leaf], &[&first, &second], &[&root], Policy::Short);
    days.directory.write("0.crt", "torn");
    days.handle.reload(false).await.unwrap();
    days.until_day(20).await;
    days.assert_served(0, &[&leaf, &second], Status::Complete);
    assert!(days.generation.current().served[0].kept_because.is_some());
}
