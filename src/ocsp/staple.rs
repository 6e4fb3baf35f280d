//! A response that was verified for a leaf, and how long it is good.

use std::fmt;
use std::time::Duration;

use rustls_pki_types::{SignatureVerificationAlgorithm, UnixTime};

use super::Error;
use super::answer::{Answer, CertificateStatus};
use super::responder::authorized_until;
use super::response::Response;
use crate::chain::Certificate;

/// It goes out in every full handshake. A response signed with ML-DSA-87 by a responder of its own has two signatures of
/// 4.6 KiB and a key of 2.6 KiB; common ones have 0.5 to 2 KiB.
pub const MOST_BYTES: usize = 16 << 10;

/// How far a responder's clock may be ahead of ours: as `openssl ocsp` allows by default.
const SKEW: Duration = Duration::from_secs(5 * 60);

/// How long a response without nextUpdate counts: as long as the strictest client, Firefox (mozilla::pkix), takes it. RFC
/// 6960 section 4.2.2.1 names no bound; RFC 5019 section 2.2.4 wants nextUpdate always.
const WITHOUT_NEXT_UPDATE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long no newer response is asked for at most: by then every CA must have one (CA/Browser Forum, Baseline Requirements,
/// section 4.9.10: a response counts for ten days at most, and four days after its thisUpdate there is the next). A
/// responder of nobody's rules may well say a year.
const LATEST_REFRESH: Duration = Duration::from_secs(4 * 24 * 60 * 60);

/// Whose status is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The certificate.
    pub leaf: &'a Certificate,
    /// The one that issued it.
    pub issuer: &'a Certificate,
}

/// A response that says that a leaf is good, verified: it is about this leaf, signed by the issuer or on its behalf, and
/// was fresh then.
#[derive(Clone, PartialEq, Eq)]
pub struct Staple {
    der: Box<[u8]>,
    this_update: UnixTime,
    good_until: UnixTime,
}

impl Staple {
    /// Verifies that `der` is a response by which the leaf of `subject` is good at the instant `at`, signed by one of
    /// `algorithms`.
    ///
    /// # Errors
    ///
    /// [`Error`], also where the response is sound and says that the leaf is revoked.
    pub fn verify(
        der: &[u8],
        subject: &Subject<'_>,
        algorithms: &[&dyn SignatureVerificationAlgorithm],
        at: UnixTime,
    ) -> Result<Self, Error> {
        if der.len() > MOST_BYTES {
            return Err(Error::TooLarge(der.len()));
        }
        let response = Response::read(der)?;
        let answer = only_answer(&response, subject)?;
        let authorized_until = authorized_until(&response, subject.issuer, algorithms, at)?;
        let (produced_at, this_update) = (response.produced_at, answer.this_update);
        let newest = UnixTime::since_unix_epoch(Duration::from_secs(at.as_secs()) + SKEW);
        for start in [produced_at, this_update] {
            if start > newest {
                return Err(Error::NotYetValid(start));
            }
        }
        let ends = [
            Some(
                answer
                    .next_update
                    .unwrap_or_else(|| later(this_update, WITHOUT_NEXT_UPDATE)),
            ),
            authorized_until,
            Some(subject.leaf.not_after()),
        ];
        let good_until = ends.into_iter().flatten().min().unwrap_or(this_update);
        if at >= good_until {
            return Err(Error::Expired(good_until));
        }
        match answer.status {
            CertificateStatus::Good => Ok(Self {
                der: der.into(),
                this_update,
                good_until,
            }),
            CertificateStatus::Revoked { since, reason } => Err(Error::Revoked {
                since,
                reason,
                this_update,
            }),
            CertificateStatus::Unknown => Err(Error::Unknown),
        }
    }

    /// One that is good from `this_update` to `good_until`, for tests of what goes by that alone.
    #[cfg(test)]
    pub(crate) fn spanning(this_update: u64, good_until: u64) -> Self {
        let instant = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        Self {
            der: Box::default(),
            this_update: instant(this_update),
            good_until: instant(good_until),
        }
    }

    /// The whole response, as it is stapled.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// From when its answer is.
    pub fn this_update(&self) -> UnixTime {
        self.this_update
    }

    /// When it ends to be good: at nextUpdate, and never after the leaf or the responder's certificate has expired.
    pub fn good_until(&self) -> UnixTime {
        self.good_until
    }

    /// Whether it may be stapled at the instant `at`.
    pub fn is_good_at(&self, at: UnixTime) -> bool {
        at < self.good_until
    }

    /// From when on a newer one should be fetched: halfway, as Caddy does, and after four days at the latest. What goes
    /// wrong then has the rest to be mended in.
    pub fn refresh_at(&self) -> UnixTime {
        let validity = self.good_until.as_secs().saturating_sub(self.this_update.as_secs());
        later(self.this_update, Duration::from_secs(validity / 2).min(LATEST_REFRESH))
    }
}

/// The one answer about `subject`. With several, each client would take another.
fn only_answer<'r, 'a>(response: &'r Response<'a>, subject: &Subject<'_>) -> Result<&'r Answer<'a>, Error> {
    let mut answers = response.answers.iter().filter(|answer| answer.id.names(subject));
    match (answers.next(), answers.next()) {
        (Some(answer), None) => Ok(answer),
        (Some(_), Some(_)) => Err(Error::Malformed("responses: two about one certificate")),
        (None, _) => Err(Error::OtherCertificate),
    }
}

pub(super) fn later(time: UnixTime, by: Duration) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(time.as_secs()).saturating_add(by))
}

impl fmt::Debug for Staple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staple")
            .field("this_update", &self.this_update)
            .field("good_until", &self.good_until)
            .finish_non_exhaustive()
    }
}
