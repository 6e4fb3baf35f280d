//! One round of asking: the responders that a leaf names, in their order.

use rustls::pki_types::{SignatureVerificationAlgorithm, UnixTime};

use crate::fetch::{self, Client};
use crate::ocsp::{self, Staple, Subject, request};

/// A certificate names one responder, rarely two.
const MOST_RESPONDERS: usize = 4;

/// Why a round of asking gave no staple.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The leaf names no responder.
    #[error("the leaf names no OCSP responder")]
    NoResponder,
    /// A responder cannot be asked.
    #[error("{url}: {source}")]
    Fetch {
        /// Where it was asked.
        url: String,
        /// Why not.
        source: fetch::Error,
    },
    /// What came back is no staple.
    #[error("{url}: {source}")]
    Response {
        /// Where it came from.
        url: String,
        /// Why not.
        source: ocsp::Error,
    },
}

impl Error {
    /// Whether the CA says that the leaf is revoked.
    pub fn is_revocation(&self) -> bool {
        matches!(self, Self::Response { source, .. } if source.is_revocation())
    }
}

/// Asks the responders of the leaf of `subject` until one gives a staple that is good at the instant `at`, or says that
/// the leaf is revoked.
///
/// By POST, which every responder takes. RFC 5019 section 5 wants GET for requests this small, so that caches on the way
/// can answer the millions of its browsers; whoever staples asks twice in the life of a response, and wants the newest
/// and not the one that a cache still has.
///
/// # Errors
///
/// [`Error`] of the first responder, which is the one that the CA prefers.
pub async fn ask(
    client: &Client,
    subject: &Subject<'_>,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    at: UnixTime,
) -> Result<Staple, Error> {
    let mut failure = None;
    for url in subject.leaf.ocsp_responders().iter().take(MOST_RESPONDERS) {
        match ask_one(client, url, subject, algorithms, at).await {
            Ok(staple) => return Ok(staple),
            Err(error) if error.is_revocation() => return Err(error),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    Err(failure.unwrap_or(Error::NoResponder))
}

async fn ask_one(
    client: &Client,
    url: &str,
    subject: &Subject<'_>,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    at: UnixTime,
) -> Result<Staple, Error> {
    let answer = client.post(url, "application/ocsp-request", request(subject)).await;
    let der = answer.map_err(|source| Error::Fetch {
        url: url.to_owned(),
        source,
    })?;
    Staple::verify(&der, subject, algorithms, at).map_err(|source| Error::Response {
        url: url.to_owned(),
        source,
    })
}
