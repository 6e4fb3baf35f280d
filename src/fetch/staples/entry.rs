//! One leaf, its staple, and when its responder is asked. Pure: the instant is an argument.

use std::sync::Arc;

use rustls::pki_types::UnixTime;

use super::ask::Error;
use super::stapler::Link;
use crate::ocsp::{Schedule, Staple};

/// What is known of one leaf.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) link: Link,
    /// The newest staple there is; no longer good, it is gone.
    pub(super) staple: Option<Arc<Staple>>,
    /// Why the last round gave none.
    pub(super) problem: Option<String>,
    pub(super) is_revoked: bool,
    schedule: Schedule,
}

/// What a round of asking changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Another staple.
    Staple,
    /// No staple any more, or another reason why there is none.
    Problem,
    /// Nothing that anybody can see.
    Nothing,
}

impl Entry {
    /// A leaf of which `staple` is known.
    pub(super) fn new(link: Link, staple: Option<Staple>) -> Self {
        Self {
            link,
            staple: staple.map(Arc::new),
            problem: None,
            is_revoked: false,
            schedule: Schedule::default(),
        }
    }

    /// Whether to ask its responder at the instant `now`. A leaf that has expired is not asked for.
    pub(super) fn is_due(&self, now: UnixTime) -> bool {
        now < self.link.leaf.not_after() && self.schedule.is_due(self.staple.as_deref(), now)
    }

    /// When there is something to do after the instant `now`: to ask, or to take a staple off.
    pub(super) fn next(&self, now: UnixTime) -> Option<UnixTime> {
        let ask = Some(self.schedule.next(self.staple.as_deref())).filter(|_| now < self.link.leaf.not_after());
        let end = self.staple.as_ref().map(|staple| staple.good_until());
        ask.into_iter().chain(end).min()
    }

    /// Takes what a round of asking gave at the instant `now`.
    pub(super) fn take(&mut self, answer: Result<Staple, Error>, now: UnixTime) -> Change {
        match answer {
            Ok(staple) => {
                self.schedule = self.schedule.answered(now);
                (self.problem, self.is_revoked) = (None, false);
                // A cache or a second responder may be behind: the newest stays.
                let is_news = self
                    .staple
                    .as_ref()
                    .is_none_or(|before| staple.this_update() > before.this_update());
                if is_news {
                    self.staple = Some(Arc::new(staple));
                }
                if is_news { Change::Staple } else { Change::Nothing }
            }
            Err(error) => {
                self.schedule = self.schedule.failed(now);
                if self.is_revoked && !error.is_revocation() {
                    // That the responder is silent now takes nothing back.
                    return Change::Nothing;
                }
                self.is_revoked = error.is_revocation();
                if self.is_revoked {
                    self.staple = None;
                }
                let problem = Some(error.to_string());
                let is_news = problem != self.problem;
                self.problem = problem;
                if is_news { Change::Problem } else { Change::Nothing }
            }
        }
    }

    /// Takes the staple off if it is no longer good at the instant `now`.
    pub(super) fn expire(&mut self, now: UnixTime) -> bool {
        let is_over = self.staple.as_ref().is_some_and(|staple| !staple.is_good_at(now));
        if is_over {
            self.staple = None;
        }
        is_over
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::chain::Certificate;
    use crate::ocsp::{self, RevocationReason};

    const DAY: u64 = 24 * 60 * 60;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    fn staple(from: u64, until: u64) -> Staple {
        Staple::spanning(from, until)
    }

    /// The leaf ends on day 1000.
    fn entry(staple: Option<Staple>) -> Entry {
        let mut params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        params.not_before = time::OffsetDateTime::UNIX_EPOCH;
        params.not_after = time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(1_000);
        let leaf = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let leaf = Arc::new(Certificate::from_der(leaf.der().clone()).unwrap());
        let issuer = leaf.clone();
        Entry::new(Link { leaf, issuer }, staple)
    }

    fn error(source: ocsp::Error) -> Result<Staple, Error> {
        let url = "http://ocsp.test/".to_owned();
        Err(Error::Response { url, source })
    }

    fn revoked() -> Result<Staple, Error> {
        let (since, reason) = (at(0), RevocationReason(1));
        error(ocsp::Error::Revoked { since, reason })
    }

    #[test]
    fn a_leaf_is_asked_for_at_once_and_then_ahead_of_the_end() {
        let mut entry = entry(None);
        assert!(entry.is_due(at(0)));
        assert_eq!(entry.take(Ok(staple(0, 10 * DAY)), at(1)), Change::Staple);
        assert!(!entry.is_due(at(5 * DAY - 1)));
        assert!(entry.is_due(at(5 * DAY)));
        assert_eq!(entry.next(at(1)), Some(at(5 * DAY)));
    }

    #[test]
    fn an_older_answer_and_the_same_reason_again_are_no_news() {
        let mut entry = entry(Some(staple(10, 10 * DAY)));
        assert_eq!(entry.take(Ok(staple(9, 11 * DAY)), at(11)), Change::Nothing);
        assert_eq!(entry.take(error(ocsp::Error::Unknown), at(12)), Change::Problem);
        assert_eq!(entry.take(error(ocsp::Error::Unknown), at(13)), Change::Nothing);
        assert_eq!(entry.staple.as_ref().unwrap().this_update(), at(10));
        assert_eq!(entry.take(Ok(staple(20, 11 * DAY)), at(21)), Change::Staple);
        assert_eq!(entry.problem, None);
    }

    #[test]
    fn a_staple_stays_through_failures_until_it_ends() {
        let mut entry = entry(Some(staple(0, DAY)));
        entry.take(error(ocsp::Error::Unknown), at(DAY - 60));
        assert!(!entry.expire(at(DAY - 1)));
        assert_eq!(entry.next(at(DAY - 60)), Some(at(DAY)));
        assert!(entry.expire(at(DAY)));
        assert!(!entry.expire(at(DAY)));
        assert_eq!(entry.staple, None);
    }

    #[test]
    fn a_revocation_takes_the_staple_off_and_silence_takes_nothing_back() {
        let mut entry = entry(Some(staple(0, 10 * DAY)));
        assert_eq!(entry.take(revoked(), at(5)), Change::Problem);
        assert!(entry.is_revoked && entry.staple.is_none());
        assert_eq!(entry.take(error(ocsp::Error::Unknown), at(6)), Change::Nothing);
        assert!(entry.is_revoked && entry.problem.as_deref().unwrap().contains("keyCompromise"));
        // A certificate on hold may be taken off it.
        assert_eq!(entry.take(Ok(staple(7, 10 * DAY)), at(8)), Change::Staple);
        assert!(!entry.is_revoked);
    }

    #[test]
    fn a_leaf_that_has_expired_is_asked_for_no_more() {
        let entry = entry(None);
        assert!(entry.is_due(at(1_000 * DAY - 1)));
        assert!(!entry.is_due(at(1_000 * DAY)));
        assert_eq!(entry.next(at(1_000 * DAY)), None);
    }
}
