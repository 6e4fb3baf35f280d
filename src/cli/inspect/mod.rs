//! `inspect`: what a server sends, and what it should send.

mod json;
mod look;
mod target;
mod text;

use std::error::Error;
use std::io;
use std::time::{Duration, Instant};

use rustls_pki_types::{ServerName, UnixTime};

pub(super) use target::Target;

use self::look::{Look, Shown, look};
use super::arguments::{InspectArguments, InspectFormat};
use super::chain::{is_of_no_use, pem};
use super::{Ending, aia, complain, print};
use crate::certs::{self, Files, Inventory, Origins, Roots};
use crate::chain::{
    Certificate, Context, Disallowed, Expectations, Finding, Review, ReviewError, Severity, Signatures, Status, Store,
};
use crate::fetch::{Aia, Cache, Client, Found, Issuers, Outcome};
use crate::tls;

/// What is told of without being asked for: certificates that are renewed in time never get there.
const SOON: Duration = Duration::from_secs(30 * 86_400);

pub(super) fn run(arguments: &InspectArguments) -> Ending {
    let (inventory, origins) = match read(arguments) {
        Ok(read) => read,
        Err(problem) => return complain(&problem),
    };
    if inventory.anchors.is_empty() && arguments.roots != Roots::None {
        eprintln!("warning: there are no roots to trust; name some with --roots");
    }
    let name = match &arguments.sni {
        Some(name) => ServerName::DnsName(name.clone()),
        None => arguments.target.server_name(),
    };
    let look = match shake_hands(arguments, &name) {
        Ok(look) => look,
        Err(ending) => return ending,
    };
    let at = arguments.at.unwrap_or_else(UnixTime::now);
    let context = Context {
        anchors: &inventory.anchors,
        at,
        policy: arguments.policy,
        disallowed: &Disallowed::default(),
        algorithms: tls::signature_algorithms(),
        weak_algorithms: tls::WEAK_ALGORITHMS,
        signatures: &Signatures::new(),
        allow_ca_leaf: false,
        send_intermediate_anchor: true,
    };
    let mut reviewed = match reviews(&look, &name, &inventory.store, arguments, &context) {
        Ok(reviews) => reviews,
        Err(error) => return complain_of(arguments, &error),
    };
    let fetched = match fetched(&reviewed, &inventory.store, arguments, &context) {
        Ok(fetched) => fetched,
        Err(error) => return complain(&error),
    };
    aia::complain_of(&fetched);
    if !fetched.found.is_empty() {
        let mut store = inventory.store.clone();
        store.extend(fetched.found.iter().map(|found| found.certificate.clone()));
        reviewed = match reviews(&look, &name, &store, arguments, &context) {
            Ok(reviews) => reviews,
            Err(error) => return complain_of(arguments, &error),
        };
    }
    let inspection = Inspection {
        arguments,
        name: &name,
        look: &look,
        reviews: &reviewed,
        origins: &origins,
        fetched: &fetched,
        at,
    };
    match print(&inspection.formatted()) {
        Ending::Well if inspection.is_well() => Ending::Well,
        Ending::Well => Ending::Incomplete,
        failed => failed,
    }
}

/// Everything there is to tell.
struct Inspection<'a> {
    arguments: &'a InspectArguments,
    /// What the server was asked for.
    name: &'a ServerName<'static>,
    look: &'a Look,
    /// One for each of [`Look::shown`].
    reviews: &'a [Review],
    origins: &'a Origins,
    fetched: &'a Outcome,
    at: UnixTime,
}

impl Inspection<'_> {
    /// Whether no client finds anything wrong, nor whoever asked for `--within`.
    fn is_well(&self) -> bool {
        let is_fault = |finding: &Finding| match finding {
            Finding::ExpiresSoon { .. } => self.arguments.within.is_some(),
            finding => finding.severity() < Severity::Note,
        };
        !self.reviews.iter().flat_map(|review| &review.findings).any(is_fault)
    }

    /// The file or the URL that `certificate` is from, where it is not sent.
    fn origin(&self, certificate: &Certificate) -> Option<String> {
        let file = self.origins.of(certificate).map(|path| path.display().to_string());
        let url = |found: &Found| (*found.certificate == *certificate).then(|| found.url.escape_default().to_string());
        file.or_else(|| self.fetched.found.iter().find_map(url))
    }

    /// Each list of certificates with what there is to say of it.
    fn each(&self) -> impl Iterator<Item = (&Shown, &Review)> {
        self.look.shown.iter().zip(self.reviews)
    }

    fn formatted(&self) -> Vec<u8> {
        match self.arguments.format {
            InspectFormat::Text => text::text(self).into_bytes(),
            InspectFormat::Json => format!("{:#}\n", json::json(self)).into_bytes(),
            InspectFormat::Pem => {
                eprint!("{}", text::verdict(self));
                self.pem().into_bytes()
            }
        }
    }

    /// Whether the best chain is one that clients accept.
    fn is_found(&self, review: &Review) -> bool {
        match review.best.status {
            Status::Complete => true,
            Status::Unanchored | Status::SelfSigned => self.arguments.roots == Roots::None,
            Status::Incomplete | Status::Invalid => false,
        }
    }

    /// The chain to send instead: that of the first certificate where there are several, and nothing where no client
    /// would accept it.
    fn pem(&self) -> String {
        let Some(review) = self.reviews.first() else {
            return String::new();
        };
        if !self.is_found(review) {
            eprintln!(
                "no chain is printed: the best that can be made is {}",
                review.best.status
            );
            return String::new();
        }
        if self.reviews.len() > 1 {
            eprintln!(
                "of several certificates the chain of {} is printed",
                review.best.chain.leaf()
            );
        }
        let chain = &review.best.chain.certificates;
        chain.iter().map(|certificate| pem(certificate)).collect()
    }
}

/// The store and the roots, and where each certificate is from. What is broken inside is told of and skipped.
fn read(arguments: &InspectArguments) -> Result<(Inventory, Origins), certs::Error> {
    let settings = certs::Settings {
        intermediates: arguments.intermediates.clone(),
        roots: arguments.roots.clone(),
        ..certs::Settings::default()
    };
    let files = Files::read(&settings);
    let mut inventory = Inventory::read(&settings, &files, &|_| None);
    for problem in std::mem::take(&mut inventory.problems) {
        if is_of_no_use(&problem, &settings.intermediates, &settings.roots) {
            return Err(problem);
        }
        eprintln!("warning: {problem} (skipped)");
    }
    Ok((inventory, Origins::read(&settings.intermediates, &files)))
}

/// Asks the server; an error has been told of.
fn shake_hands(arguments: &InspectArguments, name: &ServerName<'static>) -> Result<Look, Ending> {
    let deadline = Instant::now() + arguments.timeout;
    let addresses = arguments.target.resolve(deadline).map_err(|error| complain(&error))?;
    look(&addresses, name, deadline).map_err(|error| complain_of(arguments, &error))
}

fn complain_of(arguments: &InspectArguments, error: &dyn Error) -> Ending {
    eprintln!("{}: {}", arguments.target, super::with_causes(error));
    Ending::Bad
}

/// The issuers that are neither sent nor in the store, where they may be fetched. Nothing is kept: whoever looks need not
/// be the one who serves.
fn fetched(
    reviews: &[Review],
    store: &Store,
    arguments: &InspectArguments,
    context: &Context<'_>,
) -> io::Result<Outcome> {
    if arguments.aia == Aia::Off {
        return Ok(Outcome::default());
    }
    let leaves: Vec<_> = reviews.iter().map(|review| review.best.chain.leaf().clone()).collect();
    let mut store = store.clone();
    let sent = reviews.iter().flat_map(|review| &review.sent);
    store.extend(sent.map(|sent| sent.certificate.clone()));
    let issuers = Issuers::new(Client::new(arguments.aia_allow_private), Cache::in_memory());
    aia::wait_for(issuers.find(&leaves, store, context))
}

/// One review for each different list of certificates.
fn reviews(
    look: &Look,
    name: &ServerName<'static>,
    store: &Store,
    arguments: &InspectArguments,
    context: &Context<'_>,
) -> Result<Vec<Review>, ReviewError> {
    let review = |shown: &Shown| {
        let expectations = Expectations {
            name: Some(name),
            strict_order: look.is_for_tls12(shown),
            anchored: arguments.roots != Roots::None,
            within: arguments.within.unwrap_or(SOON),
        };
        Review::of(&shown.certificates, store, &expectations, context)
    };
    look.shown.iter().map(review).collect()
}
