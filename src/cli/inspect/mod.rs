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
use super::assembling::{self, Bench, is_accepted, is_of_no_use};
use super::chain::pem;
use super::{Ending, aia, complain, print};
use crate::certs::{self, Files, Inventory, Origins, Roots};
use crate::chain::{
    Certificate, Context, Expectations, Finding, Purpose, Review, ReviewError, Severity, Store, Wanted,
};
use crate::fetch::{Aia, Cache, Client, Found, Issuers, Outcome};

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
    let bench = Bench::new(inventory.anchors);
    let context = bench.context(arguments.policy, at);
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
    inspection.print()
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
        let worst = self.reviews.iter().filter_map(Review::severity).min();
        worst.is_none_or(|severity| severity == Severity::Note)
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

    fn print(&self) -> Ending {
        let (text, is_well) = match self.arguments.format {
            InspectFormat::Text => (text::text(self), self.is_well()),
            InspectFormat::Json => (format!("{:#}\n", json::json(self)), self.is_well()),
            InspectFormat::Pem => {
                eprint!("{}", text::verdict(self));
                let pem = self.pem();
                // Whoever takes the chain wants to know whether it is there; the verdict on the server is another thing.
                let is_there = !pem.is_empty();
                (pem, is_there)
            }
        };
        match print(text.as_bytes()) {
            Ending::Well if is_well => Ending::Well,
            Ending::Well => Ending::Incomplete,
            failed => failed,
        }
    }

    /// Whether the best chain is one that clients accept.
    fn is_found(&self, review: &Review) -> bool {
        is_accepted(review.best.status, &self.arguments.roots)
    }

    /// Whether the server does not send the best chain, or not in its order, or there is none.
    fn is_to_be_mended(&self, review: &Review) -> bool {
        let is_as_it_should_be = review.add().next().is_none()
            && review.remove().next().is_none()
            && !review.findings.iter().any(Finding::is_order);
        !is_as_it_should_be || !self.is_found(review)
    }

    /// Whose chain goes out as PEM: the first that is to be mended, and where none is, the first.
    fn to_print(&self) -> Option<&Review> {
        let to_be_mended = self.reviews.iter().find(|review| self.is_to_be_mended(review));
        to_be_mended.or_else(|| self.reviews.first())
    }

    /// The chain to send instead, and nothing where no client would accept it.
    fn pem(&self) -> String {
        let Some(review) = self.to_print() else {
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
            let leaf = review.best.chain.leaf();
            eprintln!(
                "of several certificates the chain of {leaf} ({}) is printed",
                leaf.key_algorithm()
            );
        }
        for left_out in review.sent.iter().filter(|sent| sent.purpose == Purpose::OtherRoot) {
            eprintln!(
                "left out, though it does no harm: {}, which leads to another root",
                left_out.certificate
            );
        }
        let chain = &review.best.chain.certificates;
        chain.iter().map(|certificate| pem(certificate)).collect()
    }

    /// How the issuer that `review` wants might be had.
    fn hint(&self, wanted: Option<&Wanted>) -> Option<&'static str> {
        aia::hint(wanted?, self.arguments.aia, self.fetched)
    }
}

/// The store and the roots, and where each certificate is from. What is broken inside is told of and skipped.
fn read(arguments: &InspectArguments) -> Result<(Inventory, Origins), certs::Error> {
    let settings = assembling::settings(arguments.intermediates.clone(), arguments.roots.clone());
    let files = Files::read(&settings);
    let mut inventory = assembling::read(&settings, &files);
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
            strict_within: arguments.within.is_some(),
        };
        Review::of(&shown.certificates, store, &expectations, context)
    };
    look.shown.iter().map(review).collect()
}
