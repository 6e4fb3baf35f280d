//! One round of asking: the responders that a leaf names, in their order.

use std::net::SocketAddr;

use rustls::pki_types::{SignatureVerificationAlgorithm, UnixTime};

use crate::fetch::location::{Host, Location};
use crate::fetch::metrics::{self, Metrics, Sought};
use crate::fetch::quest::urls;
use crate::fetch::{self, Client};
use crate::ocsp::{self, Staple, Subject, request};

/// Why a round of asking gave no staple.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The leaf names no responder.
    #[error("the leaf names no OCSP responder")]
    NoResponder,
    /// A responder cannot be asked.
    #[error("{}", unasked(url, source))]
    Fetch {
        /// Where it was asked.
        url: String,
        /// Why not.
        source: fetch::Error,
    },
    /// What came back is no staple.
    #[error("{}: {source}", url.escape_default())]
    Response {
        /// Where it came from.
        url: String,
        /// Why not.
        source: ocsp::Error,
        /// What came.
        der: Vec<u8>,
    },
}

/// Some errors show the URL themselves.
fn unasked(url: &str, source: &fetch::Error) -> String {
    match source {
        fetch::Error::Scheme(_) | fetch::Error::Url(_) => source.to_string(),
        _ => format!("{}: {source}", url.escape_default()),
    }
}

impl Error {
    /// Whether the CA says that the leaf is revoked.
    pub(super) fn is_revocation(&self) -> bool {
        matches!(self, Self::Response { source, .. } if source.is_revocation())
    }

    /// The word that counters have for it.
    fn result(&self) -> &'static str {
        match self {
            Self::Fetch { source, .. } => source.cause(),
            _ if self.is_revocation() => metrics::REVOKED,
            _ => metrics::UNUSABLE,
        }
    }

    /// Whether the whole host seems to be down, and not this one answer of it.
    fn is_of_host(&self) -> bool {
        let Self::Fetch { source, .. } = self else {
            return false;
        };
        match source {
            fetch::Error::Connect { .. }
            | fetch::Error::Deadline(_)
            | fetch::Error::Http(_)
            | fetch::Error::Resolve { .. } => true,
            // Too Many Requests (RFC 6585), and what servers say when they can do no more.
            fetch::Error::Status(status) => *status == 429 || *status >= 500,
            _ => false,
        }
    }
}

/// A responder that a leaf names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Responder {
    pub(super) url: String,
    /// Who answers there: name and port.
    pub(super) host: String,
}

impl Responder {
    /// Those of `named` that are asked.
    pub(super) fn all(named: &[String]) -> Vec<Self> {
        let responder = |url: &str| Self {
            url: url.to_owned(),
            host: match Location::parse(url) {
                Ok(Location {
                    host: Host::Name(name),
                    port,
                    ..
                }) => format!("{}:{port}", name.to_ascii_lowercase()),
                Ok(Location {
                    host: Host::Address(address),
                    port,
                    ..
                }) => SocketAddr::new(address, port).to_string(),
                Err(_) => url.to_owned(),
            },
        };
        urls(named).map(responder).collect()
    }
}

/// What a round of asking gave.
pub(super) struct Round {
    pub(super) answer: Result<Staple, Error>,
    /// The hosts that were asked, in their order, each with the reason if it seems to be down.
    pub(super) hosts: Vec<(String, Option<String>)>,
}

impl Round {
    /// One that gave nothing.
    pub(super) fn lost() -> Self {
        Self {
            answer: Err(Error::NoResponder),
            hosts: Vec::new(),
        }
    }
}

/// Asks `responders` until one gives a staple for the leaf of `subject` that is good at the instant `at`, or says that
/// the leaf is revoked; each answer is counted in `metrics`. The error is that of the first, which is the one that the CA prefers.
///
/// By POST, which every responder takes. RFC 5019 section 5 wants GET for requests this small, so that caches on the way
/// can answer the millions of its browsers; whoever staples asks twice in the life of a response, and wants the newest
/// and not the one that a cache still has.
pub(super) async fn ask(
    client: &Client,
    responders: &[Responder],
    subject: &Subject<'_>,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    metrics: &Metrics,
    at: UnixTime,
) -> Round {
    let (mut failure, mut hosts) = (None, Vec::new());
    for responder in responders {
        let answer = ask_one(client, &responder.url, subject, algorithms, at).await;
        metrics.asked(
            Sought::Staple,
            answer.as_ref().map_or_else(Error::result, |_| metrics::OK),
        );
        let down = answer.as_ref().err().filter(|error| error.is_of_host());
        hosts.push((responder.host.clone(), down.map(ToString::to_string)));
        match answer {
            Err(error) if !error.is_revocation() => failure = failure.or(Some(error)),
            answer => return Round { answer, hosts },
        }
    }
    Round {
        answer: Err(failure.unwrap_or(Error::NoResponder)),
        hosts,
    }
}

async fn ask_one(
    client: &Client,
    url: &str,
    subject: &Subject<'_>,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    at: UnixTime,
) -> Result<Staple, Error> {
    let url = || url.to_owned();
    let answer = client.post(&url(), "application/ocsp-request", request(subject)).await;
    let der = answer.map_err(|source| Error::Fetch { url: url(), source })?;
    Staple::verify(&der, subject, algorithms, at).map_err(|source| Error::Response {
        url: url(),
        source,
        der,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_is_asked_and_the_host_is_told_apart_from_the_path() {
        let named = [
            "ldap:///CN=CA",
            "http://OCSP.test/a",
            "http://ocsp.test:80/b",
            "http://ocsp.test:81/",
        ]
        .map(str::to_owned);
        let responders = Responder::all(&named);
        let hosts: Vec<_> = responders.iter().map(|responder| responder.host.as_str()).collect();
        assert_eq!(hosts, ["ocsp.test:80", "ocsp.test:80", "ocsp.test:81"]);
        assert_eq!(Responder::all(&named[..1])[0].url, "ldap:///CN=CA");
        assert_eq!(Responder::all(&[]), []);
    }

    #[test]
    fn a_problem_names_the_url_once_and_on_one_line() {
        let of = |url: &str, source| {
            Error::Fetch {
                url: url.to_owned(),
                source,
            }
            .to_string()
        };
        let scheme = of("ldap:///", fetch::Error::Scheme("ldap:///".to_owned()));
        assert_eq!(scheme.matches("ldap:///").count(), 1, "{scheme}");
        let status = of("http://a.test/\n2026 forged", fetch::Error::Status(404));
        assert_eq!(status, "http://a.test/\\n2026 forged: expected status 200, found 404");
    }
}
