//! `demo`: the main job on certificates and a backend made on the spot.
//!
//! Everything is the real thing: real files in a temporary directory, the real proxy, a client that trusts the root
//! alone.

mod backend;
mod client;
mod pki;

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::{CertificateDer, UnixTime};
use time::OffsetDateTime;

use self::backend::GREETING;
use self::client::{Answer, Client};
use self::pki::Pki;
use super::arguments::DemoArguments;
use super::tree::{View, tree};
use super::{Ending, complain};
use crate::app::{App, Control, Inheritance, Signal};
use crate::chain::Certificate;
use crate::config::{self, Config, Environment, Machine};
use crate::reload::Surveyor;
use crate::telemetry::log;

/// How long a renewed certificate may take to be served before the demo calls it a failure: reading is debounced by
/// half a second.
const PATIENCE: Duration = Duration::from_secs(20);

/// The pause between two requests of the trickle.
const TRICKLE: Duration = Duration::from_millis(20);

/// How long after a request that failed the demo may turn out to have ended: while the proxy drains, it takes no
/// connections any more. Whoever drains has nothing in flight but requests that take milliseconds.
const DRAINED: Duration = Duration::from_secs(3);

pub(super) fn run(arguments: &DemoArguments) -> Ending {
    match demonstrate(arguments) {
        Ok(()) => Ending::Well,
        Err(error) => complain(&*error),
    }
}

fn demonstrate(arguments: &DemoArguments) -> Result<(), Box<dyn Error>> {
    let directory = tempfile::Builder::new().prefix("fullchain-demo-").tempdir()?;
    let mut pki = Pki::new(directory.path(), OffsetDateTime::now_utc())?;
    let backend = backend::start()?;
    let config = config(&pki, &backend.to_string())?;
    let _log = log::install(&config.log)?;
    show_store(&pki, &config)?;

    let reconfigure = {
        let config = config.clone();
        Box::new(move || Ok(config.clone()))
    };
    let control = Control::of_process()?;
    let app = App::build(config, reconfigure, Inheritance::default())?;
    let address = app
        .addresses()
        .proxy
        .first()
        .and_then(|local| local.address.ip())
        .ok_or("the proxy has no address")?;
    let client = Arc::new(Client::new(pki.root_der(), address)?);
    let ended = Arc::new(AtomicBool::new(false));
    let visitor = thread::Builder::new().name("demo".to_owned()).spawn({
        let (ended, end, once, every) = (Arc::clone(&ended), control.sender(), arguments.once, arguments.every);
        move || {
            let outcome = visit(&mut pki, &client, address.port(), once, every, &ended);
            // The proxy may have ended already.
            let _ = end.blocking_send(Signal::End);
            outcome.map_err(|error| error.to_string())
        }
    })?;
    app.run(control)?;
    ended.store(true, Ordering::Relaxed);
    let failed = visitor.join().map_err(|_| "the demo's client panicked")??;
    say(&format!("\nended; requests failed: {failed}"));
    match failed {
        0 => Ok(()),
        _ => Err("requests failed".into()),
    }
}

/// The configuration that a command line would give, with a port chosen by the kernel.
fn config(pki: &Pki, backend: &str) -> Result<Config, Box<dyn Error>> {
    let variables = [
        ("FULLCHAIN_CERT", pki.path("tls.crt").into_os_string()),
        ("FULLCHAIN_KEY", pki.path("tls.key").into_os_string()),
        ("FULLCHAIN_INTERMEDIATES", pki.path("store").into_os_string()),
        ("FULLCHAIN_ROOTS", pki.path("root.pem").into_os_string()),
        ("FULLCHAIN_UPSTREAM", format!("http://{backend}").into()),
        ("FULLCHAIN_LISTEN", "127.0.0.1:0".into()),
        ("FULLCHAIN_ADMIN", "off".into()),
        ("FULLCHAIN_LOG_LEVEL", "warn".into()),
    ];
    let environment: Environment = variables
        .into_iter()
        .map(|(name, value)| (OsString::from(name), value))
        .collect();
    let machine = Machine {
        cores: NonZeroUsize::MIN,
        ..Machine::here()
    };
    Ok(config::load(&config::Flags::default(), &environment, machine)?)
}

/// What lies on disk, and what is made of it.
fn show_store(pki: &Pki, config: &Config) -> Result<(), Box<dyn Error>> {
    let now = UnixTime::now();
    let mut surveyor = Surveyor::new(config.certs.clone(), config.reload);
    let survey = surveyor.survey(now);
    say(&format!(
        "The leaf is in {}, alone. The store {} holds",
        pki.path("tls.crt").display(),
        pki.path("store").display()
    ));
    let mut store: Vec<_> = surveyor.inventory().store.iter().collect();
    store.sort_by_key(|certificate| certificate.to_string());
    for certificate in store {
        say(&format!("  {certificate}, issued by {}", certificate.issuer()));
    }
    let view = View {
        now,
        trail: true,
        verb: "sent",
        hint: None,
    };
    for (_, prospect) in &survey.prospects {
        let prospect = prospect.as_ref().map_err(ToString::to_string)?;
        let chain = tree(&prospect.assembly, view);
        say(&format!("\nThe chain for it, and why it is this one:\n\n{chain}"));
    }
    Ok(())
}

/// Shows what a client sees, then renews under a trickle of requests. The number of requests that failed.
fn visit(
    pki: &mut Pki,
    client: &Arc<Client>,
    port: u16,
    once: bool,
    every: Duration,
    ended: &Arc<AtomicBool>,
) -> Result<usize, Box<dyn Error>> {
    let Some(answer) = request(client, ended)? else {
        return Ok(0);
    };
    say("What a client received that trusts the root alone:");
    show_chain(&answer.chain)?;
    check_chain(&answer.chain, pki)?;
    // The close-delimited body of the backend arrives in chunks, so that its end is sure.
    if !answer.response.contains(GREETING) || !answer.response.ends_with("\r\n0\r\n\r\n") {
        return Err(format!("the backend's greeting did not arrive whole: {:?}", answer.response).into());
    }
    say(&format!(
        "\nTry it:\n  curl --cacert {} https://localhost:{port}/\n",
        pki.path("root.pem").display()
    ));
    say(&format!(
        "Renewing every {} s under a trickle of requests; Ctrl-C ends.",
        every.as_secs_f32()
    ));

    let trickle = Trickle::start(Arc::clone(client), Arc::clone(ended))?;
    let rounds = if once { 2 } else { usize::MAX };
    let mut served = answer.chain;
    for _ in 0..rounds {
        if !once && wait(every, ended) {
            break;
        }
        pki.renew(OffsetDateTime::now_utc())?;
        let Some(renewed) = renewal(client, &served, ended)? else {
            break;
        };
        check_chain(&renewed.chain, pki)?;
        let leaf = Certificate::from_der(renewed.chain[0].clone())?;
        say(&format!(
            "renewed after {:.1} s: serial {}, issued by {}, {} certificates sent; {}",
            renewed.after.as_secs_f32(),
            leaf.serial_text(),
            leaf.issuer(),
            renewed.chain.len(),
            trickle.tally(),
        ));
        served = renewed.chain;
    }
    Ok(trickle.finish())
}

/// A renewal as a client sees it.
struct Renewed {
    chain: Vec<CertificateDer<'static>>,
    after: Duration,
}

/// Waits until another leaf than the first of `served` is served; `None` when the demo has ended meanwhile.
fn renewal(
    client: &Client,
    served: &[CertificateDer<'static>],
    ended: &AtomicBool,
) -> Result<Option<Renewed>, Box<dyn Error>> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if wait(TRICKLE, ended) {
            return Ok(None);
        }
        let Some(Answer { chain, .. }) = request(client, ended)? else {
            return Ok(None);
        };
        if chain.first() != served.first() {
            return Ok(Some(Renewed {
                chain,
                after: start.elapsed(),
            }));
        }
    }
    Err(format!("the renewed certificate was not served within {} s", PATIENCE.as_secs()).into())
}

/// One request; `None` where it failed because the demo has ended.
fn request(client: &Client, ended: &AtomicBool) -> io::Result<Option<Answer>> {
    match client.request() {
        Ok(answer) => Ok(Some(answer)),
        Err(_) if wait(DRAINED, ended) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Leaf, issuing CA, intermediate, and nothing else.
fn check_chain(chain: &[CertificateDer<'static>], pki: &Pki) -> Result<(), Box<dyn Error>> {
    if chain.len() != 3 || chain.contains(&pki.root_der()) {
        return Err(format!(
            "expected leaf and two intermediates without the root, received {} certificates",
            chain.len()
        )
        .into());
    }
    Ok(())
}

fn show_chain(chain: &[CertificateDer<'static>]) -> Result<(), Box<dyn Error>> {
    for (position, der) in chain.iter().enumerate() {
        let certificate = Certificate::from_der(der.clone())?;
        say(&format!(
            "  {position}  {certificate}, issued by {}",
            certificate.issuer()
        ));
    }
    Ok(())
}

/// One request after the other, each over a connection of its own.
struct Trickle {
    ended: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    failed: Arc<AtomicUsize>,
    thread: thread::JoinHandle<()>,
}

impl Trickle {
    /// Starts it; once the demo has `drained`, no request is expected to succeed.
    fn start(client: Arc<Client>, drained: Arc<AtomicBool>) -> io::Result<Self> {
        let (ended, done, failed) = (
            Arc::default(),
            Arc::<AtomicUsize>::default(),
            Arc::<AtomicUsize>::default(),
        );
        let thread = thread::Builder::new().name("trickle".to_owned()).spawn({
            let (ended, done, failed) = (Arc::clone(&ended), Arc::clone(&done), Arc::clone(&failed));
            move || {
                while !wait(TRICKLE, &ended) {
                    match request(&client, &drained) {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(error) => {
                            failed.fetch_add(1, Ordering::Relaxed);
                            say(&format!("a request failed: {error}"));
                        }
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }
        })?;
        Ok(Self {
            ended,
            done,
            failed,
            thread,
        })
    }

    fn tally(&self) -> String {
        let (done, failed) = (self.done.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed));
        format!("{done} requests, {failed} failed")
    }

    fn finish(self) -> usize {
        self.ended.store(true, Ordering::Relaxed);
        // Its panics have been printed.
        let _ = self.thread.join();
        self.failed.load(Ordering::Relaxed)
    }
}

/// Waits for `pause`, or less where `ended` comes true; whether it did.
fn wait(pause: Duration, ended: &AtomicBool) -> bool {
    let until = Instant::now() + pause;
    while !ended.load(Ordering::Relaxed) && Instant::now() < until {
        thread::sleep(TRICKLE.min(until.saturating_duration_since(Instant::now())));
    }
    ended.load(Ordering::Relaxed)
}

/// One line to standard output. Nobody may be reading any more, which is no reason to fail.
fn say(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}
