//! Ten thousand certificates in a certificate directory, over a store of ten thousand intermediates, served by the real binary:
//! how long it takes to start, how much memory it has, and what handshakes notice while certificates are renewed.
//!
//! One worker. A client does one full handshake of TLS 1.3 after the other, each for another host, first with nothing going on,
//! then with one leaf renewed every half second. The stand-in is that of `stand_in`. `cargo bench --bench renewal_under_load`.
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
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use self::pki::{Entity, NOW};
use self::stand_in::StandIn;

const INTERMEDIATES: usize = 10_000;
const CERTIFICATES: usize = 10_000;
const PHASE: Duration = Duration::from_secs(10);
const BETWEEN_RENEWALS: Duration = Duration::from_millis(500);

fn main() {
    // `cargo bench -- --test` asks whether benches run at all: on a small scale this one takes a second.
    let is_test = std::env::args().any(|argument| argument == "--test");
    let (certificates, intermediates, phase) = match is_test {
        true => (20, 20, Duration::from_millis(500)),
        false => (CERTIFICATES, INTERMEDIATES, PHASE),
    };
    let pki = StandIn::of(intermediates);
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &pki, certificates);
    let start = Instant::now();
    let proxy = Proxy::start(directory.path());
    let client = Client::new(&pki, certificates);
    client.handshake(proxy.address, 0);
    println!("start to first handshake: {:.2} s", start.elapsed().as_secs_f64());
    println!("resident after the start: {} MiB", proxy.resident_mib());

    let quiet = client.handshakes(proxy.address, phase);
    report("nothing going on", quiet.clone());
    let ended = AtomicBool::new(false);
    let renewed = thread::scope(|scope| {
        let renewals = scope.spawn(|| renew(directory.path(), &pki, certificates, &ended));
        let latencies = client.handshakes(proxy.address, phase);
        ended.store(true, Ordering::Relaxed);
        println!("renewed meanwhile: {}", renewals.join().unwrap());
        latencies
    });
    report("while certificates are renewed", renewed.clone());
    println!(
        "99th percentile while renewing / before: {:.2}",
        percentile(renewed, 99).as_secs_f64() / percentile(quiet, 99).as_secs_f64()
    );
    println!("resident at the end: {} MiB", proxy.resident_mib());
}

fn write(directory: &Path, pki: &StandIn, certificates: usize) {
    for name in ["store", "certificates"] {
        fs::create_dir(directory.join(name)).unwrap();
    }
    for (number, intermediate) in pki.intermediates.iter().enumerate() {
        fs::write(directory.join(format!("store/{number:05}.pem")), intermediate.pem()).unwrap();
    }
    let roots: String = pki.roots.iter().map(Entity::pem).collect();
    fs::write(directory.join("roots.pem"), roots).unwrap();
    (0..certificates).for_each(|number| write_leaf(directory, pki, number));
}

/// A new leaf with a new key, renamed over the one before.
fn write_leaf(directory: &Path, pki: &StandIn, number: usize) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let today = (i64::try_from(now).unwrap() - i64::try_from(NOW).unwrap()) / 86_400;
    let issuer = &pki.intermediates[number % pki.intermediates.len()];
    let leaf = pki::server(&host(number))
        .valid(today - 1, today + 90)
        .signed_by(issuer);
    let aside = directory.join("aside.tmp");
    fs::write(&aside, leaf.pem() + &leaf.key_pem()).unwrap();
    fs::rename(aside, directory.join(format!("certificates/{}.pem", host(number)))).unwrap();
}

fn host(number: usize) -> String {
    format!("host-{number:05}.example.test")
}

fn renew(directory: &Path, pki: &StandIn, certificates: usize, ended: &AtomicBool) -> usize {
    let mut renewed = 0;
    while !ended.load(Ordering::Relaxed) {
        write_leaf(directory, pki, renewed * 37 % certificates);
        renewed += 1;
        thread::sleep(BETWEEN_RENEWALS);
    }
    renewed
}

fn report(what: &str, latencies: Vec<Duration>) {
    let count = latencies.len();
    let [half, most] = [50, 99].map(|percent| percentile(latencies.clone(), percent).as_secs_f64() * 1000.0);
    println!("{what}: {count} handshakes, median {half:.2} ms, 99th percentile {most:.2} ms");
}

fn percentile(mut latencies: Vec<Duration>, percent: usize) -> Duration {
    latencies.sort();
    latencies[(latencies.len() * percent / 100).min(latencies.len() - 1)]
}

struct Proxy {
    child: Child,
    address: SocketAddr,
}

impl Proxy {
    fn start(directory: &Path) -> Self {
        let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
        let mut child = Command::new(env!("CARGO_BIN_EXE_fullchain"))
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "off", "--workers", "1"])
            .args([
                "--upstream",
                "http://127.0.0.1:9",
                "--log-format",
                "json",
                "--ocsp",
                "off",
            ])
            .args(["--certificate-directory", &path("certificates")])
            .args(["--intermediates", &path("store"), "--roots", &path("roots.pem")])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let serving = lines.find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(&line.ok()?).ok()?;
            let is_it = line["message"] == "serving TLS";
            is_it.then(|| line["address"].as_str().unwrap().parse().unwrap())
        });
        // Somebody must go on reading, or the log would fill up.
        thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            address: serving.unwrap(),
        }
    }

    /// VmRSS (proc_pid_status(5)).
    fn resident_mib(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1024
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Client {
    config: Arc<ClientConfig>,
    certificates: usize,
}

impl Client {
    fn new(pki: &StandIn, certificates: usize) -> Self {
        let mut roots = RootCertStore::empty();
        let ders = pki.roots.iter().map(|root| root.certificate.der().clone());
        roots.add_parsable_certificates(ders.collect::<Vec<CertificateDer<'_>>>());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.resumption = Resumption::disabled();
        Self {
            config: Arc::new(config),
            certificates,
        }
    }

    /// From the first packet of the connection to the end of the handshake.
    fn handshake(&self, address: SocketAddr, number: usize) -> Duration {
        let name = ServerName::try_from(host(number)).unwrap();
        let mut connection = ClientConnection::new(Arc::clone(&self.config), name).unwrap();
        let start = Instant::now();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut stream).unwrap();
        }
        start.elapsed()
    }

    fn handshakes(&self, address: SocketAddr, during: Duration) -> Vec<Duration> {
        let start = Instant::now();
        let numbers = (0..self.certificates).cycle().take_while(|_| start.elapsed() < during);
        numbers.map(|number| self.handshake(address, number)).collect()
    }
}
