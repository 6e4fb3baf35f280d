//! What comes of looking for issuers, for whoever asked and for people.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::UnixTime;

use super::Error;
use super::judge::Dismissal;
use crate::certs::AnswerError;
use crate::chain::Certificate;

/// What came of looking for issuers.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What was found, for the store.
    pub found: Vec<Found>,
    /// What gave nothing, each URL once for each issuer that was wanted there.
    pub failures: Vec<Failure>,
    /// When to look again: something gave nothing, now or not long ago.
    pub retry_at: Option<UnixTime>,
    /// Why nothing is kept on disk; said once.
    pub cache_problem: Option<String>,
}

impl Outcome {
    /// Adds what came after it.
    pub fn add(&mut self, later: Self) {
        self.found.extend(later.found);
        self.failures.extend(later.failures);
        self.retry_at = [self.retry_at, later.retry_at]
            .into_iter()
            .flatten()
            .min_by_key(UnixTime::as_secs);
        self.cache_problem = self.cache_problem.take().or(later.cache_problem);
    }
}

/// A certificate that was fetched and made the signature of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The certificate.
    pub certificate: Arc<Certificate>,
    /// The certificate that it is an issuer of.
    pub issuer_of: Arc<Certificate>,
    /// Where it was published.
    pub url: String,
    /// When it was fetched.
    pub fetched_at: UnixTime,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}", self.certificate, self.url.escape_default())
    }
}

/// A question without an answer that counts.
#[derive(Debug)]
pub struct Failure {
    /// What was asked.
    pub url: String,
    /// The certificate whose issuer was wanted.
    pub issuer_of: Arc<Certificate>,
    /// Why nothing came of it.
    pub reason: Reason,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.escape_default();
        write!(
            f,
            "the issuer of {} is not to be had from {url}: {}",
            self.issuer_of, self.reason
        )
    }
}

/// Why nothing came of a question.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Reason {
    /// What came is no certificate.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// What came is another certificate than the one wanted.
    #[error("{0}")]
    Dismissed(Dismissal),
    /// Nothing came.
    #[error(transparent)]
    Fetch(#[from] Arc<Error>),
}
