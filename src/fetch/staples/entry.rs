//! One leaf, its staple, and when its responder is asked. Pure: the instant is an argument.

use std::sync::Arc;

use rustls::pki_types::UnixTime;

use super::ask::{Error, Responder};
use super::link::Link;
use crate::ocsp::{self, Schedule, Staple};

/// What is known of one leaf.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) link: Link,
    pub(super) responders: Vec<Responder>,
    /// The newest staple there is; no longer good, it is gone.
    pub(super) staple: Option<Arc<Staple>>,
    /// Why the last round gave none.
    pub(super) problem: Option<String>,
    /// From when the answer is that the leaf is revoked, if that is the last word.
    revoked_as_of: Option<UnixTime>,
    /// Whether a round of asking is under way.
    pub(super) is_asked: bool,
    /// Whether what is kept on disk is still to be read.
    pub(super) is_unread: bool,
    schedule: Schedule,
}

/// What an answer changed.
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
    /// A leaf of which nothing is known.
    pub(super) fn new(link: Link) -> Self {
        Self {
            responders: Responder::all(link.leaf.ocsp_responders()),
            link,
            staple: None,
            problem: None,
            revoked_as_of: None,
            is_asked: false,
            is_unread: false,
            schedule: Schedule::default(),
        }
    }

    /// Whether the CA says that the leaf is revoked.
    pub(super) fn is_revoked(&self) -> bool {
        self.revoked_as_of.is_some()
    }

    /// From when the answer is that counts.
    pub(super) fn newest(&self) -> Option<UnixTime> {
        let staple = self.staple.as_ref().map(|staple| staple.this_update());
        self.revoked_as_of.or(staple)
    }

    /// Whether to ask its responder at the instant `now`. A leaf that has expired is not asked for.
    pub(super) fn is_due(&self, now: UnixTime) -> bool {
        now < self.link.leaf.not_after() && self.schedule.is_due(self.staple.as_deref(), now)
    }

    /// When it is to be asked for.
    pub(super) fn ask_at(&self) -> UnixTime {
        self.schedule.next(self.staple.as_deref())
    }

    /// The first instant after `now` at which there is something to do: to ask, or to take a staple off. Nobody is asked
    /// before `not_before`, and what is due already waits for somebody else to be done.
    pub(super) fn next(&self, not_before: Option<UnixTime>, now: UnixTime) -> Option<UnixTime> {
        let is_over = now >= self.link.leaf.not_after();
        let ask = not_before.into_iter().chain([self.ask_at()]).max();
        let end = self.staple.as_ref().map(|staple| staple.good_until());
        let both = ask.filter(|_| !is_over).into_iter().chain(end);
        both.filter(|instant| *instant > now).min()
    }

    /// Takes what a round of asking gave at the instant `now`.
    pub(super) fn take(&mut self, answer: Result<Staple, Error>, now: UnixTime) -> Change {
        match answer {
            Ok(staple) => {
                if self.revoked_as_of.is_some_and(|as_of| staple.this_update() <= as_of) {
                    // From a cache that is behind, or said again by somebody who would like it to be so.
                    self.schedule = self.schedule.failed(now);
                    return Change::Nothing;
                }
                self.schedule = self.schedule.answered(now);
                (self.problem, self.revoked_as_of) = (None, None);
                self.put_on(staple)
            }
            Err(error) => {
                self.schedule = self.schedule.failed(now);
                match &error {
                    Error::Response { source, .. } if source.is_revocation() => self.revoke(source, error.to_string()),
                    // That the responder is silent now takes nothing back.
                    _ if self.is_revoked() => Change::Nothing,
                    _ => self.note(error.to_string()),
                }
            }
        }
    }

    /// Takes what was kept on disk, if nothing newer has come meanwhile.
    pub(super) fn take_kept(&mut self, response: Result<Staple, ocsp::Error>) -> Change {
        self.is_unread = false;
        match response {
            Ok(staple) if self.revoked_as_of.is_none_or(|as_of| staple.this_update() > as_of) => self.put_on(staple),
            Err(error) if self.newest().is_none() && error.is_revocation() => self.revoke(&error, error.to_string()),
            Ok(_) | Err(_) => Change::Nothing,
        }
    }

    /// A cache or a second responder may be behind: the newest stays.
    fn put_on(&mut self, staple: Staple) -> Change {
        let before = self.staple.as_ref().map(|before| before.this_update());
        if before.is_some_and(|before| staple.this_update() <= before) {
            return Change::Nothing;
        }
        self.staple = Some(Arc::new(staple));
        Change::Staple
    }

    fn revoke(&mut self, error: &ocsp::Error, problem: String) -> Change {
        if let ocsp::Error::Revoked { this_update, .. } = error {
            self.revoked_as_of = self.revoked_as_of.into_iter().chain([*this_update]).max();
            self.staple = None;
        }
        self.note(problem)
    }

    fn note(&mut self, problem: String) -> Change {
        let is_news = self.problem.as_ref() != Some(&problem);
        self.problem = Some(problem);
        if is_news { Change::Problem } else { Change::Nothing }
    }

    /// Lets it be asked for at once.
    pub(super) fn forget_failures(&mut self) {
        if self.schedule.failures() > 0 {
            self.schedule = Schedule::default();
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
        let mut entry = Entry::new(Link { leaf, issuer });
        entry.staple = staple.map(Arc::new);
        entry
    }

    fn error(source: ocsp::Error) -> Result<Staple, Error> {
        let url = "http://ocsp.test/".to_owned();
        let der = Vec::new();
        Err(Error::Response { url, source, der })
    }

    fn revoked_as_of(seconds: u64) -> ocsp::Error {
        ocsp::Error::Revoked {
            since: at(0),
            reason: RevocationReason(1),
            this_update: at(seconds),
        }
    }

    #[test]
    fn a_leaf_is_asked_for_at_once_and_then_ahead_of_the_end() {
        let mut entry = entry(None);
        assert!(entry.is_due(at(0)));
        assert_eq!(entry.take(Ok(staple(0, 10 * DAY)), at(1)), Change::Staple);
        assert!(!entry.is_due(at(4 * DAY - 1)));
        assert!(entry.is_due(at(4 * DAY)));
        assert_eq!(entry.next(None, at(1)), Some(at(4 * DAY)));
        assert_eq!(entry.next(Some(at(4 * DAY + 9)), at(1)), Some(at(4 * DAY + 9)));
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
        assert_eq!(entry.next(None, at(DAY - 60)), Some(at(DAY)));
        assert!(entry.expire(at(DAY)));
        assert!(!entry.expire(at(DAY)));
        assert_eq!(entry.staple, None);
    }

    #[test]
    fn a_revocation_takes_the_staple_off_and_silence_takes_nothing_back() {
        let mut entry = entry(Some(staple(0, 10 * DAY)));
        assert_eq!(entry.take(error(revoked_as_of(4)), at(5)), Change::Problem);
        assert!(entry.is_revoked() && entry.staple.is_none());
        assert_eq!(entry.take(error(ocsp::Error::Unknown), at(6)), Change::Nothing);
        assert!(entry.is_revoked() && entry.problem.as_deref().unwrap().contains("keyCompromise"));
        // A certificate on hold may be taken off it.
        assert_eq!(entry.take(Ok(staple(7, 10 * DAY)), at(8)), Change::Staple);
        assert!(!entry.is_revoked());
    }

    #[test]
    fn a_good_answer_from_before_the_revocation_does_not_undo_it() {
        let mut entry = entry(None);
        entry.take(error(revoked_as_of(100)), at(101));
        for replayed in [99, 100] {
            assert_eq!(entry.take(Ok(staple(replayed, 10 * DAY)), at(200)), Change::Nothing);
            assert_eq!(entry.take_kept(Ok(staple(replayed, 10 * DAY))), Change::Nothing);
        }
        assert!(entry.is_revoked() && entry.staple.is_none() && entry.problem.is_some());
        assert!(!entry.is_due(at(201)));
        // An older revocation said again does not make room for it either.
        entry.take(error(revoked_as_of(50)), at(300));
        assert_eq!(entry.take(Ok(staple(99, 10 * DAY)), at(400)), Change::Nothing);
        assert_eq!(entry.newest(), Some(at(100)));
    }

    #[test]
    fn what_the_disk_says_late_counts_only_where_nothing_newer_has_come() {
        let mut entry = entry(None);
        assert_eq!(entry.take_kept(Err(revoked_as_of(3))), Change::Problem);
        assert!(entry.is_revoked());
        entry.take(Ok(staple(10, 10 * DAY)), at(11));
        assert_eq!(entry.take_kept(Err(revoked_as_of(3))), Change::Nothing);
        assert_eq!(entry.take_kept(Ok(staple(9, 11 * DAY))), Change::Nothing);
        assert_eq!((entry.newest(), entry.is_revoked()), (Some(at(10)), false));
    }

    #[test]
    fn a_leaf_that_has_expired_is_asked_for_no_more() {
        let entry = entry(None);
        assert!(entry.is_due(at(1_000 * DAY - 1)));
        assert!(!entry.is_due(at(1_000 * DAY)));
        assert_eq!(entry.next(None, at(1_000 * DAY)), None);
    }
}
